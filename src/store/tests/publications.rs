//! Publications: wishes about one tag follow each other, work for an older one changes nothing,
//! and what is, or may be, elsewhere is not deleted here.

use std::io::ErrorKind;
use std::time::Duration;

use super::{House, ROWS, WORK, assert_consistent, branch, cause, job, tag};
use crate::db::tests::disk::{Lasts, On};
use crate::db::tests::random::Random;
use crate::model::tag::TagChange;
use crate::model::{
    JobName, Publication, PublicationKey, Tag, TargetReport, TargetState, Timestamp, Wish,
};
use crate::store::Error;
use crate::store::branches::PolicyChange;
use crate::store::policies::Applied;
use crate::store::publications::{End, JobNews, Releases, Standing};

const RETRY: Duration = Duration::from_secs(10);

impl House {
    fn wish(&self, path: &str, wish: Wish) {
        let wished = self.store.wish(tag(path), TagChange::default(), wish, "eve".into());
        self.check(wished.wait()).unwrap();
    }

    fn tag(&self, path: &str) -> Tag {
        self.store.view().unwrap().tag(&tag(path)).unwrap()
    }

    fn key(&self, path: &str) -> PublicationKey {
        let view = self.store.view().unwrap();
        (view.branch(&tag(path).branch).unwrap().id, view.tag(&tag(path)).unwrap().id)
    }

    fn row(&self, path: &str) -> Option<Publication> {
        let view = self.store.view().unwrap();
        let (found, row) = view.publication(self.key(path)).unwrap()?;
        assert_eq!(found, tag(path));
        Some(row)
    }

    fn number(&self, path: &str) -> u64 {
        self.row(path).unwrap().number
    }

    fn end(&self, path: &str, number: u64, end: End) -> Standing {
        self.check(self.store.end_publication(self.key(path), number, end).wait()).unwrap()
    }

    /// Ends the wish that stands.
    fn ends(&self, path: &str, end: End) {
        assert_eq!(self.end(path, self.number(path), end), Standing::Stands);
    }

    fn due(&self) -> Vec<Timestamp> {
        let due = self.store.view().unwrap().publications_due(99).unwrap();
        due.into_iter().map(|(at, _)| at).collect()
    }

    fn sweep(&self, releases: Releases) -> usize {
        let plan = self.store.view().unwrap().plan(&branch("b")).unwrap();
        let (applied, _) = self.store.apply_slice(plan, releases, WORK, ROWS).unwrap();
        assert_consistent(&self.store);
        let Applied::Some { tags, .. } = applied else { panic!("the plan is stale") };
        tags
    }

    fn keep(&self, max_daily_tags: u64, max_released_tags: u64) {
        let change = PolicyChange {
            max_daily_tags: Some(max_daily_tags),
            max_released_tags: Some(max_released_tags),
        };
        self.check(self.store.set_policy(branch("b"), change).wait()).unwrap();
    }
}

fn with(tags: &[&str]) -> House {
    let house = House::new();
    for tag in tags {
        house.put(&format!("b/{tag}/j/f/a"), tag).unwrap();
        house.clock.advance(Duration::from_secs(1));
    }
    house
}

fn reports() -> Vec<TargetReport> {
    vec![TargetReport::waiting("http://a".into())]
}

fn published() -> End {
    End::Published { targets: reports(), status: "published to http://a".into() }
}

fn nowhere() -> End {
    End::Nowhere { status: None }
}

fn gone() -> End {
    End::Gone { rule: "r".into() }
}

fn failed() -> End {
    End::Failed { targets: reports(), error: "down".into(), retry_first: RETRY }
}

fn doomed() -> Wish {
    Wish::Deleted { rule: "r".into() }
}

#[test]
fn a_release_is_in_progress_until_it_ends() {
    let house = with(&["t"]);
    house.wish("b/t", Wish::Released);
    assert_eq!(house.due(), [house.now()]);
    let before = house.tag("b/t");
    assert!(!before.released);
    assert_eq!(before.publish_status.as_deref(), Some("in progress"));
    house.ends("b/t", published());
    let tag = house.tag("b/t");
    assert!(tag.released);
    assert_eq!(tag.publish_status.as_deref(), Some("published to http://a"));
    assert_eq!((house.due().len(), house.row("b/t").unwrap().due), (0, None));
    house.wish("b/t", Wish::NotReleased);
    assert!(house.tag("b/t").released, "it is still there");
    house.ends("b/t", nowhere());
    assert!(!house.tag("b/t").released);
    assert_eq!((house.tag("b/t").publish_status, house.row("b/t")), (None, None));
}

