//! Recounts everything that is derived from the tables that are truth (I2), within one snapshot.

mod cached;
mod groups;
mod image_links;
mod manifests;
mod packages;
mod policies;
mod products;
mod projects;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use crate::db::codec::Value;
use crate::db::keys::Key;
use crate::db::schema::{
    ARTIFACTS, BLOBS, BRANCHES, CONTAINERS, DETACHED, DIGESTS, FORMATS, FREE, INLINE, JOBS, LAPSED,
    META, Meta, NODES, OWNERS, PUBLICATIONS, PUBLICATIONS_DUE, REFS, REPOS, TAG_AGES, TAGS, TOTALS,
    UNLINKS,
};
use crate::db::{Snapshot, Span, Table};
use crate::model::{
    BlobId, Entry, Node, Place, Referrer, Refs, RepoId, Tag, TagCounts, Totals, Usage,
};
use crate::store::Store;

/// Panics with every difference between the rows and a recount of them.
pub(crate) fn assert_consistent(store: &Store) {
    let found = audit(store);
    assert!(found.is_empty(), "the store is not consistent:\n{}", found.join("\n"));
    // What `larder check` says is the same.
    store.verify().unwrap_or_else(|found| panic!("the check finds what is not there: {found}"));
}

fn audit(store: &Store) -> Vec<String> {
    let snapshot = store.view().unwrap().snapshot;
    let tree = Tree::read(&snapshot);
    let mut audit = Audit { snapshot, tree, found: Vec::new() };
    audit.repositories();
    audit.containers();
    audit.nodes();
    audit.detached();
    audit.products();
    audit.references();
    audit.blobs();
    audit.totals();
    audit.sequences();
    audit.publications();
    audit.image_links();
    audit.manifests();
    audit.cached();
    audit.groups();
    audit.policies();
    audit.packages();
    audit.found
}

type Map<K, V> = BTreeMap<Vec<u8>, (K, V)>;

fn rows<K: Key, V: Value>(snapshot: &Snapshot, table: &Table<K, V>) -> Vec<(K, V)> {
    table.all(snapshot, Span::all()).unwrap()
}

/// By the bytes of the key, for types that do not sort.
fn map<K: Key, V>(rows: Vec<(K, V)>) -> Map<K, V> {
    rows.into_iter().map(|row| (row.0.to_bytes(), row)).collect()
}

/// Who lies in whom, from the truth tables alone.
struct Tree {
    children: BTreeMap<Node, Vec<Node>>,
    /// What lies directly in a format.
    files: BTreeMap<Node, Usage>,
    entries: BTreeMap<Node, Entry>,
    live: BTreeSet<Node>,
}

impl Tree {
    fn read(snapshot: &Snapshot) -> Self {
        let mut tree = Self {
            children: BTreeMap::new(),
            files: BTreeMap::new(),
            entries: BTreeMap::new(),
            live: BTreeSet::new(),
        };
        let mut roots = Vec::new();
        for ((repo, name), branch) in rows(snapshot, &BRANCHES) {
            let entry = Entry { parent: repo.0, name: name.to_string() };
            tree.entries.insert(Node::Branch(branch.id), entry);
            roots.push(Node::Branch(branch.id));
        }
        for ((at, name), tag) in rows(snapshot, &TAGS) {
            tree.enter(Node::Branch(at), at.0, name.as_str(), Node::Tag(tag.id));
        }
        for ((at, name), job) in rows(snapshot, &JOBS) {
            tree.enter(Node::Tag(at), at.0, name.as_str(), Node::Job(job.id));
        }
        for ((at, name), format) in rows(snapshot, &FORMATS) {
            tree.enter(Node::Job(at), at.0, name.as_str(), Node::Format(format.id));
        }
        for ((at, _), file) in rows(snapshot, &ARTIFACTS) {
            let usage = tree.files.entry(Node::Format(at)).or_default();
            *usage = usage.plus(Usage::of(file.size));
        }
        for (at, shown) in rows(snapshot, &CONTAINERS) {
            let usage = tree.files.entry(Node::Format(at)).or_default();
            *usage = usage.plus(shown.usage);
        }
        while let Some(node) = roots.pop() {
            roots.extend(tree.below(node));
            tree.live.insert(node);
        }
        tree
    }

