//! What keys and records look like in bytes, nailed down: a change here needs a new version of
//! the record, or a new generation of the table, and a migration.

mod cached;
mod groups;
mod images;
mod projects;

use std::fmt::Debug;

use crate::db::codec::Value;
use crate::db::keys::Key;
use crate::db::schema::Meta;
use crate::model::digest::hex;
use crate::model::{
    Account, Artifact, ArtifactPath, Blob, BlobId, Branch, BranchId, BranchName, CleanupPolicy,
    Detached, Digest, Entry, Format, FormatId, Job, JobId, JobReport, JobState, Node, Place,
    Publication, QueueId, Quota, Rank, Reason, Referrer, Refs, RepoId, Repository, Run, RunId,
    Scope, SigningKey, StageReport, Suffix, Tag, TagCounts, TagId, TagName, TargetReport,
    TargetState, Timestamp, Token, TokenId, TokenOwner, TokenScope, Totals, Trigger, Unlink, Usage,
    UserName, Wish,
};
use crate::model::{
    Container, ImageId, ImageTag, ImageTagName, Manifest, ManifestId, OciDigest, Standing,
};
use crate::model::{Feed, Version, VersionId, VersionKey, VersionNames};

const TIME: Timestamp = Timestamp(1_700_000_000_000_000);
const USAGE: Usage = Usage { files: 3, bytes: 70_000 };

/// A value's name, its bytes in hex, and what decoding them gives back (as text).
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    /// Decodes any bytes as this type, and encodes the result again.
    pub(super) again: fn(&[u8]) -> Result<Vec<u8>, String>,
}

fn sample<V: Value + PartialEq + Debug>(name: &'static str, value: &V) -> Sample {
    let bytes = value.encode().unwrap();
    assert_eq!(V::decode(&bytes).as_ref(), Ok(value), "{name}");
    Sample { name, bytes, again: |bytes| V::decode(bytes)?.encode() }
}

fn blob(refs: Refs, place: Place) -> Blob {
    Blob { digest: Digest([0xab; 32]), size: 1 << 33, place, refs, created: TIME }
}

fn unlink(place: Place, error: Option<String>) -> Unlink {
    let digest = Digest([0xcd; 32]);
    Unlink { digest, size: 300, place, attempts: 2, not_before: TIME, error }
}

fn repository(quota: Quota) -> Repository {
    Repository { id: RepoId(6), created: TIME, usage: USAGE, quota }
}

fn branch() -> Branch {
    Branch {
        id: BranchId(1),
        created: TIME,
        policy: CleanupPolicy { max_daily_tags: 5, max_released_tags: 251 },
        generation: 9,
        tags: TagCounts { all: 4, released: 3, locked: 2, stable: 1 },
        usage: USAGE,
    }
}

fn tag() -> Tag {
    Tag {
        id: TagId(2),
        created: TIME,
        released: true,
        locked: false,
        stable: true,
        description: Some("dä".into()),
        publish_status: None,
        usage: USAGE,
    }
}

fn job() -> Job {
    Job {
        id: JobId(3),
        created: TIME,
        locked: true,
        internal: false,
        released: true,
        digest: Some(Digest([1; 32])),
        metadata: vec![("k".into(), "v".into()), ("x".into(), String::new())],
        revision: 8,
        dirty_formats: 1,
        usage: USAGE,
    }
}

fn detached(node: Node, reason: Reason) -> Detached {
    let (path, at, usage) = ("/branches/b/".into(), TIME, USAGE);
    Detached { node, path, reason, at, usage, attempts: 0, error: Some("e".into()) }
}

fn run() -> Run {
    let name = "collect".into();
    let stage = StageReport {
        name,
        items: 1,
        bytes: 2,
        slices: 3,
        longest_us: 4,
        longest_work_us: 5,
        took_us: 6,
    };
    Run {
        id: RunId(7),
        trigger: Trigger::Lease,
        scope: Scope::Full,
        started: TIME,
        ended: Some(TIME),
        stages: vec![stage],
        errors: vec!["e".into()],
        error_count: 101,
    }
}

fn publication(wish: Wish, due: Option<Timestamp>) -> Publication {
    let states = [
        JobState::Waiting,
        JobState::Internal,
        JobState::Unlocked,
        JobState::Uploading,
        JobState::Done,
    ];
    let jobs =
        states.map(|state| JobReport { name: "j".into(), state, done: USAGE, all: USAGE }).into();
    let states = [TargetState::Busy, TargetState::LeftOut, TargetState::Done, TargetState::Failed];
    let waiting = TargetReport { jobs, ..TargetReport::waiting("http://a".into()) };
    let mut targets = vec![waiting.clone()];
    let failed = |state| TargetReport { state, error: Some("e".into()), ..waiting.clone() };
    targets.extend(states.map(|state| failed(state).summed_up()));
    let (asked, by, error) = (TIME, "eve".into(), Some("e".into()));
    Publication { wish, number: 251, asked, by, attempts: 2, due, error, targets }
}

