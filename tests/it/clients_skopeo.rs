//! skopeo against the registry: copying there and back, whole indexes, synchronising, listing,
//! deleting, and logging in with whatever a person has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::harness::image_layout::{Image, Layer, Layout};
use super::harness::registry::{ALIAS, LOGIN, Registry, Tool};
use super::harness::slapd::{ALICE, Slapd};
use super::harness::{needs, noise};

fn skopeo(registry: &Registry) -> Option<Tool<'_>> {
    let tool = registry.tool(&needs("skopeo")?).with("--insecure-policy");
    Some(tool.logged_in("login --tls-verify=false --username alice --password-stdin $R"))
}

/// Images `v1` and `v2` that share a layer, and their index `both`.
fn layout(registry: &Registry) -> (Image, Image) {
    let shared = Layer::noise(1, 300_000);
    let v1 = Image::for_machine("amd64", &[shared.clone(), Layer::noise(2, 20_000)]);
    let v2 = Image::for_machine("arm64", &[shared, Layer::noise(3, 20_000)]);
    let mut layout = Layout::new(&registry.path("lay"));
    layout.image("v1", &v1).image("v2", &v2).index("both", &[("amd64", &v1), ("arm64", &v2)]);
    (v1, v2)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn skopeo_copies_an_image_there_and_back() {
    let Some(_) = needs("skopeo") else { return };
    Registry::each(|registry| {
        let Some(skopeo) = skopeo(registry) else { return };
        let (image, _) = layout(registry);
        skopeo.run("copy --dest-tls-verify=false oci:lay:v1 docker://$R/main/app:v1");
        let shown = skopeo.run("inspect --tls-verify=false docker://$R/main/app:v1");
        assert_eq!(json(&shown)["Digest"], image.manifest.digest);
        let raw = skopeo.run("inspect --tls-verify=false --raw docker://$R/main/app:v1");
        assert_eq!(raw.as_bytes(), &**image.manifest.bytes);
        skopeo.run("copy --src-tls-verify=false docker://$R/main/app:v1 oci:back:v1");
        for blob in &image.blobs {
            let file = registry.path("back/blobs").join(blob.digest.replace(':', "/"));
            assert!(std::fs::read(file).unwrap() == **blob.bytes, "{}", blob.digest);
        }
        // To another repository; what it has already is not sent again.
        let copy = "copy --src-tls-verify=false --dest-tls-verify=false";
        skopeo.run(&format!("{copy} docker://$R/main/app:v1 docker://$R/release/app:v1"));
        let digest = &image.manifest.digest;
        let by_digest = format!("inspect --tls-verify=false docker://$R/release/app@{digest}");
        assert_eq!(json(&skopeo.run(&by_digest))["Digest"], **digest);
    });
}

#[test]
fn skopeo_copies_an_index_with_all_its_images() {
    let Some(_) = needs("skopeo") else { return };
    Registry::each(|registry| {
        let Some(skopeo) = skopeo(registry) else { return };
        let (v1, v2) = layout(registry);
        skopeo.run("copy --all --dest-tls-verify=false oci:lay:both docker://$R/main/app:both");
        let copy = "copy --all --src-tls-verify=false --dest-tls-verify=false";
        skopeo.run(&format!("{copy} docker://$R/main/app:both docker://$R/main/other:both"));
        for repository in ["app", "other"] {
            let raw =
                format!("inspect --tls-verify=false --raw docker://$R/main/{repository}:both");
            let index = json(&skopeo.run(&raw));
            let entries = index["manifests"].as_array().unwrap();
            let digests: Vec<_> = entries.iter().map(|entry| entry["digest"].as_str()).collect();
            assert_eq!(digests, [&v1, &v2].map(|image| Some(&*image.manifest.digest)));
            let arm = "--override-arch arm64 inspect --tls-verify=false --format {{.Architecture}}";
            let arm = skopeo.run(&format!("{arm} docker://$R/main/{repository}:both"));
            assert_eq!(arm, "arm64");
        }
    });
}

#[test]
fn skopeo_writes_the_older_schema_of_docker() {
    let Some(_) = needs("skopeo") else { return };
    Registry::each(|registry| {
        let Some(skopeo) = skopeo(registry) else { return };
        let (image, _) = layout(registry);
        let copy = "copy --dest-tls-verify=false --format v2s2";
        skopeo.run(&format!("{copy} oci:lay:v1 docker://$R/main/app:old"));
        let raw = "inspect --tls-verify=false --raw docker://$R/main/app:old";
        let manifest = json(&skopeo.run(raw));
        let old = "application/vnd.docker.distribution.manifest.v2+json";
        assert_eq!(manifest["mediaType"], old);
        assert_eq!(manifest["config"]["digest"], image.blobs[0].digest);
        skopeo.run("copy --src-tls-verify=false docker://$R/main/app:old oci:back:old");
        let all = "copy --all --dest-tls-verify=false --format v2s2";
        skopeo.run(&format!("{all} oci:lay:both docker://$R/main/app:olds"));
        let list = json(&skopeo.run(&raw.replace(":old", ":olds")));
        let old = "application/vnd.docker.distribution.manifest.list.v2+json";
        assert_eq!(
            (list["mediaType"].as_str(), list["manifests"][1].is_object()),
            (Some(old), true)
        );
    });
}

#[test]
fn skopeo_lists_synchronises_and_deletes() {
    let Some(_) = needs("skopeo") else { return };
    Registry::each(|registry| {
        let Some(skopeo) = skopeo(registry) else { return };
        layout(registry);
        let tags = |repository: &str| {
            let list = format!("list-tags --tls-verify=false docker://$R/{repository}");
            let list = json(&skopeo.run(&list));
            let tags = list["Tags"].as_array().unwrap().clone();
            let tags = tags.iter().map(|tag| tag.as_str().unwrap().to_owned());
            tags.filter(|tag| tag != ALIAS).collect::<BTreeSet<_>>()
        };
        for tag in ["v1", "v2"] {
            let copy = "copy --dest-tls-verify=false";
            skopeo.run(&format!("{copy} oci:lay:{tag} docker://$R/main/app:{tag}"));
        }
        let sync = "sync --src-tls-verify=false --dest-tls-verify=false";
        skopeo.run(&format!("{sync} --src docker --dest dir $R/main/app synced"));
        assert!(registry.path("synced/app:v2/manifest.json").is_file());
        skopeo.run(&format!("{sync} --src dir --dest docker synced $R/copy"));
        assert_eq!(tags("copy/app"), tags("main/app"));
        skopeo.run("delete --tls-verify=false docker://$R/main/app:v1");
        let gone = skopeo.attempt("inspect --tls-verify=false docker://$R/main/app:v1");
        assert_ne!(gone.code, Some(0));
        gone.complains(&["manifest unknown"]);
        let all = BTreeSet::from(["v1", "v2"].map(str::to_owned));
        if registry.larder().is_some() {
            assert_eq!(tags("main/app"), BTreeSet::from(["v2".to_owned()]));
        }
        assert_eq!(tags("copy/app"), all);
        skopeo.run("inspect --tls-verify=false docker://$R/main/app:v2");
        skopeo.run("inspect --tls-verify=false docker://$R/copy/app:v1");
    });
}

#[test]
fn what_skopeo_pushes_is_in_the_tree_and_goes_with_its_tag() {
    let Some(_) = needs("skopeo") else { return };
    let registry = Registry::open();
    let (Some(skopeo), Some(server)) = (skopeo(&registry), registry.larder()) else { return };
    let (v1, v2) = layout(&registry);
    for tag in ["v1", "v2"] {
        let copy = "copy --dest-tls-verify=false";
        skopeo.run(&format!("{copy} oci:lay:{tag} docker://$R/main/app:{tag}"));
    }
    let shown = |tag: &str| {
        let inspect = "inspect --tls-verify=false --override-arch arm64 --format {{.Digest}}";
        skopeo.attempt(&format!("{inspect} docker://$R/main/app:{tag}"))
    };
    assert_eq!(shown("latest").succeeds().out.trim(), v2.manifest.digest);
    for (tag, image) in [("v1", &v1), ("v2", &v2)] {
        let format = format!("/branches/main/{tag}/app/container/");
        let files = server.get(&format).expect(200).text();
        let named = image.blobs.iter().chain([&image.manifest]);
        for hex in named.map(|blob| blob.digest.trim_start_matches("sha256:").to_owned()) {
            assert!(files.contains(&hex), "{hex} is not in {files}");
        }
    }
    server.delete("/branches/main/v2/").expect(200);
    assert_ne!(shown("v2").code, Some(0));
    assert_eq!(shown("latest").succeeds().out.trim(), v1.manifest.digest);
    skopeo.run("delete --tls-verify=false docker://$R/main/app:v1");
    server.get("/branches/main/v1/app/container/").expect(404);
}

#[test]
fn umoci_makes_images_that_come_back_whole() {
    let (Some(umoci), Some(_)) = (needs("umoci"), needs("skopeo")) else { return };
    Registry::each(|registry| {
        let Some(skopeo) = skopeo(registry) else { return };
        let umoci = registry.tool(&umoci);
        umoci.run("init --layout made");
        umoci.run("new --image made:1");
        umoci.run("unpack --rootless --image made:1 bundle");
        std::fs::write(registry.path("bundle/rootfs/file"), noise(1, 500_000)).unwrap();
        umoci.run("repack --image made:2 bundle");
        skopeo.run("copy --dest-tls-verify=false oci:made:2 docker://$R/main/app:2");
        skopeo.run("copy --src-tls-verify=false docker://$R/main/app:2 oci:back:2");
        umoci.run("unpack --rootless --image back:2 again");
        assert!(std::fs::read(registry.path("again/rootfs/file")).unwrap() == noise(1, 500_000));
    });
}

#[test]
fn skopeo_is_kept_out_without_a_login() {
    let Some(program) = needs("skopeo") else { return };
    let registry = Registry::with_login();
    layout(&registry);
    let skopeo = registry.tool(&program).with("--insecure-policy");
    let copy = "copy --dest-tls-verify=false oci:lay:v1 docker://$R/main/app:v1";
    let refused = skopeo.attempt(copy);
    assert_ne!(refused.code, Some(0));
    let lower = refused.err.to_ascii_lowercase();
    assert!(lower.contains("denied") || lower.contains("unauthorized"), "{lower}");
    let login = "login --tls-verify=false --username alice --password-stdin $R";
    let skopeo = skopeo.logged_in(login);
    skopeo.run(copy);
    skopeo.run("logout $R");
    assert_ne!(skopeo.attempt(copy).code, Some(0));
}

/// Logs in with a name and a password, and pushes.
#[track_caller]
fn pushes_as(registry: &Registry, login: &str, password: &str) {
    let skopeo = registry.tool(&needs("skopeo").unwrap()).with("--insecure-policy");
    let command = format!("login --tls-verify=false --username {login} --password-stdin $R");
    skopeo.answers(&command, password).succeeds();
    skopeo.run("copy --dest-tls-verify=false oci:lay:v1 docker://$R/main/app:v1");
    skopeo.run("logout $R");
}

#[test]
fn skopeo_logs_in_with_a_token() {
    let Some(_) = needs("skopeo") else { return };
    let registry = Registry::with_login();
    let Some(server) = registry.larder() else { return };
    layout(&registry);
    pushes_as(&registry, LOGIN, &server.token_of(LOGIN, "api"));
    // One that only reads does not push.
    let skopeo = registry.tool(&needs("skopeo").unwrap()).with("--insecure-policy");
    let login = "login --tls-verify=false --username alice --password-stdin $R";
    skopeo.answers(login, &server.token_of(LOGIN, "read_api")).succeeds();
    skopeo.run("inspect --tls-verify=false docker://$R/main/app:v1");
    let copy = "copy --dest-tls-verify=false oci:lay:v2 docker://$R/main/app:v2";
    assert_ne!(skopeo.attempt(copy).code, Some(0));
}

#[test]
fn skopeo_logs_in_with_what_a_directory_knows() {
    let (Some(_), Some(directory)) = (needs("skopeo"), Slapd::start()) else { return };
    let registry = Registry::with_directory(&directory);
    layout(&registry);
    pushes_as(&registry, ALICE.0, ALICE.1);
}