#[test]
fn the_last_wish_wins_whatever_the_one_before_was_doing() {
    let wishes = [Wish::Released, Wish::NotReleased, doomed()];
    for first in &wishes {
        for second in &wishes {
            for end in [published(), nowhere(), gone(), failed()] {
                let house = with(&["t"]);
                house.wish("b/t", first.clone());
                let old = house.number("b/t");
                house.wish("b/t", second.clone());
                let row = house.row("b/t").unwrap();
                assert_eq!((&row.wish, row.attempts, row.due), (second, 0, Some(house.now())));
                // What was done for the older wish changes nothing any more.
                let before = house.tag("b/t");
                assert_eq!(house.end("b/t", old, end), Standing::Superseded);
                let key = house.key("b/t");
                let status = Some("uploading j to http://a".to_owned());
                let noted = house.store.note_publication(key, old, reports(), status, None);
                assert_eq!(house.check(noted.wait()).unwrap(), Standing::Superseded);
                assert_eq!(house.tag("b/t"), before);
                assert_eq!(house.row("b/t"), Some(row));
            }
        }
    }
}

#[test]
fn what_may_be_elsewhere_is_not_deleted() {
    for (wish, end) in [
        (Wish::Released, None),
        (Wish::Released, Some(published())),
        (Wish::Released, Some(failed())),
        (Wish::NotReleased, None),
        (Wish::NotReleased, Some(failed())),
        (doomed(), None),
    ] {
        let house = with(&["t"]);
        house.wish("b/t", wish);
        if let Some(end) = end {
            house.ends("b/t", end);
        }
        let refused = house.delete_tag("b/t").unwrap_err();
        assert_eq!(refused.to_string(), "Tag t is released, unrelease it first");
        assert!(matches!(house.delete_branch("b"), Err(Error::BranchProtected(_))));
        let view = house.store.view().unwrap();
        let named = view.check_unprotected(&branch("b")).unwrap_err();
        assert_eq!(named.to_string(), "Tag t is released, unrelease it first");
        house.wish("b/t", Wish::NotReleased);
        house.ends("b/t", nowhere());
        house.delete_branch("b").unwrap();
        house.destroy(ROWS);
    }
}

#[test]
fn a_failure_is_due_again_later_and_later() {
    let house = with(&["t"]);
    house.wish("b/t", Wish::Released);
    for (attempts, wait) in [(1, 10), (2, 20), (3, 40)] {
        house.ends("b/t", failed());
        let row = house.row("b/t").unwrap();
        assert_eq!((row.attempts, row.error.as_deref()), (attempts, Some("down")));
        assert_eq!(house.due(), [house.now().after(Duration::from_secs(wait))]);
        assert_eq!(house.tag("b/t").publish_status.as_deref(), Some("error: down"));
        assert!(!house.tag("b/t").released);
    }
    // A new wish does not wait.
    house.wish("b/t", Wish::Released);
    assert_eq!(house.due(), [house.now()]);
}

#[test]
fn a_restart_finds_what_was_in_progress() {
    let mut house = with(&["t", "u"]);
    house.wish("b/t", Wish::Released);
    let mut report = reports();
    report[0].state = TargetState::Busy;
    let (key, number) = (house.key("b/t"), house.number("b/t"));
    let status = Some("uploading j to http://a".to_owned());
    let noted = house.store.note_publication(key, number, report.clone(), status.clone(), None);
    assert_eq!(noted.wait().unwrap(), Standing::Stands);
    house = house.reopen();
    assert_eq!(house.due().len(), 1);
    assert_eq!(house.row("b/t").unwrap().targets, report);
    assert_eq!(house.tag("b/t").publish_status, status);
    house.ends("b/t", published());
}

#[test]
fn jobs_know_whether_they_were_sent() {
    let house = with(&["t"]);
    let released = || house.store.view().unwrap().job(&job("b/t/j")).unwrap().released;
    house.wish("b/t", Wish::Released);
    let (key, number) = (house.key("b/t"), house.number("b/t"));
    let j = JobName::parse("j").unwrap();
    for (news, is_released) in [
        (JobNews::Published(j.clone()), true),
        (JobNews::Internal(j.clone()), false),
        (JobNews::Published(j), true),
    ] {
        let noted = house.store.note_publication(key, number, reports(), None, Some(news));
        house.check(noted.wait()).unwrap();
        assert_eq!(released(), is_released);
    }
    house.wish("b/t", Wish::NotReleased);
    let number = house.number("b/t");
    let forgotten = house.store.forget_sent_jobs(key, number, None);
    assert_eq!(house.check(forgotten.wait()).unwrap(), None);
    assert!(!released());
    house.ends("b/t", nowhere());
}

