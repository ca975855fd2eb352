//! docker, podman and skopeo behind the dependency proxy: they pull what another registry has, and
//! go on pulling while that fails in every way there is.
//!
//! The registry behind is Debian's docker-registry; where it has to fail in other ways than by
//! being gone, it is one of our own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::harness::bad_upstream::{BadUpstream, Fault, On};
use super::harness::docker_registry::DockerRegistry;
use super::harness::engine::Engine;
use super::harness::image_layout::{Image, Layer, Layout, architecture};
use super::harness::needs;
use super::harness::registry::{Registry, Tool};

/// Where the group's cache is.
const AT: &str = "$R/acme/dependency_proxy/containers";
/// What a hanging registry may cost, and what pulling costs anyway on a machine that is busy.
const BUDGET: Duration = Duration::from_secs(2);
const PULLING: Duration = Duration::from_secs(5);

/// An image and an index of two machines' images.
fn images() -> (Image, Image) {
    let layers = [Layer::noise(1, 300_000), Layer::noise(2, 20_000)];
    (Image::for_machine(architecture(), &layers), Image::for_machine("s390x", &layers))
}

/// Debian's registry with these images as `main/app:1` and their index as `main/app:both`.
fn peer(registry: &Registry, address: SocketAddr, skopeo: &Tool) {
    let (ours, other) = images();
    let mut layout = Layout::new(&registry.path("lay"));
    layout.image("1", &ours).index("both", &[(architecture(), &ours), ("s390x", &other)]);
    for tag in ["1", "both"] {
        let to = format!("docker://{address}/main/app:{tag}");
        skopeo.run(&format!("copy --all --dest-tls-verify=false oci:lay:{tag} {to}"));
    }
}

/// A registry of ours with the same.
fn bad_upstream() -> BadUpstream {
    let (upstream, (ours, other)) = (BadUpstream::start(), images());
    upstream.holds("main/app", "1", &ours);
    upstream.holds_index("main/app", "both", &[(architecture(), &ours), ("s390x", &other)]);
    upstream
}

/// A client that pulls an image and forgets it, so that the next time it needs all of it.
struct Puller<'a> {
    tool: Tool<'a>,
    pull: &'static str,
    forget: &'static str,
    /// Of what it calls the image.
    prefix: &'static str,
}

impl Puller<'_> {
    #[track_caller]
    fn pulls_both(&self) {
        self.pulls("1");
        self.pulls("both");
    }

    #[track_caller]
    fn pulls(&self, tag: &str) {
        let image = format!("{}/main/app:{tag}", self.prefix);
        self.tool.run(&self.pull.replace('@', &image));
        if !self.forget.is_empty() {
            self.tool.run(&self.forget.replace('@', &image));
        }
    }
}

fn skopeo(registry: &Registry) -> Option<Puller<'_>> {
    let tool = registry.tool(&needs("skopeo")?).with("--insecure-policy");
    let tool = tool.logged_in("login --tls-verify=false --username alice --password-stdin $R");
    let pull = "copy --all --src-tls-verify=false docker://@ dir:pulled";
    Some(Puller { tool, pull, forget: "", prefix: AT })
}

fn docker<'a>(registry: &'a Registry, (engine, docker): &(Engine, PathBuf)) -> Puller<'a> {
    let tool = registry.tool(docker).variable("DOCKER_HOST", &engine.host());
    let tool = tool.logged_in("login --username alice --password-stdin $R");
    Puller { tool, pull: "pull --quiet @", forget: "rmi @", prefix: AT }
}

/// It is told that what it looks for elsewhere is to be found here.
fn podman(registry: &Registry) -> Option<Puller<'_>> {
    let path = |name: &str| registry.path(name).display().to_string();
    let storage = format!("--root {} --runroot {}", path("store"), path("run"));
    let flags = format!("{storage} --storage-driver vfs --cgroup-manager cgroupfs");
    let tool = registry.tool(&needs("podman")?).with(&format!("{flags} --events-backend none"));
    let tool = tool.logged_in("login --tls-verify=false --username alice --password-stdin $R");
    let mirror = format!("{}/acme/dependency_proxy/containers", registry.address());
    let text = format!(
        "[[registry]]\nprefix = \"registry.example\"\nlocation = \"registry.example\"\n\
         [[registry.mirror]]\nlocation = \"{mirror}\"\ninsecure = true\n"
    );
    fs::write(registry.path("registries.conf"), text).unwrap();
    Some(Puller { tool, pull: "pull --quiet @", forget: "rmi @", prefix: "registry.example" })
}

