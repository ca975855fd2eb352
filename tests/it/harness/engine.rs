//! [`Engine`]: a Docker engine of a test's own, without networks, which goes when it is dropped.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::needs::{cannot, needs};
use super::server::place;
use super::{Outcome, PATIENCE};

/// Flags of an engine that leaves the machine's networks and control groups as they are.
const FLAGS: [&str; 7] = [
    "--iptables=false",
    "--ip6tables=false",
    "--bridge=none",
    "--storage-driver=vfs",
    "--exec-opt=native.cgroupdriver=cgroupfs",
    "--default-ulimit=nofile=4096:4096",
    "--default-ulimit=nproc=4096:4096",
];

/// A running engine, and the command to ask it with.
pub struct Engine {
    folder: TempDir,
    docker: PathBuf,
    process: Child,
}

impl Engine {
    /// `None`, with a reason, where no engine is installed or none can run.
    pub fn start() -> Option<Self> {
        let (docker, dockerd) = (needs("docker")?, needs("dockerd")?);
        let folder = TempDir::with_prefix_in("larder-docker-", place()).unwrap();
        let inside = |name: &str| folder.path().join(name).display().to_string();
        let log = File::create(inside("log")).unwrap();
        let process = Command::new(dockerd)
            .args(FLAGS)
            .args(["--data-root", &inside("data"), "--exec-root", &inside("exec")])
            .args(["--pidfile", &inside("pid"), "--host", &format!("unix://{}", inside("socket"))])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut engine = Self { folder, docker, process };
        if let Err(why) = engine.wait() {
            cannot(&format!("no Docker engine runs here: {why}"));
            return None;
        }
        Some(engine)
    }

    /// Until it answers.
    fn wait(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while self.docker(&["version"]).code != Some(0) {
            let ended = self.process.try_wait().unwrap();
            if ended.is_some() || started.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
                return Err(log.lines().last().unwrap_or("it says nothing").to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// What `DOCKER_HOST` is for this engine.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    /// Runs `docker` with these arguments.
    pub fn docker(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(&self.docker);
        command.env("DOCKER_HOST", self.host());
        // The builder that needs no plugin.
        command.env("DOCKER_BUILDKIT", "0").env_remove("DOCKER_CONTEXT");
        Outcome::of(command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments))
    }

    /// One fact of `docker inspect`.
    pub fn fact(&self, thing: &str, template: &str) -> String {
        self.docker(&["inspect", "--format", template, thing]).succeeds().out.trim().to_owned()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let containers = self.docker(&["ps", "--all", "--quiet"]);
        for container in containers.out.lines() {
            self.docker(&["rm", "--force", "--volumes", container]);
        }
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}
