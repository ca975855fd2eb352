//! What the records and keys of the dependency proxy look like.

use super::{Sample, TIME, USAGE, check_key, sample};
use crate::model::digest::hex;
use crate::model::{
    BlobId, Cached, CachedId, CachedKind, CachedRef, CachedState, CachedTag, CachedWhat, Digest,
    GroupId, ImageTagName, ProxyGroup, ProxyUsage, Referrer, Role, Timestamp, TtlPolicy, Upstream,
    UpstreamCredentials, UpstreamName,
};

const DIGEST: Digest = Digest([0xab; 32]);

fn manifest() -> CachedWhat {
    CachedWhat::Manifest {
        digest: DIGEST,
        image: "library/alpine".into(),
        reference: "3.20".into(),
        media_type: "m/t".into(),
        parts: vec![Digest([0xcd; 32])],
    }
}

fn cached(what: CachedWhat, state: CachedState) -> Cached {
    Cached {
        group: GroupId(7),
        what,
        blob: BlobId(5),
        size: 300,
        origin: [0xef; 32],
        state,
        read: TIME,
        created: TIME,
        updated: TIME,
    }
}

fn upstream() -> Upstream {
    Upstream {
        url: "https://r".into(),
        has_library: true,
        certificates: Some("pem".into()),
        patience_ms: Some(300),
        requests_max: Some(9),
    }
}

pub(super) fn samples() -> Vec<Sample> {
    let blob = CachedWhat::Blob { digest: DIGEST, image: "a".into() };
    let failed = |retry| CachedState::Failed { attempts: 2, error: "e".into(), retry };
    let ttl = TtlPolicy { enabled: true, days: Some(9), created: Some(TIME), updated: Some(TIME) };
    let credentials = UpstreamCredentials { identity: "eve".into(), sealed: vec![1, 2] };
    let proxy = ProxyGroup {
        enabled: true,
        upstream: Some(upstream()),
        credentials: Some(credentials),
        admins: Role::Owner,
        purged: CachedId(300),
        ttl,
    };
    vec![
        sample("cached manifest, active", &cached(manifest(), CachedState::Active)),
        sample("cached blob, pending", &cached(blob.clone(), CachedState::Pending)),
        sample(
            "cached blob, processing",
            &cached(blob.clone(), CachedState::Processing { until: TIME, attempt: 2 }),
        ),
        sample("cached blob, failed", &cached(blob.clone(), failed(Some(TIME)))),
        sample("cached blob, parked", &cached(blob, failed(None))),
        sample("cached tag", &CachedTag { manifest: CachedId(300), checked: TIME }),
        sample("cached id", &CachedId(513)),
        sample("proxy of a group", &proxy),
        sample("proxy of a group, new", &ProxyGroup::default()),
        sample("proxy usage", &ProxyUsage { manifests: USAGE, blobs: USAGE }),
    ]
}

#[test]
fn keys_of_caches_look_as_they_did() {
    let id = "0000000000000102";
    let (group, entry) = (GroupId(258), CachedId(258));
    check_key(&(group, (CachedKind::Manifest, entry)), &format!("{id}01{id}"));
    check_key(&(group, (CachedKind::Blob, DIGEST)), &format!("{id}02{}", "ab".repeat(32)));
    check_key(&(CachedKind::Blob, (Timestamp(258), entry)), &format!("02{id}{id}"));
    let image = UpstreamName::parse("a/B").unwrap();
    let tag = CachedRef::tag(&ImageTagName::parse("V1").unwrap());
    check_key(&(group, (image.clone(), tag)), &format!("{id}612f4200563100"));
    let list = CachedRef::referrers(DIGEST);
    let text = hex(format!("referrers:{}", "ab".repeat(32)).as_bytes());
    check_key(&(entry, (image, list)), &format!("{id}612f4200{text}00"));
    check_key(&(BlobId(258), Referrer::Cached(entry)), &format!("{id}04{id}"));
}
