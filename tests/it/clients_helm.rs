//! helm against the registry: charts as artifacts.

use std::fs;

use super::harness::needs_client;
use super::harness::registry::{Registry, Tool};

const CHART: &str = "apiVersion: v2\nname: chart\nversion: 0.1.0+build.7\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n";

fn helm(registry: &Registry) -> Option<Tool<'_>> {
    let login = "registry login --plain-http --username alice --password-stdin $R";
    Some(registry.tool(&needs_client("helm")?).logged_in(login))
}

#[test]
fn helm_pushes_shows_pulls_and_renders_a_chart() {
    let Some(_) = needs_client("helm") else { return };
    Registry::each(|registry| {
        let Some(helm) = helm(registry) else { return };
        fs::create_dir_all(registry.path("chart/templates")).unwrap();
        fs::write(registry.path("chart/Chart.yaml"), CHART).unwrap();
        fs::write(registry.path("chart/templates/map.yaml"), TEMPLATE).unwrap();
        helm.run("package chart");
        // In a tag a plus is written as an underscore.
        helm.run("push --plain-http chart-0.1.0+build.7.tgz oci://$R/main");
        let version = "--plain-http --version 0.1.0+build.7 oci://$R/main/chart";
        assert!(helm.run(&format!("show chart {version}")).contains("name: chart"));
        fs::create_dir(registry.path("back")).unwrap();
        helm.run(&format!("pull --destination back {version}"));
        let archive = |folder: &str| {
            let name = format!("{folder}chart-0.1.0+build.7.tgz");
            fs::read(registry.path(&name)).unwrap()
        };
        assert!(archive("back/") == archive(""));
        let rendered = helm.attempt(&format!("template first {version}")).succeeds();
        assert!(rendered.out.contains("metadata: {name: first}"), "{}", rendered.out);
        // The newest of a range is found through the list of tags.
        let ranged = "show chart --plain-http --version >=0.1.0-0 oci://$R/main/chart";
        assert!(helm.run(ranged).contains("name: chart"));
    });
}
