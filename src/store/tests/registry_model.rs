//! Random operations against the registry and against plain maps, with sweeps and restarts among
//! them: what can be read is what the maps say, every count is right after every step, and
//! nothing vanishes before its time (I1-I3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::manifests::{LINK_OVER, image, image_tag, manifest, oci};
use super::{House, LEASE_OVER, WORK, assert_consistent, cause, tag};
use crate::db::tests::random::{Random, for_seeds};
use crate::model::{Standing, Timestamp};
use crate::store::Error;
use crate::store::image_tags::TagsMax;
use crate::store::manifests::ManifestPush;

const OPERATIONS: usize = 250;
const LINK: Duration = Duration::from_secs(24 * 3600 + 1);
const IMAGES: [&str; 3] = ["main/job", "plain", "u/u/b/j"];
const TAGS: [&str; 4] = ["v1", "V1", "v2", "latest"];
const BLOBS: [&str; 4] = ["b0", "b1", "a blob that is a file", "another blob in a file"];
const TEXTS: usize = 8;

/// What a manifest is, from its text alone: the same text names the same things.
struct Shape {
    text: String,
    blobs: Vec<&'static str>,
    children: Vec<String>,
    subject: Option<String>,
}

fn text(number: usize) -> String {
    format!("m{number}")
}

/// The first ones are images, then indexes of them, then signatures.
fn shape(number: usize) -> Shape {
    let (blobs, children, subject) = match number {
        0..4 => (vec![BLOBS[number], BLOBS[(number + 1) % 4]], vec![], None),
        4 | 5 => (vec![], vec![text(number - 4), text(number - 3)], None),
        _ => (vec![BLOBS[number % 4]], vec![], Some(text(number - 6))),
    };
    Shape { text: text(number), blobs, children, subject }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing removes it but a request.
    Stays,
    /// A sweep may remove it from this moment on.
    Until(Timestamp),
}

struct Known {
    fate: Fate,
    children: BTreeSet<String>,
}

#[derive(Default)]
struct Repository {
    manifests: BTreeMap<String, Known>,
    tags: BTreeMap<String, String>,
}

struct World {
    house: Option<House>,
    images: BTreeMap<&'static str, Repository>,
}

fn push_of(at: &str, name: &str, number: usize) -> ManifestPush {
    let shape = shape(number);
    let children: Vec<_> = shape.children.iter().map(String::as_str).collect();
    let push = manifest(at, name, &shape.text).blobs(&shape.blobs).children(&children);
    match &shape.subject {
        Some(subject) => push.about(subject),
        None => push,
    }
}

fn in_tree(at: &str, name: &str) -> Option<String> {
    image(at).format_of(&image_tag(name)).map(|path| path.to_string())
}

impl Repository {
    fn is_held(&self, text: &str) -> bool {
        self.tags.values().any(|named| named == text)
            || self.manifests.values().any(|known| known.children.contains(text))
    }
}

impl World {
    fn house(&self) -> &House {
        self.house.as_ref().unwrap()
    }

    /// The end of a link that begins now.
    fn link(&self) -> Fate {
        Fate::Until(self.house().now().after(LINK))
    }

    /// A holder of a manifest is gone. What still waits to be destroyed may hold it for a while,
    /// and then lets it go by a deletion.
    fn let_go(&mut self, at: &'static str, text: &str, fate: Fate) {
        let (link, found) = (self.link(), self.house().manifest(at, text));
        let repository = self.images.get_mut(at).unwrap();
        if repository.is_held(text) {
            return;
        }
        let waits = found.is_some_and(|(_, found)| matches!(found.standing, Standing::Held { .. }));
        if let Some(known) = repository.manifests.get_mut(text) {
            known.fate = if waits { link } else { fate };
        }
    }

    fn step(&mut self, random: &mut Random) {
        let at = *random.pick(&IMAGES);
        match random.below(24) {
            0..=4 => self.blob(at, random),
            5..=11 => self.push(at, random),
            12..=13 => self.delete_tag(at, random),
            14..=15 => self.delete_manifest(at, random),
            16..=17 => self.delete_tree_tag(random),
            18 => self.house().clock.advance(LINK / 3),
            19..=20 => self.destroy(random),
            21..=22 => self.sweep(),
            _ => self.house = self.house.take().map(House::reopen),
        }
    }