fn totals() -> Totals {
    let usage = |files| Usage { files, bytes: files + 250 };
    Totals {
        named: usage(1),
        detached: usage(2),
        queue: 3,
        files: usage(4),
        inline: usage(5),
        free: usage(6),
        unlinks: usage(7),
        inline_unlinks: usage(8),
        reclaimed: usage(9),
    }
}

fn version_key() -> VersionKey {
    let pairs = ["product", "product_branch", "product_variant", "version"];
    let pairs = pairs.map(|key| (key.to_owned(), format!("{key}é")));
    VersionKey { repo: RepoId(258), names: VersionNames::of(&pairs).unwrap().unwrap() }
}

fn account(rank: Rank) -> Account {
    let groups = vec!["readers".into(), "ci".into()];
    Account { hash: "$argon2id$".into(), groups, rank, created: TIME }
}

fn manifest(standing: Standing) -> Manifest {
    Manifest {
        image: ImageId(9),
        digest: Digest([0xab; 32]),
        sha512: Some(vec![0xcd; 64]),
        blob: BlobId(5),
        size: 300,
        media_type: "m/t".into(),
        artifact_type: Some("a/t".into()),
        subject: Some("sha256:s".into()),
        blobs: vec![BlobId(6), BlobId(251)],
        children: vec![ManifestId(7)],
        depth: 1,
        total: USAGE,
        standing,
        charged: "eve".into(),
        pushed: TIME,
        by: "zoë".into(),
        told: None,
    }
}

fn container() -> Container {
    let (tree_tag, tagged) = (TagId(2), TIME);
    Container { image: ImageId(9), tag: "V1".into(), usage: USAGE, tree_tag, tagged }
}

fn token(owner: TokenOwner) -> Token {
    Token {
        user: UserName::parse("zoë").unwrap(),
        name: "ci".into(),
        scopes: vec![TokenScope::Api, TokenScope::ReadApi],
        owner,
        created: TIME,
        expires: Some(TIME),
        hash: [0xee; 32],
        last_used: None,
    }
}

pub(super) fn samples() -> Vec<Sample> {
    let format = Format {
        id: FormatId(4),
        created: TIME,
        changed: TIME,
        dirty: true,
        nested: true,
        usage: USAGE,
    };
    let user = Reason::Request { user: "eve".into() };
    let rule = Reason::Policy { rule: "r".into() };
    let mut samples = vec![
        sample("number", &513_u64),
        sample("blob id", &BlobId(513)),
        sample("nothing", &()),
        sample("bytes", &bytes::Bytes::from_static(b"\x00\xff")),
        sample("tag name", &TagName::parse("v1.ä").unwrap()),
        sample("artifact", &Artifact { blob: BlobId(5), size: 251, uploaded: TIME }),
        sample("blob, held file", &blob(Refs::Held { count: 2 }, Place::File(Suffix(u64::MAX)))),
        sample("blob, free row", &blob(Refs::Free { until: TIME }, Place::Inline)),
        sample("branch", &branch()),
        sample("repository", &repository(Quota::Bytes(513))),
        sample("repository, default quota", &repository(Quota::Default)),
        sample("repository, no quota", &repository(Quota::Unlimited)),
        sample("user name", &UserName::parse("zoë").unwrap()),
        sample("account", &account(Rank::Ordinary)),
        sample("account, admin", &account(Rank::Admin)),
        sample("token of an account", &token(TokenOwner::Account { created: TIME })),
        sample("token of a stranger", &token(TokenOwner::Elsewhere { groups: vec!["g".into()] })),
        sample("detached branch", &detached(Node::Branch(BranchId(1)), user.clone())),
        sample("detached tag", &detached(Node::Tag(TagId(2)), rule)),
        sample("detached job", &detached(Node::Job(JobId(3)), user.clone())),
        sample("detached format", &detached(Node::Format(FormatId(4)), user)),
        sample("entry", &Entry { parent: 300, name: "é".into() }),
        sample("format", &format),
        sample("job", &job()),
        sample("publication, on its way", &publication(Wish::Released, Some(TIME))),
        sample("publication, withdrawn", &publication(Wish::NotReleased, None)),
        sample("publication, doomed", &publication(Wish::Deleted { rule: "r".into() }, None)),
        sample("run", &run()),
        sample("tag", &tag()),
        sample("totals", &totals()),
        sample("unlink, file", &unlink(Place::File(Suffix(1)), None)),
        sample("unlink, row", &unlink(Place::Inline, Some("busy".into()))),
        sample("version", &Version { id: VersionId(8), created: TIME }),
        sample("feed", &Feed { version: VersionId(8), key: version_key() }),
        sample("signing key", &SigningKey { secret: vec![0xed; 32] }),
        sample("manifest, held", &manifest(Standing::Held { count: 2 })),
        sample("manifest, follows", &manifest(Standing::Follows)),
        sample("manifest, untagged", &manifest(Standing::Untagged { since: TIME })),
        sample("manifest, doomed", &manifest(Standing::Doomed { until: TIME })),
        sample("container", &container()),
        sample(
            "image tag",
            &ImageTag {
                manifest: ManifestId(7),
                pushed: TIME,
                by: "eve".into(),
                format: Some(FormatId(4)),
            },
        ),
    ];
    samples.extend(groups::samples());
    samples.extend(images::samples());
    samples.extend(cached::samples());
    samples.extend(projects::samples());
    samples
}