    fn enter(&mut self, parent: Node, parent_id: u64, name: &str, node: Node) {
        self.children.entry(parent).or_default().push(node);
        let entry = Entry { parent: parent_id, name: name.to_owned() };
        self.entries.insert(node, entry);
    }

    fn below(&self, node: Node) -> Vec<Node> {
        self.children.get(&node).cloned().unwrap_or_default()
    }

    fn usage(&self, node: Node) -> Usage {
        let own = self.files.get(&node).copied().unwrap_or_default();
        self.below(node).into_iter().fold(own, |sum, child| sum.plus(self.usage(child)))
    }

    /// `node` and all below it.
    fn all(&self, node: Node) -> Vec<Node> {
        let mut all = vec![node];
        let mut at = 0;
        while at < all.len() {
            all.extend(self.below(all[at]));
            at += 1;
        }
        all
    }
}

struct Audit {
    snapshot: Arc<Snapshot>,
    tree: Tree,
    found: Vec<String>,
}

impl Audit {
    #[expect(clippy::needless_pass_by_value, reason = "most of them are made for the call")]
    fn same<T: PartialEq + Debug>(&mut self, what: &str, stored: T, counted: T) {
        if stored != counted {
            self.found.push(format!("{what}: stored {stored:?}, counted {counted:?}"));
        }
    }

    fn rows<K: Key, V: Value>(&self, table: &Table<K, V>) -> Vec<(K, V)> {
        rows(&self.snapshot, table)
    }

    /// Usage of each user's repository; each has an owner, and every branch a repository.
    fn repositories(&mut self) {
        let mut usages: BTreeMap<u64, Usage> = BTreeMap::new();
        for ((repo, _), branch) in self.rows(&BRANCHES) {
            let usage = usages.entry(repo.0).or_default();
            *usage = usage.plus(self.tree.usage(Node::Branch(branch.id)));
        }
        usages.remove(&RepoId::SHARED.0);
        let mut owners = Vec::new();
        for (user, repo) in self.rows(&REPOS) {
            let counted = usages.remove(&repo.id.0).unwrap_or_default();
            self.same(&format!("usage of ~{user}"), repo.usage, counted);
            owners.push((repo.id, user));
        }
        self.same("branches of no repository", usages, BTreeMap::new());
        self.same("owners", map(self.rows(&OWNERS)), map(owners));
    }

    /// Usage at each level, tag counts and dirty formats of what can be read.
    fn containers(&mut self) {
        for ((_, name), branch) in self.rows(&BRANCHES) {
            let node = Node::Branch(branch.id);
            self.same(&format!("usage of branch {name}"), branch.usage, self.tree.usage(node));
            let mut counts = TagCounts::default();
            for (_, tag) in TAGS.all(&self.snapshot, Span::under(&branch.id)).unwrap() {
                count(&mut counts, &tag);
            }
            self.same(&format!("tags of branch {name}"), branch.tags, counts);
        }
        let mut ages = Vec::new();
        for ((at, name), tag) in self.rows(&TAGS) {
            self.usage_of(Node::Tag(tag.id), tag.usage);
            ages.push(((at, (tag.created, tag.id)), name));
        }
        self.same("ages of tags", map(self.rows(&TAG_AGES)), map(ages));
        for (_, job) in self.rows(&JOBS) {
            self.usage_of(Node::Job(job.id), job.usage);
            let formats = FORMATS.all(&self.snapshot, Span::under(&job.id)).unwrap();
            let dirty = formats.iter().filter(|(_, format)| format.dirty).count();
            if self.tree.live.contains(&Node::Job(job.id)) {
                let what = format!("dirty formats of {:?}", job.id);
                self.same(&what, job.dirty_formats, number(dirty));
            }
        }
        for (_, format) in self.rows(&FORMATS) {
            self.usage_of(Node::Format(format.id), format.usage);
        }
    }

    /// Below detached things only the queue's entry is kept exact.
    fn usage_of(&mut self, node: Node, stored: Usage) {
        if self.tree.live.contains(&node) {
            self.same(&format!("usage of {node:?}"), stored, self.tree.usage(node));
        }
    }

    /// Every container has a way back, and nothing else has one.
    fn nodes(&mut self) {
        let mut ways = self.tree.entries.clone();
        let queue = self.rows(&DETACHED).into_iter();
        for (_, entry) in queue.filter(|(_, entry)| !has_no_way(entry.node)) {
            let name = entry.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let stored = NODES.get(&self.snapshot, &entry.node).unwrap();
            let parent = stored.map_or(0, |entry| entry.parent);
            ways.insert(entry.node, Entry { parent, name: name.to_owned() });
        }
        self.same("ways back", map(self.rows(&NODES)), map(ways.into_iter().collect()));
    }