fn engine() -> Option<(Engine, PathBuf)> {
    let docker = needs("docker")?;
    Some((Engine::start()?, docker))
}

/// Cold, warm, and with nobody behind.
fn pulls_what_debians_registry_has(puller: fn(&Registry) -> Option<Puller<'_>>) {
    let (Some(_), Some(_)) = (needs("docker-registry"), needs("skopeo")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let upstream = DockerRegistry::start(&folder.path().join("upstream"), None);
    let registry = Registry::caching(upstream.address);
    let plain = registry.tool(&needs("skopeo").unwrap()).with("--insecure-policy");
    peer(&registry, upstream.address, &plain);
    let Some(puller) = puller(&registry) else { return };
    for _ in ["cold", "warm"] {
        puller.pulls_both();
    }
    drop(upstream);
    puller.pulls_both();
}

/// Warm, whatever goes on behind.
fn pulls_while_the_upstream_fails(registry: &Registry, upstream: &mut BadUpstream, of: &Puller) {
    of.pulls_both();
    let digest = Fault::WrongDigest;
    let (reset, cut) = (Fault::ResetAfter(10), Fault::CutAfter(10));
    let refusals = [401, 403, 404, 429, 500, 503].map(Fault::Status);
    for fault in refusals.into_iter().chain([reset, cut, Fault::WrongBytes, digest]) {
        upstream.fails(On::Everything, fault);
        of.pulls_both();
        upstream.heals();
    }
    upstream.fails(On::Everything, Fault::Hang);
    for limit in [BUDGET + PULLING, PULLING] {
        let started = Instant::now();
        of.pulls("1");
        assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    }
    upstream.heals();
    upstream.stop();
    of.pulls_both();
    drop(registry.larder().expect("a server of ours").command(&["check"]).succeeds());
}

#[test]
fn skopeo_pulls_through_the_proxy() {
    pulls_what_debians_registry_has(skopeo);
}

#[test]
fn podman_pulls_from_the_proxy_as_from_a_mirror() {
    pulls_what_debians_registry_has(podman);
}

#[test]
fn docker_pulls_through_the_proxy() {
    let (Some(_), Some(engine)) = (needs("docker-registry"), engine()) else { return };
    let (Some(skopeo), folder) = (needs("skopeo"), tempfile::tempdir().unwrap()) else { return };
    let upstream = DockerRegistry::start(&folder.path().join("upstream"), None);
    let registry = Registry::caching(upstream.address);
    let plain = registry.tool(&skopeo).with("--insecure-policy");
    peer(&registry, upstream.address, &plain);
    let docker = docker(&registry, &engine);
    for _ in ["cold", "warm"] {
        docker.pulls_both();
    }
    drop(upstream);
    docker.pulls_both();
}

#[test]
fn skopeo_pulls_while_the_upstream_fails() {
    let Some(_) = needs("skopeo") else { return };
    let mut upstream = bad_upstream();
    let registry = Registry::caching(upstream.address());
    let Some(puller) = skopeo(&registry) else { return };
    pulls_while_the_upstream_fails(&registry, &mut upstream, &puller);
}

#[test]
fn podman_pulls_while_the_upstream_fails() {
    let Some(_) = needs("podman") else { return };
    let mut upstream = bad_upstream();
    let registry = Registry::caching(upstream.address());
    let Some(puller) = podman(&registry) else { return };
    pulls_while_the_upstream_fails(&registry, &mut upstream, &puller);
}

#[test]
fn docker_pulls_while_the_upstream_fails() {
    let Some(engine) = engine() else { return };
    let mut upstream = bad_upstream();
    let registry = Registry::caching(upstream.address());
    let puller = docker(&registry, &engine);
    pulls_while_the_upstream_fails(&registry, &mut upstream, &puller);
}
