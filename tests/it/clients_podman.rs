//! podman and buildah against the registry: building on an image from there, pushing, pulling,
//! running, and manifest lists. What they store lies in a folder of the test's own.

use std::fs;

use serde_json::Value;

use super::harness::image_layout::{Image, Layer, Layout};
use super::harness::needs;
use super::harness::needs::cannot;
use super::harness::program::{GREETING, hello};
use super::harness::registry::{Registry, Tool};

const LOGIN: &str = "login --tls-verify=false --username alice --password-stdin $R";
/// A machine on which nobody may raise limits runs this too.
const LIMITS: &str = "--network host --ulimit nofile=4096:4096 --ulimit nproc=4096:4096";

/// The base of all builds is in the registry.
fn with_base(registry: &Registry, program: &[u8]) {
    let image = Image::new(&[Layer::new(&[("hello", program)])]);
    Layout::new(&registry.path("lay")).image("1", &image);
}

fn storage(registry: &Registry) -> String {
    let path = |name: &str| registry.path(name).display().to_string();
    format!("--root {} --runroot {} --storage-driver vfs", path("store"), path("run"))
}

fn podman(registry: &Registry) -> Option<Tool<'_>> {
    needs("runc")?;
    let flags = "--cgroup-manager cgroupfs --events-backend none --runtime runc";
    let flags = format!("{} {flags}", storage(registry));
    Some(registry.tool(&needs("podman")?).with(&flags).logged_in(LOGIN))
}

fn buildah(registry: &Registry) -> Option<Tool<'_>> {
    Some(registry.tool(&needs("buildah")?).with(&storage(registry)).logged_in(LOGIN))
}

fn containerfile(registry: &Registry) {
    let address = registry.address();
    let run = "RUN [\"/hello\", \"/made\"]\nLABEL kind=test\nCMD [\"/hello\"]";
    let text = format!("FROM {address}/main/base:1\n{run}\n");
    fs::create_dir(registry.path("context")).unwrap();
    fs::write(registry.path("context/Containerfile"), text).unwrap();
}

/// Builds, or tells why this machine cannot.
fn builds(tool: &Tool, line: &str) -> bool {
    let built = tool.attempt(line);
    if built.code != Some(0) && built.err.contains("peration not permitted") {
        cannot(&format!("nothing can be built here: {}", built.err.trim()));
        return false;
    }
    built.succeeds();
    true
}

#[test]
fn podman_builds_pushes_pulls_and_runs() {
    let (Some(program), Some(_)) = (hello(), needs("podman")) else { return };
    Registry::each(|registry| {
        let Some(podman) = podman(registry) else { return };
        with_base(registry, &program);
        let base = podman.run("pull --quiet oci:lay:1");
        podman.run(&format!("tag {base} $R/main/base:1"));
        podman.run("push --tls-verify=false $R/main/base:1");
        podman.run("rmi --all --force");
        containerfile(registry);
        let build = "build --isolation chroot --tls-verify=false --timestamp 0";
        if !builds(&podman, &format!("{build} --tag $R/main/app:1 context")) {
            return;
        }
        podman.run("push --tls-verify=false --digestfile pushed $R/main/app:1");
        podman.run("rmi --all --force");
        podman.run("pull --tls-verify=false $R/main/app:1");
        let digest = fs::read_to_string(registry.path("pushed")).unwrap();
        assert_eq!(podman.run("inspect --format {{.Digest}} $R/main/app:1"), digest);
        assert_eq!(podman.run("inspect --format {{.Labels.kind}} $R/main/app:1"), "test");
        let run = podman.attempt(&format!("run --rm {LIMITS} $R/main/app:1"));
        if matches!(run.code, Some(125 | 126)) && run.err.contains("runtime") {
            cannot(&format!("no container runs here: {}", run.err.trim()));
        } else {
            assert_eq!(run.succeeds().out, GREETING);
        }
        // The same again is the same image, and the registry has all of it.
        podman.run(&format!("{build} --no-cache --tag $R/main/app:2 context"));
        podman.run("push --tls-verify=false --digestfile again $R/main/app:2");
        assert_eq!(fs::read_to_string(registry.path("again")).unwrap(), digest);
    });
}

#[test]
fn podman_pushes_a_manifest_list() {
    let Some(_) = needs("podman") else { return };
    Registry::each(|registry| {
        let Some(podman) = podman(registry) else { return };
        let shared = Layer::noise(1, 100_000);
        let image =
            |machine, seed| Image::for_machine(machine, &[shared.clone(), Layer::noise(seed, 9)]);
        let (amd, arm) = (image("amd64", 2), image("arm64", 3));
        Layout::new(&registry.path("lay")).image("amd", &amd).image("arm", &arm);
        podman.run("manifest create list");
        podman.run("manifest add list oci:lay:amd");
        podman.run("manifest add list oci:lay:arm");
        podman.run("manifest push --tls-verify=false --all list docker://$R/main/app:list");
        let list = podman.run("manifest inspect $R/main/app:list");
        let list: Value = serde_json::from_str(&list).unwrap();
        let entries = list["manifests"].as_array().unwrap();
        let entry = |at: usize| (&entries[at]["digest"], &entries[at]["platform"]["architecture"]);
        assert_eq!(entries.len(), 2);
        assert_eq!(entry(0), (&amd.manifest.digest.clone().into(), &"amd64".into()));
        assert_eq!(entry(1), (&arm.manifest.digest.clone().into(), &"arm64".into()));
        podman.run("rmi --all --force");
        podman.run("pull --tls-verify=false --arch arm64 $R/main/app:list");
        let pulled = podman.run("inspect --format {{.Architecture}} $R/main/app:list");
        assert_eq!(pulled, "arm64");
    });
}

#[test]
fn buildah_builds_pushes_and_starts_from_an_image() {
    let (Some(program), Some(_)) = (hello(), needs("buildah")) else { return };
    Registry::each(|registry| {
        let Some(buildah) = buildah(registry) else { return };
        with_base(registry, &program);
        let base = buildah.run("pull --quiet oci:lay:1");
        buildah.run(&format!("push --tls-verify=false {base} docker://$R/main/base:1"));
        buildah.run("rmi --all --force");
        containerfile(registry);
        let build = "bud --isolation chroot --tls-verify=false --timestamp 0";
        if !builds(&buildah, &format!("{build} --tag built context")) {
            return;
        }
        buildah.run("push --tls-verify=false --digestfile pushed built docker://$R/main/app:1");
        buildah.run("push --tls-verify=false --format v2s2 built docker://$R/main/app:old");
        buildah.run("rmi --all --force");
        let container = buildah.run("from --tls-verify=false --pull-always $R/main/app:1");
        let isolated = format!("run --isolation chroot {container}");
        assert_eq!(buildah.run(&format!("{isolated} /hello")), GREETING.trim());
        buildah.run(&format!("{isolated} /hello /more"));
        buildah.run(&format!("commit --tls-verify=false {container} docker://$R/main/app:2"));
        let digest = fs::read_to_string(registry.path("pushed")).unwrap();
        let by_digest = format!("pull --tls-verify=false $R/main/app@{digest}");
        buildah.run(&by_digest);
        buildah.run("pull --tls-verify=false $R/main/app:old");
        buildah.run("pull --tls-verify=false $R/main/app:2");
        buildah.run("rm --all");
    });
}