#[test]
fn any_number_of_jobs_is_taken_back_a_few_at_a_time() {
    let house = House::new();
    for number in 0..401 {
        house.put(&format!("b/t/j{number:03}/f/a"), "a").unwrap();
    }
    house.wish("b/t", Wish::Released);
    let key = house.key("b/t");
    let publish = |name: &JobName| {
        let news = Some(JobNews::Published(name.clone()));
        let number = house.number("b/t");
        house.store.note_publication(key, number, reports(), None, news).wait().unwrap();
    };
    let sent = || {
        let jobs = house.store.view().unwrap().jobs(key.1).unwrap();
        jobs.iter().filter(|(_, job)| job.released).count()
    };
    let jobs = house.store.view().unwrap().jobs(key.1).unwrap();
    for (name, _) in &jobs {
        publish(name);
    }
    let old = house.number("b/t");
    house.wish("b/t", Wish::NotReleased);
    let forget = |number, after| house.store.forget_sent_jobs(key, number, after).wait().unwrap();
    assert_eq!((forget(old, None), sent()), (None, 401), "another wish stands");
    let (mut after, mut left) = (None, Vec::new());
    loop {
        after = forget(house.number("b/t"), after);
        left.push(sent());
        if after.is_none() {
            break;
        }
    }
    assert_eq!(left, [201, 1, 0]);
}

#[test]
fn a_policy_sends_released_tags_away_before_it_deletes_them() {
    let house = with(&["t1", "t2", "t3", "t4"]);
    for tag in ["b/t1", "b/t2"] {
        house.wish(tag, Wish::Released);
        house.ends(tag, published());
    }
    // One that is being released counts as released already.
    house.wish("b/t3", Wish::Released);
    house.keep(1, 2);
    assert_eq!(house.sweep(Releases::Copies), 1);
    assert_eq!(house.row("b/t1").unwrap().wish.clone(), rule_of("max_released_tags = 2", 3));
    assert_eq!(house.sweep(Releases::Copies), 0, "it is on its way");
    assert!(house.store.view().unwrap().is_doomed(&tag("b/t1")).unwrap());
    house.ends("b/t1", gone());
    assert!(house.store.view().unwrap().tag(&tag("b/t1")).is_err());
    assert_eq!(house.destroy(ROWS), 1);
    assert!(house.tag("b/t2").released);
}

fn rule_of(rule: &str, place: u64) -> Wish {
    let rule = format!("{rule}: number {place} of the released tags, newest first");
    Wish::Deleted { rule }
}

#[test]
fn a_tag_that_was_sent_away_stays_when_it_is_locked_or_named_no_more() {
    let house = with(&["t1", "t2"]);
    for tag in ["b/t1", "b/t2"] {
        house.wish(tag, Wish::Released);
        house.ends(tag, published());
    }
    house.keep(0, 1);
    assert_eq!(house.sweep(Releases::Copies), 1);
    house.keep(0, 2);
    assert!(!house.store.view().unwrap().is_doomed(&tag("b/t1")).unwrap());
    house.keep(0, 1);
    assert!(house.store.view().unwrap().is_doomed(&tag("b/t1")).unwrap());
    let locked = TagChange { locked: Some(true), ..TagChange::default() };
    house.check(house.store.change_tag(tag("b/t1"), locked).wait()).unwrap();
    assert!(!house.store.view().unwrap().is_doomed(&tag("b/t1")).unwrap());
    house.ends("b/t1", gone());
    assert!(!house.tag("b/t1").released, "it is nowhere else");
}

#[test]
fn a_policy_does_not_undo_that_a_tag_is_taken_back() {
    for end in [published(), failed()] {
        let house = with(&["t1", "t2"]);
        house.wish("b/t1", Wish::Released);
        house.ends("b/t1", end);
        house.wish("b/t1", Wish::NotReleased);
        let row = house.row("b/t1");
        house.keep(1, 1);
        house.wish("b/t2", Wish::Released);
        assert_eq!(house.sweep(Releases::Copies), 0);
        assert_eq!(house.row("b/t1"), row, "the last wish of a person stands");
        house.ends("b/t1", nowhere());
        assert!(house.row("b/t1").is_none() && !house.tag("b/t1").released);
    }
}

