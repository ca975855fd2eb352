//! How answers read, and that a command is the same thing with a server and without.

use std::time::Duration;

use super::plan::{Branch, Plan, Tag};
use super::text::{bytes, count, moment, table};
use super::*;
use crate::app::admin::sweep::Report;
use crate::blobs::hash::hash_bytes;
use crate::model::policy::{Rule, RuleKind};
use crate::model::{
    ArtifactPath, BranchName, BranchPath, FilePath, FormatName, JobName, Run, RunId, Scope,
    StageReport, TagName, Timestamp, Trigger, Usage, Visibility,
};
use crate::store::blobs::{Body, Content};
use crate::store::branches::PolicyChange;
use crate::store::policies::Cost;

fn file(tag: &str, name: &str) -> FilePath {
    BranchPath::shared(BranchName::parse("main").unwrap())
        .tag(TagName::parse(tag).unwrap())
        .job(JobName::parse("j").unwrap())
        .format(FormatName::parse("f").unwrap())
        .file(ArtifactPath::parse(name).unwrap())
}

/// A house with three tags that share `common` and have a file of their own each.
struct Fixture {
    house: House,
    settings: Settings,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.server.data = folder.path().to_owned();
        settings.space.ballast = 0;
        settings.store.lease = Duration::ZERO;
        let house = House::open(&settings).unwrap();
        let it = Self { house, settings, _folder: folder };
        for tag in ["t1", "t2", "t3"] {
            it.put(tag, "common", b"the same everywhere");
            it.put(tag, "own", tag.as_bytes());
        }
        it
    }

    fn put(&self, tag: &str, name: &str, content: &[u8]) {
        let hashed = hash_bytes(content, None);
        let body = Body::Inline(bytes::Bytes::copy_from_slice(content));
        let content = Content::Uploaded { digest: hashed.digest, size: hashed.size, body };
        self.house.store().put_artifact(file(tag, name), content).wait().unwrap();
    }

    fn keep(&self, tags: u64) {
        let change = PolicyChange { max_daily_tags: Some(tags), max_released_tags: None };
        let branch = file("t1", "x").format.job.tag.branch;
        self.house.store().set_policy(branch, change).wait().unwrap();
    }

    fn execute(&self, command: Command) -> Result<Answer, Error> {
        self.execute_until(&Stop::new(), command)
    }

    fn execute_until(&self, stop: &Stop, command: Command) -> Result<Answer, Error> {
        let sweeping = Sweeping::Alone(&self.settings);
        let progress = &mut |_| ();
        Desk { house: &self.house, sweeping, stop, progress }.execute(command)
    }
}

#[test]
fn a_dry_run_tells_exactly_what_the_run_then_gives_back() {
    let it = Fixture::new();
    let nothing = it.execute(Command::Sweep(Sweep::DryRun)).unwrap();
    assert_eq!(nothing.text, "The policies would remove nothing.");
    it.keep(1);
    let plan = it.execute(Command::Sweep(Sweep::DryRun)).unwrap().value;
    assert_eq!(plan["tags"], 2);
    assert_eq!(plan["branches"][0]["tags"][1]["name"], "t2");
    // Only what t1 and t2 have of their own: the rest is of t3 too.
    assert_eq!(plan["cost"]["inline"], serde_json::json!({"files": 2, "bytes": 4}));
    assert_eq!(plan["cost"]["files"], serde_json::json!({"files": 0, "bytes": 0}));
    let swept = it.execute(Command::Sweep(Sweep::Full)).unwrap();
    assert_eq!(swept.verdict, Verdict::Fine);
    let unlinked = swept.value["stages"].as_array().unwrap().iter().find(|s| s["name"] == "unlink");
    assert_eq!((&unlinked.unwrap()["items"], &unlinked.unwrap()["bytes"]), (&2.into(), &4.into()));
    assert!(swept.text.contains("4 bytes came back, from 2 blobs."), "{}", swept.text);
}

#[test]
fn a_blob_is_explained_in_each_of_its_states() {
    let it = Fixture::new();
    let why = |content: &[u8]| {
        let digest = hash_bytes(content, None).digest;
        it.execute(Command::Why { digest }).unwrap()
    };
    let held = why(b"the same everywhere").text;
    assert!(held.contains("These things name it:\n  /branches/main/t1/j/f/common\n"), "{held}");
    assert!(why(b"t1").text.ends_with("One thing names it:\n  /branches/main/t1/j/f/own"));
    it.put("t1", "own", b"another");
    let free = why(b"t1");
    assert_eq!((free.verdict, &free.value["state"]), (Verdict::Fine, &"free".into()));
    assert!(free.text.contains("the next sweep collects it"), "{}", free.text);
    it.execute(Command::Sweep(Sweep::Full)).unwrap();
    assert_eq!(why(b"t1").verdict, Verdict::Wanting);
}

#[test]
fn a_check_is_fine_unless_it_was_not_finished() {
    let it = Fixture::new();
    let check = Command::Check { mode: Mode::Report, contents: Contents::Hash };
    let clean = it.execute(check.clone()).unwrap();
    assert_eq!((clean.verdict, &clean.value["hashed"]["files"]), (Verdict::Fine, &4.into()));
    let stop = Stop::new();
    stop.request();
    assert_eq!(it.execute_until(&stop, check).unwrap().verdict, Verdict::Wanting);
    it.keep(1);
    let dry_run = it.execute_until(&stop, Command::Sweep(Sweep::DryRun));
    assert!(matches!(dry_run, Err(Error::Stopped(_))), "{dry_run:?}");
    assert_eq!(
        it.execute_until(&stop, Command::Sweep(Sweep::Full)).unwrap().verdict,
        Verdict::Wanting
    );
}