    fn blob(&self, at: &str, random: &mut Random) {
        let text = *random.pick(&BLOBS);
        self.house().blob(at, text).unwrap();
    }

    fn push(&mut self, at: &'static str, random: &mut Random) {
        let number = random.below(TEXTS);
        let name = if random.one_in(3) { "" } else { *random.pick(&TAGS) };
        let shape = shape(number);
        let house = self.house.as_ref().unwrap();
        let repository = self.images.entry(at).or_default();
        let is_known = repository.manifests.contains_key(&shape.text);
        let is_missing = |text: &&&str| !house.has_image_blob(at, text);
        let lacks_blob = !is_known && shape.blobs.iter().any(|text| is_missing(&text));
        let lacks_child =
            shape.children.iter().any(|text| !repository.manifests.contains_key(text));
        let place = if name.is_empty() { None } else { in_tree(at, name) };
        let is_taken = repository
            .tags
            .keys()
            .any(|other| other != name && place.is_some() && in_tree(at, other) == place);
        let result = house.push(push_of(at, name, number));
        match result {
            Err(Error::ManifestBlobUnknown(_)) => assert!(lacks_blob),
            Err(Error::ManifestUnknown(_)) => assert!(lacks_child),
            Err(Error::TagTaken { .. }) => assert!(is_taken),
            Err(Error::QuotaExceeded { .. }) => assert!(at.starts_with("u/")),
            Err(error) => panic!("{error}"),
            Ok(pushed) => {
                assert!(!lacks_blob && !lacks_child && !is_taken);
                assert_eq!(pushed.is_new, !is_known);
                self.pushed(at, name, &shape);
            }
        }
    }

    fn pushed(&mut self, at: &'static str, name: &str, shape: &Shape) {
        let link = self.link();
        let repository = self.images.get_mut(at).unwrap();
        let children = shape.children.iter().cloned().collect();
        let known = Known { fate: Fate::Stays, children };
        repository.manifests.insert(shape.text.clone(), known);
        if name.is_empty() {
            return self.let_go(at, &shape.text, Fate::Stays);
        }
        let old = repository.tags.insert(name.to_owned(), shape.text.clone());
        let fate = if in_tree(at, name).is_some() { link } else { Fate::Stays };
        if let Some(old) = old.filter(|old| *old != shape.text) {
            self.let_go(at, &old, fate);
        }
    }

    fn delete_tag(&mut self, at: &'static str, random: &mut Random) {
        let name = *random.pick(&TAGS);
        let result = self.house().delete_image_tag(at, name);
        let old = self.images.entry(at).or_default().tags.remove(name);
        assert_eq!(result.is_ok(), old.is_some());
        if let Some(old) = old {
            self.let_go(at, &old, self.link());
        }
    }

    fn delete_tree_tag(&mut self, random: &mut Random) {
        let (path, at) = *random.pick(&[
            ("main/v1", "main/job"),
            ("main/v2", "main/job"),
            ("~u:b/v1", "u/u/b/j"),
        ]);
        let result = self.house().store.delete_tag(tag(path), cause()).wait();
        assert_consistent(&self.house().store);
        let tree = path.rsplit('/').next().unwrap();
        let tags = &mut self.images.entry(at).or_default().tags;
        let gone: Vec<_> = tags.keys().filter(|tag| tag.to_lowercase() == tree).cloned().collect();
        // The tag may still be there without a format.
        assert!(result.is_ok() || gone.is_empty());
        for name in gone {
            let old = self.images.get_mut(at).unwrap().tags.remove(&name).unwrap();
            self.let_go(at, &old, self.link());
        }
    }

    fn delete_manifest(&mut self, at: &'static str, random: &mut Random) {
        let number = random.below(TEXTS);
        let result = self.house().delete_manifest(at, &text(number));
        let repository = self.images.entry(at).or_default();
        let gone = repository.manifests.remove(&text(number));
        assert_eq!(result.is_ok(), gone.is_some());
        let Some(gone) = gone else { return };
        repository.tags.retain(|_, named| *named != text(number));
        for child in gone.children {
            self.let_go(at, &child, self.link());
        }
        self.followers_of(at, number);
    }

