//! A Docker engine against the registry: login, build, push, pull, run.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::harness::engine::Engine;
use super::harness::image_layout::{Image, Layer, Layout, architecture};
use super::harness::needs;
use super::harness::needs::cannot;
use super::harness::program::{GREETING, hello};
use super::harness::registry::{LOGIN, Registry, Tool};
use super::harness::slapd::{ALICE, Slapd};

/// An engine, its client, and what to build from.
struct Parts {
    engine: Engine,
    docker: PathBuf,
    program: Vec<u8>,
}

impl Parts {
    fn new() -> Option<Self> {
        let (program, docker) = (hello()?, needs("docker")?);
        Some(Self { engine: Engine::start()?, docker, program })
    }

    /// The client with a home beside the registry, where also the context of a build is.
    fn docker<'a>(&self, registry: &'a Registry) -> Tool<'a> {
        let context = registry.path("context");
        fs::create_dir_all(&context).unwrap();
        fs::write(context.join("hello"), &self.program).unwrap();
        fs::set_permissions(context.join("hello"), Permissions::from_mode(0o755)).unwrap();
        let text =
            "FROM scratch\nCOPY hello /hello\nRUN [\"/hello\", \"/made\"]\nCMD [\"/hello\"]\n";
        fs::write(context.join("Dockerfile"), text).unwrap();
        let docker = registry.tool(&self.docker).variable("DOCKER_HOST", &self.engine.host());
        docker.variable("DOCKER_BUILDKIT", "0")
    }
}

/// Builds, or tells why this machine cannot.
fn builds(docker: &Tool, tag: &str) -> bool {
    let built = docker.attempt(&format!("build --quiet --network none --tag {tag} context"));
    // What it says of the program itself would be the test's fault.
    if built.err.contains("OCI runtime create failed") && !built.err.contains("exec:") {
        cannot(&format!("no container runs here: {}", built.err.trim()));
        return false;
    }
    built.succeeds();
    true
}

#[test]
fn docker_builds_pushes_pulls_and_runs() {
    let Some(parts) = Parts::new() else { return };
    Registry::each(|registry| {
        let login = "login --username alice --password-stdin $R";
        let docker = parts.docker(registry).logged_in(login);
        if !builds(&docker, "$R/main/app:1") {
            return;
        }
        docker.run("push --quiet $R/main/app:1");
        let digests = "inspect --format {{.RepoDigests}} $R/main/app:1";
        let pushed = docker.run(digests);
        assert!(pushed.contains("/main/app@sha256:"), "{pushed}");
        docker.run("tag $R/main/app:1 $R/release/app:1");
        let again = docker.run("push $R/release/app:1");
        assert!(again.contains("Mounted from main/app"), "{again}");
        docker.run("rmi $R/main/app:1 $R/release/app:1");
        docker.run("pull --quiet $R/main/app:1");
        assert_eq!(docker.run(digests), pushed);
        let said = docker.run("run --rm --network host $R/main/app:1");
        assert_eq!(said, GREETING.trim());
        docker.run("rmi $R/main/app:1");
        // Of an index it takes the image for its machine.
        let layer = Layer::new(&[("hello", &parts.program)]);
        let layers = [layer];
        let (ours, other) = (Image::new(&layers), Image::for_machine("s390x", &layers));
        let machine = architecture();
        Layout::new(&registry.path("lay")).index("1", &[("s390x", &other), (machine, &ours)]);
        if let Some(skopeo) = needs("skopeo") {
            let skopeo = registry
                .tool(&skopeo)
                .with("--insecure-policy")
                .logged_in("login --tls-verify=false --username alice --password-stdin $R");
            skopeo.run("copy --all --dest-tls-verify=false oci:lay:1 docker://$R/main/app:list");
            docker.run("pull --quiet $R/main/app:list");
            let said = docker.run("run --rm --network host $R/main/app:list");
            assert_eq!(said, GREETING.trim());
            docker.run("rmi $R/main/app:list");
        }
    });
}

#[test]
fn docker_logs_in_with_a_password_a_token_and_a_directory() {
    let (Some(parts), Some(directory)) = (Parts::new(), Slapd::start()) else { return };
    let push = |registry: &Registry, login: &str, password: &str| {
        let docker = parts.docker(registry);
        if !builds(&docker, "$R/main/app:1") {
            return;
        }
        let refused = docker.attempt("push $R/main/app:1");
        assert_ne!(refused.code, Some(0), "{refused:?}");
        let command = format!("login --username {login} --password-stdin $R");
        assert_ne!(docker.answers(&command, "wrong").code, Some(0));
        let said = docker.answers(&command, password).succeeds();
        assert!(said.out.contains("Login Succeeded"), "{said:?}");
        docker.run("push --quiet $R/main/app:1");
        docker.run("logout $R");
        assert_ne!(docker.attempt("pull $R/main/app:1").code, Some(0));
        docker.run("rmi $R/main/app:1");
    };
    let local = Registry::with_login();
    push(&local, LOGIN, local.password().unwrap());
    if let Some(server) = local.larder() {
        push(&local, LOGIN, &server.token_of(LOGIN, "api"));
        push(&Registry::with_directory(&directory), ALICE.0, ALICE.1);
    }
}