    /// Everything below a detached node is there once, and nothing is below nothing.
    fn detached(&mut self) {
        let mut reached = self.tree.live.clone();
        for (key, entry) in self.rows(&DETACHED) {
            let usage = self.tree.usage(entry.node);
            // Of packages an entry tells only what it was given.
            if entry.node.is_of_tree() || matches!(entry.node, Node::Manifest(_)) {
                self.same(&format!("usage of queue entry {key:?}"), entry.usage, usage);
            }
            for node in self.tree.all(entry.node) {
                let is_new = reached.insert(node);
                self.same(&format!("{node:?} can be reached once"), is_new, true);
            }
        }
        let known: BTreeSet<_> =
            self.tree.children.keys().chain(self.tree.files.keys()).copied().collect();
        let lost: Vec<_> = known.difference(&reached).collect();
        let lost = format!("{lost:?}");
        self.same("parents that nothing leads to", lost, "[]".into());
    }

    /// Reference rows are the files and the registry's, and nothing else.
    fn references(&mut self) {
        let mut refs = Vec::new();
        for ((format, path), file) in self.rows(&ARTIFACTS) {
            let blob = BLOBS.get(&self.snapshot, &file.blob).unwrap();
            let size = blob.map(|blob| blob.size);
            self.same(&format!("size of {path} in {format:?}"), Some(file.size), size);
            refs.push(((file.blob, Referrer::Artifact(format, path)), ()));
        }
        refs.extend(self.registry_references());
        refs.extend(self.cached_references());
        refs.extend(self.package_references());
        self.same("references", map(self.rows(&REFS)), map(refs));
    }

    fn blobs(&mut self) {
        let mut counts: BTreeMap<BlobId, u64> = BTreeMap::new();
        for (_, file) in self.rows(&ARTIFACTS) {
            *counts.entry(file.blob).or_default() += 1;
        }
        let others = self.registry_references().into_iter().chain(self.cached_references());
        for ((blob, _), ()) in others.chain(self.package_references()) {
            *counts.entry(blob).or_default() += 1;
        }
        let (mut free, mut digests, mut inline) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut suffixes = BTreeSet::new();
        for (id, blob) in self.rows(&BLOBS) {
            let counted = counts.get(&id).copied();
            match blob.refs {
                Refs::Held { count } => {
                    self.same(&format!("count of {id:?}"), Some(count), counted);
                }
                Refs::Free { until } => {
                    self.same(&format!("count of free {id:?}"), None, counted);
                    free.push(((until, id), ()));
                }
            }
            digests.push((blob.digest, id));
            self.place(id, blob.place, blob.size, &mut inline, &mut suffixes);
        }
        for (id, unlink) in self.rows(&UNLINKS) {
            let is_blob = BLOBS.has(&self.snapshot, &id).unwrap();
            self.same(&format!("collected {id:?} is a blob"), is_blob, false);
            self.place(id, unlink.place, unlink.size, &mut inline, &mut suffixes);
        }
        for (id, digest) in self.rows(&LAPSED) {
            let is_blob = BLOBS.has(&self.snapshot, &id).unwrap();
            self.same(&format!("lapsed {id:?} is a blob"), is_blob, false);
            let row = DIGESTS.get(&self.snapshot, &digest).unwrap();
            digests.extend(row.filter(|row| *row == id).map(|_| (digest, id)));
        }
        self.same("index of free blobs", map(self.rows(&FREE)), map(free));
        self.same("digests", map(self.rows(&DIGESTS)), map(digests));
        let stored = self.rows(&INLINE).into_iter().map(|(id, bytes)| (id, number(bytes.len())));
        self.same("inline bytes", stored.collect(), inline);
    }

    fn place(
        &mut self,
        id: BlobId,
        place: Place,
        size: u64,
        inline: &mut BTreeMap<BlobId, u64>,
        suffixes: &mut BTreeSet<u64>,
    ) {
        match place {
            Place::Inline => drop(inline.insert(id, size)),
            Place::File(suffix) => {
                let is_new = suffixes.insert(suffix.0);
                self.same(&format!("the file of {id:?} is its own"), is_new, true);
            }
        }
    }