#[test]
fn records_look_as_they_did() {
    let samples = samples();
    let shown: Vec<_> =
        samples.iter().map(|sample| format!("{}: {}", sample.name, hex(&sample.bytes))).collect();
    let golden: Vec<_> = include_str!("golden.txt").lines().collect();
    assert_eq!(shown, golden, "\n{}\n", shown.join("\n"));
}

#[test]
fn words_of_enums_keep_their_numbers() {
    let triggers = [
        Trigger::Startup,
        Trigger::Timer,
        Trigger::Signal,
        Trigger::Request,
        Trigger::Delete,
        Trigger::Lease,
        Trigger::Retry,
    ];
    for (number, trigger) in (0..).zip(triggers) {
        let bytes = Run { trigger, ..run() }.encode().unwrap();
        assert_eq!(bytes[..3], [1, 7, number]);
    }
    let reclaim = Run { scope: Scope::Reclaim, ..run() }.encode().unwrap();
    assert_eq!((reclaim[3], run().encode().unwrap()[3]), (0, 1));
}

fn check_key<K: Key + PartialEq + Debug>(key: &K, golden: &str) {
    let bytes = key.to_bytes();
    assert_eq!(hex(&bytes), golden, "{key:?}");
    assert_eq!(K::from_bytes(&bytes).as_ref(), Some(key));
}

#[test]
fn keys_look_as_they_did() {
    let path = ArtifactPath::parse("a/B").unwrap();
    let name = BranchName::parse("main").unwrap();
    let id = "0000000000000102";
    check_key(&(), "");
    check_key(&Meta::COMMITS, "01");
    check_key(&Meta::LAST_SEEN, "07");
    check_key(&VersionId(258), id);
    let names = ["product", "product_variant", "product_branch", "version"];
    let names: String = names.iter().map(|name| hex(name.as_bytes()) + "c3a900").collect();
    check_key(&version_key(), &format!("{id}{names}"));
    check_key(&BlobId(258), id);
    check_key(&RunId(258), id);
    check_key(&TokenId(258), id);
    check_key(&UserName::parse("u").unwrap(), "7500");
    check_key(&Digest([0xab; 32]), &"ab".repeat(32));
    check_key(&(RepoId(258), name), &format!("{id}6d61696e00"));
    check_key(&(FormatId(258), path.clone()), &format!("{id}612f4200"));
    check_key(&(Timestamp(258), QueueId(1)), &format!("{id}0000000000000001"));
    check_key(&(BranchId(258), (Timestamp(258), TagId(258))), &id.repeat(3));
    check_key(&(Timestamp(258), (BranchId(258), TagId(258))), &id.repeat(3));
    let referrer = Referrer::Artifact(FormatId(258), path);
    check_key(&(BlobId(258), referrer), &format!("{id}01{id}612f4200"));
    check_key(&Node::Branch(BranchId(258)), &format!("01{id}"));
    check_key(&Node::Tag(TagId(258)), &format!("02{id}"));
    check_key(&Node::Job(JobId(258)), &format!("03{id}"));
    check_key(&Node::Format(FormatId(258)), &format!("04{id}"));
    check_key(&Node::Manifest(ManifestId(258)), &format!("05{id}"));
    let of = OciDigest::from(Digest([0xab; 32]));
    let about = (ImageId(258), (of, ManifestId(258)));
    check_key(&about, &format!("{id}01{}{id}", "ab".repeat(32)));
    let tag = ImageTagName::parse("V1").unwrap();
    check_key(&(ManifestId(258), tag), &format!("{id}563100"));
    check_key(&(BlobId(258), Referrer::Manifest(ManifestId(258))), &format!("{id}03{id}"));
}
