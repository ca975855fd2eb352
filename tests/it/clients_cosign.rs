//! cosign against the registry, by hand: building it takes longer than all other clients.
//!
//!     tests/run --by-hand -- --test it cosign -- --ignored

use std::fs;

use super::harness::image_layout::{Image, Layer, Layout};
use super::harness::registry::{Registry, Tool};
use super::harness::{needs, needs_client};

fn signed_and_verified(cosign: &Tool, reference: &str, more: &str) {
    let plain = "--allow-insecure-registry --allow-http-registry";
    let sign = format!("sign --yes --tlog-upload=false {plain} --key cosign.key {more}");
    cosign.answers(&format!("{sign} {reference}"), "\n").succeeds();
    let verify = format!("verify --insecure-ignore-tlog {plain} --key cosign.pub {more}");
    let said = cosign.run(&format!("{verify} {reference}"));
    assert!(said.contains("cosign container image signature"), "{said}");
}

#[test]
#[ignore = "by hand: tests/run --by-hand"]
fn cosign_signs_and_verifies_an_image_by_tag_and_as_a_referrer() {
    let (Some(program), Some(skopeo)) = (needs_client("cosign"), needs("skopeo")) else { return };
    Registry::each(|registry| {
        let skopeo = registry.tool(&skopeo).with("--insecure-policy");
        let login = "login --tls-verify=false --username alice --password-stdin $R";
        let skopeo = skopeo.logged_in(login);
        let cosign = registry.tool(&program).variable("COSIGN_PASSWORD", "");
        let cosign = cosign.told_password("login $R --username alice --password-stdin");
        let image = Image::new(&[Layer::noise(1, 100_000)]);
        Layout::new(&registry.path("lay")).image("1", &image);
        skopeo.run("copy --dest-tls-verify=false oci:lay:1 docker://$R/main/app:1");
        cosign.run("generate-key-pair");
        let reference = format!("$R/main/app@{}", image.manifest.digest);
        // The signature has a tag that is made of the image's digest.
        signed_and_verified(&cosign, &reference, "");
        let tags = skopeo.run("list-tags --tls-verify=false docker://$R/main/app");
        let tag = image.manifest.digest.replace(':', "-") + ".sig";
        assert!(tags.contains(&tag), "{tags}");
        let other = Image::new(&[Layer::noise(2, 100_000)]);
        Layout::new(&registry.path("lay")).image("2", &other);
        skopeo.run("copy --dest-tls-verify=false oci:lay:2 docker://$R/main/app:2");
        let key = fs::read_to_string(registry.path("cosign.pub")).unwrap();
        assert!(key.contains("PUBLIC KEY"));
        let plain = "--allow-insecure-registry --allow-http-registry --insecure-ignore-tlog";
        let unsigned = format!("verify {plain} --key cosign.pub $R/main/app:2");
        assert_ne!(cosign.attempt(&unsigned).code, Some(0));
        // As a referrer, where the registry says that it has them.
        if registry.larder().is_some() {
            let cosign = cosign.variable("COSIGN_EXPERIMENTAL", "1");
            let reference = format!("$R/main/app@{}", other.manifest.digest);
            let mode = "--registry-referrers-mode=oci-1-1";
            let sign = format!(
                "sign --yes --tlog-upload=false --allow-insecure-registry --allow-http-registry \
                --key cosign.key {mode} {reference}"
            );
            cosign.answers(&sign, "\n").succeeds();
            let verify =
                format!("verify {plain} --experimental-oci11=true --key cosign.pub {reference}");
            cosign.run(&verify);
        }
    });
}