#[test]
fn what_a_try_finds_out_does_not_outlive_its_wish() {
    for (wish, end) in [(doomed(), End::Kept), (Wish::Released, End::Flag)] {
        let house = with(&["t"]);
        house.wish("b/t", wish.clone());
        let old = house.number("b/t");
        house.wish("b/t", Wish::NotReleased);
        let row = house.row("b/t");
        assert_eq!(house.end("b/t", old, end.clone()), Standing::Superseded);
        assert_eq!((house.row("b/t"), house.tag("b/t").released), (row, false));
        house.wish("b/t", wish);
        house.ends("b/t", end.clone());
        let row = house.row("b/t");
        match end {
            End::Kept => assert_eq!(row.unwrap().wish, Wish::Released),
            _ => assert!(row.is_none() && house.tag("b/t").released),
        }
    }
}

#[test]
fn without_targets_a_release_is_a_flag() {
    let house = with(&["t1", "t2"]);
    let flag = |released| TagChange { released: Some(released), ..TagChange::default() };
    for path in ["b/t1", "b/t2"] {
        house.check(house.store.change_tag(tag(path), flag(true)).wait()).unwrap();
    }
    house.keep(0, 1);
    assert_eq!(house.sweep(Releases::Flag), 1);
    assert!(house.store.view().unwrap().tag(&tag("b/t1")).is_err());
    // What a publication left behind goes with the flag.
    house.wish("b/t2", Wish::Released);
    house.ends("b/t2", published());
    house.check(house.store.change_tag(tag("b/t2"), flag(false)).wait()).unwrap();
    assert_eq!((house.row("b/t2"), house.tag("b/t2").publish_status), (None, None));
    house.check(house.store.delete_tag(tag("b/t2"), cause()).wait()).unwrap();
}

/// A release, a failure, the release, and the way back by a policy; tells how many steps were done.
fn life(house: &House) -> usize {
    let store = &house.store;
    let steps: [&dyn Fn() -> Result<(), Error>; 7] = [
        &|| store.put_artifact(super::file("b/t/j/f/a"), super::uploaded("a")).wait().map(drop),
        &|| store.wish(tag("b/t"), TagChange::default(), Wish::Released, String::new()).wait(),
        &|| try_to(house, failed()),
        &|| try_to(house, published()),
        &|| store.wish(tag("b/t"), TagChange::default(), doomed(), String::new()).wait(),
        &|| try_to(house, gone()),
        &|| store.destroy_slice(WORK, ROWS).map(drop).map_err(|(_, error)| error),
    ];
    steps.iter().position(|step| step().is_err()).unwrap_or(steps.len())
}

/// Ends the wish that stands.
fn try_to(house: &House, end: End) -> Result<(), Error> {
    let view = house.store.view()?;
    let key = (view.branch(&branch("b"))?.id, view.tag(&tag("b/t"))?.id);
    let (_, row) = view.publication(key)?.expect("a wish");
    drop(view);
    house.store.end_publication(key, row.number, end).wait().map(drop)
}

/// What the steps that are surely done have left.
fn lives(house: &House, done: usize) {
    assert_consistent(&house.store);
    house.store.verify().unwrap();
    let view = house.store.view().unwrap();
    let found = view.tag(&tag("b/t"));
    if !(1..=5).contains(&done) {
        assert!(done == 0 || found.is_err());
        return;
    }
    // The step that failed may have been done all the same.
    let Ok(found) = found else { return assert_eq!(done, 5) };
    assert!(done < 4 || found.released);
    let row = house.row("b/t");
    assert!(done < 2 || row.is_some());
    assert!(!(2..4).contains(&done) || row.is_some_and(|row| row.wish == Wish::Released));
    assert!(done < 2 || house.delete_tag("b/t").is_err());
}

#[test]
fn a_crash_at_any_write_leaves_the_wish_or_its_end() {
    let house = House::new();
    let before = house.disk.ops();
    assert_eq!(life(&house), 7);
    lives(&house, 7);
    for point in 0..house.disk.ops() - before {
        for random in [None, Some(Random(point))] {
            let house = House::new();
            house.disk.fail(On::Change, point, Lasts::Forever, ErrorKind::Other);
            let done = life(&house);
            let house = house.after_power_loss(random);
            lives(&house, done);
        }
    }
}
