//! crane against the registry: appending layers, copying with mounts, checking what came back,
//! and lists in pages.

use std::collections::BTreeSet;
use std::fs;

use super::harness::registry::{ALIAS, Registry, Tool};
use super::harness::{needs_client, noise};

fn crane(registry: &Registry) -> Option<Tool<'_>> {
    let crane = registry.tool(&needs_client("crane")?).with("--insecure");
    Some(crane.told_password("auth login --username alice --password-stdin $R"))
}

/// An archive to append.
fn layer(registry: &Registry, name: &str, seed: u64) {
    let mut archive = tar::Builder::new(Vec::new());
    let content = noise(seed, 200_000);
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len().try_into().unwrap());
    header.set_mode(0o644);
    archive.append_data(&mut header, name, &*content).unwrap();
    fs::write(registry.path(name), archive.into_inner().unwrap()).unwrap();
}

#[test]
fn crane_appends_copies_by_mounting_and_validates() {
    let Some(_) = needs_client("crane") else { return };
    Registry::each(|registry| {
        let Some(crane) = crane(registry) else { return };
        layer(registry, "1.tar", 1);
        layer(registry, "2.tar", 2);
        let append = "append --oci-empty-base --new_layer 1.tar --new_tag $R/main/app:1";
        assert!(crane.run(append).contains("/main/app@sha256:"));
        let second = crane.attempt("append --base $R/main/app:1 -f 2.tar -t $R/main/app:2");
        second.succeeds();
        crane.run("validate --remote $R/main/app:2");
        let copied = crane.attempt("copy $R/main/app:2 $R/release/app:2").succeeds();
        assert_eq!(copied.err.matches("mounted blob").count(), 3, "{}", copied.err);
        crane.run("validate --remote $R/release/app:2");
        let digest = crane.run("digest $R/release/app:2");
        assert_eq!(crane.run("digest $R/main/app:2"), digest);
        crane.run("tag $R/main/app:2 newest");
        let tags = crane.run("ls $R/main/app");
        let tags: BTreeSet<_> = tags.lines().filter(|tag| *tag != ALIAS).collect();
        assert_eq!(tags, BTreeSet::from(["1", "2", "newest"]));
        crane.run("pull $R/release/app:2 image.tar");
        crane.run("validate --tarball image.tar");
        crane.run("push image.tar $R/third/app:2");
        crane.run("validate --remote $R/third/app:2");
        crane.run("mutate --label kind=test --tag $R/main/app:3 $R/main/app:2");
        assert!(crane.run("config $R/main/app:3").contains("\"kind\":\"test\""));
        crane.run("flatten --tag $R/main/app:flat $R/main/app:2");
        crane.run("validate --remote $R/main/app:flat");
        crane.run(&format!("delete $R/release/app@{digest}"));
        assert_ne!(crane.attempt("manifest $R/release/app:2").code, Some(0));
        crane.run("validate --remote $R/main/app:2");
    });
}

#[test]
fn crane_reads_the_catalog_in_pages() {
    let Some(_) = needs_client("crane") else { return };
    Registry::each(|registry| {
        let Some(crane) = crane(registry) else { return };
        layer(registry, "1.tar", 1);
        crane.run("append --oci-empty-base --new_layer 1.tar --new_tag $R/main/app0:1");
        let mut names = BTreeSet::from(["main/app0".to_owned()]);
        for number in 1..7 {
            crane.run(&format!("copy $R/main/app0:1 $R/main/app{number}:1"));
            names.insert(format!("main/app{number}"));
        }
        let listed = crane.run("catalog $R");
        assert_eq!(listed.lines().map(str::to_owned).collect::<BTreeSet<_>>(), names);
        for number in 2..40 {
            crane.run(&format!("tag $R/main/app0:1 {number}"));
        }
        let tags = crane.run("ls $R/main/app0");
        assert_eq!(tags.lines().filter(|tag| *tag != ALIAS).count(), 39);
        let whole = crane.run("ls --full-ref $R/main/app0");
        assert!(whole.contains("/main/app0:39"), "{whole}");
    });
}