#[test]
fn a_sweep_is_asked_of_the_servers_thread() {
    let it = Fixture::new();
    it.keep(2);
    let stop = Stop::new();
    let thread = it.house.sweeper(&it.settings, stop.clone()).unwrap().start().unwrap();
    let progress = &mut |_| ();
    let sweeping = Sweeping::Server(thread.handle());
    let mut desk = Desk { house: &it.house, sweeping, stop: &stop, progress };
    let answer = desk.execute(Command::Sweep(Sweep::AcceptClock)).unwrap();
    stop.request();
    // The request may have joined that of the start.
    assert_eq!((&answer.value["scope"], answer.verdict), (&"full".into(), Verdict::Fine));
    assert!(matches!(desk.execute(Command::Sweep(Sweep::Full)), Err(Error::Stopped(_))));
}

#[test]
fn figures_are_for_people_too() {
    let it = Fixture::new();
    let stats = it.execute(Command::Stats).unwrap();
    for line in [
        "  names       1 branch, 3 tags, 3 jobs, 3 formats, 6 files\n",
        "  registry    0 repositories, 0 tags, 0 manifests\n",
        "  logical     6 references of 63 bytes\n",
        "  stored      4 blobs of 25 bytes\n",
        " hold rows\n",
    ] {
        assert!(stats.text.contains(line), "no {line:?} in\n{}", stats.text);
    }
}

#[test]
fn a_plan_reads_as_a_table_and_a_sum() {
    let rule = Rule { kind: RuleKind::MaxDailyTags, keep: 1, place: 2 };
    let usage = Usage { files: 1200, bytes: 1536 };
    let tag = |name: &str| Tag { name: name.into(), rule, reason: "why".into(), usage };
    let branches =
        vec![Branch { user: None, name: "main".into(), tags: vec![tag("a"), tag("bcd")] }];
    let cost = Cost { named: usage, files: Usage::of(1024), inline: Usage::default() };
    let plan = Plan { branches, tags: 2, cost, lease_seconds: 600, link_seconds: 60 };
    assert_eq!(
        plan.to_string(),
        "Of branch main:\n  \
         a    1,200 files  1,536 bytes (1.50 KiB)  why\n  \
         bcd  1,200 files  1,536 bytes (1.50 KiB)  why\n\
         The policies would remove 2 tags with 1,200 files of 1,536 bytes (1.50 KiB).\n\
         That gives back 1,024 bytes (1.00 KiB) in 1 file and 0 bytes in 0 rows of the database, \
         10m later (the lease).\n\
         Of images, manifests stay 1m before that, and then their layers 1m \
         (registry.upload_link)."
    );
}

#[test]
fn a_run_reads_as_its_stages_and_its_failures() {
    let stage = StageReport {
        name: "unlink".into(),
        items: 1,
        bytes: 2,
        slices: 1,
        longest_us: 3000,
        took_us: 4000,
        ..StageReport::default()
    };
    let run = Run {
        id: RunId(7),
        trigger: Trigger::Request,
        scope: Scope::Full,
        started: Timestamp(1_000_000),
        ended: Some(Timestamp(2_500_000)),
        stages: vec![stage],
        errors: vec!["one".into()],
        error_count: 3,
    };
    let text = Report { run: run.clone(), free: Usage::of(5) }.to_string();
    assert_eq!(
        text,
        "Sweep 7 took 1.5s.\n  \
         unlink    1 blob             in 4.0ms, 1 transaction, the longest 3.0ms\n\
         Failed: one\n\
         And 2 more failures.\n\
         2 bytes came back, from 1 blob. 1 blob of 5 bytes may go later, as leases and readers end."
    );
    let cut = Report { run: Run { ended: None, ..run }, free: Usage::default() };
    assert!(cut.to_string().starts_with("Sweep 7 was stopped before its end.\n"));
}

#[test]
fn numbers_tables_and_moments() {
    assert_eq!(
        [bytes(0), bytes(1), bytes(1 << 20)],
        ["0 bytes", "1 byte", "1,048,576 bytes (1.00 MiB)"]
    );
    assert_eq!([count(2, "branch"), count(1, "branch")], ["2 branches", "1 branch"]);
    assert_eq!(
        table(vec![["é".into(), "b".into()], ["cd".into(), String::new()]]),
        "  é   b\n  cd\n"
    );
    let now = Timestamp(784_111_777_000_000);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(moment(now, now.before(Duration::from_secs(60))), format!("{date} (in 60 seconds)"));
    assert_eq!(moment(now, now.after(Duration::from_secs(7200))), format!("{date} (2 hours ago)"));
    assert_eq!(moment(Timestamp::MAX, now), "the end of time");
}

#[test]
fn what_is_asked_of_a_group_or_a_project_stands_beside_its_path_on_the_wire() {
    let (title, owner) = (Some("Acme".to_owned()), Some("ann".to_owned()));
    let new = governed::New { title, description: None, visibility: Visibility::Internal, owner };
    let create = groups::Groups::Create { group: "acme".to_owned(), new };
    let wire = serde_json::json!({ "create": {
        "group": "acme",
        "title": "Acme",
        "description": null,
        "visibility": "internal",
        "owner": "ann",
    } });
    assert_eq!(serde_json::to_value(&create).unwrap(), wire);
    assert_eq!(serde_json::from_value::<groups::Groups>(wire).unwrap(), create);
    let (name, visibility) = (Some("app".to_owned()), None);
    let change = governed::Change { name, title: None, description: None, visibility };
    let change = projects::Projects::Change { project: "acme/a".to_owned(), change };
    let wire = serde_json::json!({ "change": { "project": "acme/a", "name": "app" } });
    assert_eq!(serde_json::from_value::<projects::Projects>(wire).unwrap(), change);
}