    /// What is about a manifest may go once that is destroyed and a link is over.
    fn followers_of(&mut self, at: &'static str, number: usize) {
        for follower in (0..TEXTS).filter(|other| shape(*other).subject == Some(text(number))) {
            // One whose own link runs, or is over and was not looked at since, gets no other.
            let known = self.images[at].manifests.get(&text(follower));
            if known.is_some_and(|known| known.fate == Fate::Stays) {
                self.let_go(at, &text(follower), self.link());
            }
        }
    }

    fn destroy(&mut self, random: &mut Random) {
        let rows = u32::try_from(1 + random.below(4)).unwrap();
        self.house().store.destroy_slice(WORK, rows).unwrap();
        assert_consistent(&self.house().store);
    }

    /// Ends what may end. What is gone then must have been allowed to go.
    fn sweep(&mut self) {
        let house = self.house.as_ref().unwrap();
        house.sweep_registry();
        let now = house.now();
        let mut gone = Vec::new();
        for (at, repository) in &self.images {
            for (text, known) in &repository.manifests {
                if house.manifest(at, text).is_none() {
                    let may = matches!(known.fate, Fate::Until(until) if until <= now);
                    assert!(may && !repository.is_held(text), "{at} lost {text}");
                    gone.push((*at, text.clone()));
                }
            }
        }
        for (at, text) in gone {
            self.lost(at, &text);
        }
    }

    fn lost(&mut self, at: &'static str, lost: &str) {
        let known = self.images.get_mut(at).unwrap().manifests.remove(lost).unwrap();
        for child in known.children {
            self.let_go(at, &child, self.link());
        }
        let number = (0..TEXTS).find(|number| text(*number) == lost).unwrap();
        self.followers_of(at, number);
    }

    fn check(&self) {
        let view = self.house().store.view().unwrap();
        for (at, repository) in &self.images {
            let known = (0..TEXTS)
                .map(text)
                .filter(|text| view.manifest(&image(at), &oci(text)).unwrap().is_some());
            let expected: Vec<_> = repository.manifests.keys().cloned().collect();
            assert_eq!(known.collect::<Vec<_>>(), expected, "{at}");
            let mut tags = BTreeMap::new();
            let max = TagsMax { tags: 99, looks: 99 };
            for name in view.image_tags(&image(at), None, max, |_| true).unwrap().tags {
                let row = view.image_tag(&image(at), &name).unwrap().unwrap();
                let record = view.manifest_by_id(row.manifest).unwrap().unwrap();
                let named = repository.tags.get(name.as_str());
                assert_eq!(Some(record.digest), named.map(|text| super::digest(text)), "{at}");
                tags.insert(name.to_string(), named.cloned().unwrap());
            }
            assert_eq!(tags, repository.tags, "{at}");
            for (text, known) in &repository.manifests {
                let number = (0..TEXTS).find(|number| self::text(*number) == *text).unwrap();
                for blob in shape(number).blobs {
                    let row = view.image_blob(&image(at), &oci(blob)).unwrap().unwrap();
                    assert!(row.row.refs.count() > 0, "{at} {text} {:?}", known.fate);
                }
            }
        }
    }

    /// In the end everything is deleted, and all space comes back.
    fn settle(&mut self) {
        let house = self.house();
        for (at, repository) in &self.images {
            for text in repository.manifests.keys() {
                match house.delete_manifest(at, text) {
                    Ok(()) | Err(Error::NotFound(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        for _ in 0..4 {
            house.clock.advance(LINK_OVER);
            house.sweep_registry();
        }
        house.clock.advance(LEASE_OVER);
        house.sweep_registry();
        assert_eq!((house.images(), house.blobs()), (0, 0));
        let totals = house.store.view().unwrap().totals().unwrap();
        assert_eq!((totals.queue, totals.named.files, totals.free.files), (0, 0, 0));
    }
}

#[test]
fn the_registry_does_what_plain_maps_do() {
    for_seeds(0..4, |random| {
        let mut world = World { house: Some(House::new()), images: BTreeMap::new() };
        for _ in 0..OPERATIONS {
            world.step(random);
            world.check();
        }
        world.settle();
    });
}
