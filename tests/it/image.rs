//! The image: built from this checkout, and run as `packaging/compose.yaml` runs it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::harness::client::Request;
use super::harness::engine::Engine;
use super::harness::{eventually, needs, noise};

const IMAGE: &str = "larder-test";
const SIZE_MAX: u64 = 40_000_000;
const READY_MAX: Duration = Duration::from_secs(1);
const FILE: &str = "/branches/b/t/j/f/large";

/// An engine that has the image; `None`, with a reason, where that cannot be.
fn engine() -> Option<Engine> {
    let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/image/bin/larder");
    needs::file(&binary, "packaging/build-static makes it")?;
    let engine = Engine::start()?;
    engine.docker(&["build", "-q", "-t", IMAGE, "-f", "packaging/Dockerfile", "."]).succeeds();
    // What the engine itself cannot do is 125; anything else would be the image's fault.
    let version = engine.docker(&["run", "--rm", "--network", "host", IMAGE, "--version"]);
    if version.code == Some(125) {
        needs::cannot(&format!("no container runs here: {}", version.err.trim()));
        return None;
    }
    assert_eq!(version.succeeds().out, concat!("larder ", env!("CARGO_PKG_VERSION"), "\n"));
    Some(engine)
}

/// A container with a read-only root and nothing to be privileged with, on the host's network
/// since the engine has no other. Returns the address of the server and how long it took.
fn run(engine: &Engine, name: &str) -> (SocketAddr, Duration) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let listen = format!("LARDER_LISTEN={free}");
    let hardened = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
    let place = ["--network=host", "--volume=kept:/data", "--env", &listen];
    let health = ["--health-interval=1s", "--name", name, IMAGE];
    engine.docker(&[&["create"][..], &hardened, &place, &health].concat()).succeeds();
    engine.docker(&["start", name]).succeeds();
    let started = Instant::now();
    eventually("a server that listens", || TcpStream::connect(free).ok());
    Request::new(free, "GET", "/-/ready").expect(200);
    (free, started.elapsed())
}

/// What README says to look for in the log of a container that was started for the first time.
fn first_password(log: &str) -> String {
    let (_, rest) = log.split_once("The account admin was made, its password is ").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

#[test]
fn the_image_is_small_quick_and_keeps_its_volume() {
    let Some(engine) = engine() else { return };
    let size: u64 = engine.fact(IMAGE, "{{.Size}}").parse().unwrap();
    assert!(size < SIZE_MAX, "{size} bytes");
    let user = engine.fact(IMAGE, "{{.Config.User}}");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id != 0)), "{user}");

    let (server, took) = run(&engine, "first");
    assert!(took < READY_MAX, "ready only after {took:?}");
    // Closed to whoever is not logged in, and the log tells who may log in.
    Request::new(server, "PUT", FILE).body("anybody's").expect(401);
    let password = first_password(&engine.docker(&["logs", "first"]).succeeds().out);
    let content = noise(1, 300_000);
    let upload = Request::new(server, "PUT", FILE).by("admin", &password);
    upload.body(content.clone()).expect(201);
    eventually("a healthy container", || {
        (engine.fact("first", "{{.State.Health.Status}}") == "healthy").then_some(())
    });
    // Names are resolved without a C library beside the binary.
    let url = format!("http://localhost:{}", server.port());
    engine.docker(&["exec", "first", "/larder", "health", "--url", &url]).succeeds();
    engine.docker(&["exec", "first", "/larder", "check", "--hash"]).succeeds();
    engine.docker(&["stop", "first"]).succeeds();
    assert_eq!(engine.fact("first", "{{.State.ExitCode}}"), "0");
    let log = engine.docker(&["logs", "first"]).succeeds();
    log.complains(&["stopping: requests have 8s to finish", "] stopped\n"]);
    engine.docker(&["rm", "first"]).succeeds();

    let (server, took) = run(&engine, "second");
    assert!(took < READY_MAX, "ready again only after {took:?}");
    let kept = Request::new(server, "GET", FILE).by("admin", &password).expect(200);
    assert!(kept.body == content);
    let log = engine.docker(&["logs", "second"]).succeeds();
    assert!(!log.out.contains(&password), "told again: {}", log.out);
    engine.docker(&["kill", "second"]).succeeds();
    engine.docker(&["rm", "second"]).succeeds();
    let alone = ["run", "--rm", "--read-only", "--network=none", "--volume=kept:/data"];
    let command = ["--env=LARDER_LISTEN=127.0.0.1:1337", IMAGE, "check", "--hash"];
    engine.docker(&[&alone[..], &command].concat()).succeeds();
}
