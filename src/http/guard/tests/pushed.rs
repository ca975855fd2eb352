//! What somebody with some rights in the registry can learn or take away beyond them.

use super::*;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Bench {
    /// Pushes an index of nothing, told apart by `text`.
    async fn pushes(&self, caller: &Caller, target: &str, text: &str) -> Answer {
        let body = format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[],
                "annotations":{{"text":"{text}"}}}}"#
        );
        self.send(caller, &format!("PUT {target}"), &[], &body).await
    }

    async fn status(&self, caller: &Caller, line: &str) -> u16 {
        self.ask(caller, line).await.status.as_u16()
    }
}

#[tokio::test]
async fn a_conflict_of_a_push_names_the_other_job_to_who_may_read_it() {
    let bench =
        Bench::new(&[("dev", "rw /v2/open/**\n"), ("all", "rw /v2/open/**\nr /branches/**\n")]);
    assert_eq!(bench.pushes(&admin(), "/v2/secret/job/manifests/t", "a").await.status, 201);
    bench.holds("/branches/open/t/job/f/x", "x").await;
    let keys =
        r#"{"job":{"product":"p","product_variant":"v","product_branch":"b","version":"1"}}"#;
    for branch in ["secret", "open"] {
        let feed = format!("PATCH /branches/{branch}/t/job/");
        assert_eq!(bench.send(&admin(), &feed, &[], keys).await.status, 200);
    }
    let told = bench.pushes(&user("a", &["all"]), "/v2/open/job/manifests/t", "b").await;
    assert_eq!(told.status, 403);
    assert!(told.body.contains("/branches/secret/t/job/"), "{}", told.body);
    let told = bench.pushes(&user("d", &["dev"]), "/v2/open/job/manifests/t", "b").await;
    assert_eq!(told.status, 403);
    assert!(told.body.contains("another job"), "{}", told.body);
    assert!(!told.body.contains("secret"), "{}", told.body);
}

#[tokio::test]
async fn a_manifest_stays_for_who_may_not_delete_one_of_its_tags() {
    let bench = Bench::new(&[("dev", "rw /v2/main/job/** !/v2/main/job/manifests/release*\n")]);
    let dev = user("d", &["dev"]);
    let pushed = bench.pushes(&admin(), "/v2/main/job/manifests/release-1", "a").await;
    assert_eq!(pushed.status, 201);
    let by_digest =
        format!("DELETE /v2/main/job/manifests/{}", pushed.header("docker-content-digest"));
    assert_eq!(bench.status(&dev, "DELETE /v2/main/job/manifests/release-1").await, 403);
    assert_eq!(bench.status(&dev, &by_digest).await, 403);
    assert_eq!(bench.status(&admin(), "GET /v2/main/job/manifests/release-1").await, 200);
    let mine = bench.pushes(&dev, "/v2/main/job/manifests/mine", "b").await;
    let mine = format!("DELETE /v2/main/job/manifests/{}", mine.header("docker-content-digest"));
    assert_eq!(bench.status(&dev, &mine).await, 202);
    // A tag that is no more keeps nothing.
    assert_eq!(bench.status(&admin(), "DELETE /branches/main/release-1/").await, 200);
    assert_eq!(bench.status(&dev, &by_digest).await, 202);
}

#[tokio::test]
async fn a_product_shows_for_an_hour_what_it_stood_for_and_not_for_longer() {
    let bench = Bench::new(&[("all", "r /v2/p/**\n")]);
    let all = user("a", &["all"]);
    let pushed = bench.pushes(&admin(), "/v2/main/job/manifests/t", "a").await;
    let feeds =
        r#"{"job":{"product":"p","product_variant":"v","product_branch":"b","version":"1"}}"#;
    let feed = "PATCH /branches/main/t/job/";
    assert_eq!(bench.send(&admin(), feed, &[], feeds).await.status, 200);
    assert_eq!(bench.status(&all, "GET /v2/p/v/b/manifests/1").await, 200);
    let by_digest = format!("GET /v2/p/v/b/manifests/{}", pushed.header("docker-content-digest"));
    // Another one takes its place.
    bench.holds("/branches/main/u/job/f/x", "x").await;
    let none =
        r#"{"job":{"product":null,"product_variant":null,"product_branch":null,"version":null}}"#;
    assert_eq!(bench.send(&admin(), feed, &[], none).await.status, 200);
    let feed = "PATCH /branches/main/u/job/";
    assert_eq!(bench.send(&admin(), feed, &[], feeds).await.status, 200);
    assert_eq!(bench.status(&all, "GET /v2/p/v/b/manifests/1").await, 404);
    bench.clock.advance(Duration::from_secs(3590));
    assert_eq!(bench.status(&all, &by_digest).await, 200);
    bench.clock.advance(Duration::from_secs(20));
    assert_eq!(bench.status(&all, &by_digest).await, 404);
    assert_eq!(bench.status(&admin(), "GET /v2/main/job/manifests/t").await, 200);
}

#[tokio::test]
async fn a_page_of_referrers_reads_no_more_than_so_much() {
    let bench = Bench::new(&[]);
    let subject = format!("sha256:{}", "ab".repeat(32));
    for number in 0..6 {
        let body = format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[],"number":{number},
                "subject":{{"mediaType":"{INDEX}","digest":"{subject}","size":2}},"x":"{}"}}"#,
            "x".repeat((4 << 20) - 512)
        );
        let line = format!("PUT /v2/a/manifests/t{number}");
        assert_eq!(bench.send(&admin(), &line, &[], &body).await.status, 201);
    }
    let mut target = format!("/v2/a/referrers/{subject}");
    let mut pages = Vec::new();
    loop {
        let page = bench.ask(&admin(), &format!("GET {target}")).await;
        pages.push(page.json()["manifests"].as_array().unwrap().len());
        let link = page.headers.iter().find(|(name, _)| name == "link");
        let Some((_, link)) = link else { break };
        let end = link.find('>').unwrap();
        target = link[1..end].to_owned();
    }
    assert_eq!((pages.len(), pages.iter().sum::<usize>()), (2, 6), "{pages:?}");
}