    fn totals(&mut self) {
        let stored = TOTALS.get(&self.snapshot, &()).unwrap().unwrap_or_default();
        let mut totals = Totals { reclaimed: stored.reclaimed, ..Totals::default() };
        for (_, branch) in self.rows(&BRANCHES) {
            totals.named = totals.named.plus(self.tree.usage(Node::Branch(branch.id)));
        }
        for (_, entry) in self.rows(&DETACHED) {
            totals.detached = totals.detached.plus(self.tree.usage(entry.node));
            totals.queue += 1;
        }
        let (live, pending) = self.package_usage();
        totals.named = totals.named.plus(live);
        totals.detached = totals.detached.plus(pending);
        for (_, blob) in self.rows(&BLOBS) {
            let usage = Usage::of(blob.size);
            let amount = totals.stored(blob.place);
            *amount = amount.plus(usage);
            if matches!(blob.refs, Refs::Free { .. }) {
                totals.free = totals.free.plus(usage);
            }
        }
        for (_, unlink) in self.rows(&UNLINKS) {
            let amount = totals.leaving(unlink.place);
            *amount = amount.plus(Usage::of(unlink.size));
        }
        self.same("totals", stored, totals);
    }

    /// No id is given twice, and each blob that ever was is somewhere or reclaimed.
    fn sequences(&mut self) {
        let next = |meta| META.get(&self.snapshot, &meta).unwrap().unwrap_or(1);
        let (next_blob, next_node) = (next(Meta::NEXT_BLOB), next(Meta::NEXT_NODE));
        let (next_queue, blobs) = (next(Meta::NEXT_QUEUE), self.rows(&BLOBS));
        let unlinks = self.rows(&UNLINKS);
        let totals = TOTALS.get(&self.snapshot, &()).unwrap().unwrap_or_default();
        let known = number(blobs.len()) + number(unlinks.len()) + totals.reclaimed.files;
        self.same("blobs that ever were", next_blob - 1, known);
        let ids = blobs.iter().map(|(id, _)| id.0).chain(unlinks.iter().map(|(id, _)| id.0));
        self.same("blob ids", ids.max().is_some_and(|id| id >= next_blob), false);
        let mut ids: Vec<_> = self.rows(&NODES).into_iter().map(|(node, _)| id_of(node)).collect();
        let nodes = ids.len();
        ids.sort_unstable();
        ids.dedup();
        self.same("ids of containers", ids.len(), nodes);
        self.same("next id", ids.last().is_some_and(|id| *id >= next_node), false);
        let queue = self.rows(&DETACHED).into_iter().map(|((_, id), _)| id.0).max();
        self.same("next queue id", queue.is_some_and(|id| id >= next_queue), false);
    }
}

/// The record of such a thing says where it was.
fn has_no_way(node: Node) -> bool {
    node.is_own_way()
}

fn count(counts: &mut TagCounts, tag: &Tag) {
    counts.all += 1;
    counts.released += u64::from(tag.released);
    counts.locked += u64::from(tag.locked);
    counts.stable += u64::from(tag.stable);
}

fn id_of(node: Node) -> u64 {
    match node {
        Node::Branch(id) => id.0,
        Node::Tag(id) => id.0,
        Node::Job(id) => id.0,
        Node::Format(id) => id.0,
        Node::Manifest(id) => id.0,
        Node::Group(id) => id.0,
        Node::Project(id) => id.0,
        Node::Package(id) => id.0,
        Node::PackageFile(id) => id.0,
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}

impl Audit {
    /// The index of what is due follows from the rows, and each row has a tag with a name.
    fn publications(&mut self) {
        let truth = rows(&self.snapshot, &PUBLICATIONS);
        let due = truth.iter().filter_map(|(key, row)| row.due.map(|due| ((due, *key), ())));
        let (due, index) = (due.collect::<Vec<_>>(), rows(&self.snapshot, &PUBLICATIONS_DUE));
        if map(due.clone()).into_keys().ne(map(index.clone()).into_keys()) {
            self.found.push(format!("publications due: {index:?} instead of {due:?}"));
        }
        for (key, _) in truth {
            if !self.tree.live.contains(&Node::Tag(key.1)) {
                self.found.push(format!("the publication {key:?} has no tag"));
            }
        }
    }
}
