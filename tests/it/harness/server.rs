//! [`TestServer`]: the real binary on a free port, with a data folder of its own.
//!
//! When one is dropped it stops the process as an operator would and looks at what is left: see
//! [`TestServer::look_behind`], the one place for such checks.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::client::Request;
use super::{Connection, Outcome, eventually};

/// The binary, in an environment without settings of the machine.
pub fn larder(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    let kept =
        ["PATH", "TMPDIR"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.env_clear().envs(kept).args(arguments);
    command
}

/// Settings of a server that is not started.
#[derive(Clone, Default)]
#[must_use]
pub struct Builder {
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    expected: Vec<String>,
    below: Option<PathBuf>,
}

impl Builder {
    /// The data folder lies in this one: on a file system of the test's own.
    pub fn below(mut self, folder: &Path) -> Self {
        self.below = Some(folder.to_owned());
        self
    }

    /// A setting by the name of its flag.
    pub fn with(mut self, flag: &str, value: &str) -> Self {
        let name = format!("--{flag}=");
        self.flags.retain(|given| !given.starts_with(&name));
        self.flags.push(name + value);
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Errors with these words in the log are what the test is about.
    pub fn expecting(mut self, words: &str) -> Self {
        self.expected.push(words.to_owned());
        self
    }

    pub fn start(self) -> TestServer {
        let below = self.below.clone().unwrap_or_else(place);
        let folder = TempDir::with_prefix_in("larder-it-", below).unwrap();
        let log = Arc::default();
        let mut server = TestServer { folder, settings: self, log, process: None };
        server.start_again();
        server
    }
}

/// A running server.
pub struct TestServer {
    folder: TempDir,
    settings: Builder,
    log: Arc<Mutex<String>>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    address: SocketAddr,
    greeting: String,
    reader: JoinHandle<()>,
}

impl TestServer {
    /// A server with the defaults, but that leases end at once and nothing happens by itself.
    pub fn start() -> Self {
        Self::swept_at_once().start()
    }

    /// Blobs are collected as soon as nobody holds them; sweeps come only when asked for.
    pub fn swept_at_once() -> Builder {
        Self::with("lease", "0").with("lease-grouping", "0")
    }

    pub fn with(flag: &str, value: &str) -> Builder {
        let quiet = Builder::default().with("sweep-period", "0").with("ballast", "0");
        quiet.with("reserve", "0").with("auth", "none").with(flag, value)
    }

    /// Where people log in: see [`super::people`].
    pub fn with_people() -> Builder {
        Self::swept_at_once().with("auth", "on")
    }

    pub fn get(&self, target: &str) -> Request {
        self.ask("GET", target)
    }

    pub fn head(&self, target: &str) -> Request {
        self.ask("HEAD", target)
    }

    pub fn put(&self, target: &str) -> Request {
        self.ask("PUT", target)
    }

    pub fn post(&self, target: &str) -> Request {
        self.ask("POST", target)
    }

    pub fn patch(&self, target: &str) -> Request {
        self.ask("PATCH", target)
    }

    pub fn delete(&self, target: &str) -> Request {
        self.ask("DELETE", target)
    }

    pub fn ask(&self, method: &str, target: &str) -> Request {
        Request::new(self.address(), method, target)
    }

    /// A file with this text is uploaded.
    #[track_caller]
    pub fn holds(&self, target: &str, content: impl Into<Vec<u8>>) {
        self.put(target).body(content).expect(201);
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    pub fn address(&self) -> SocketAddr {
        self.running().address
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address())
    }

    /// Everything that standard output said before the first request.
    pub fn greeting(&self) -> &str {
        &self.running().greeting
    }

    /// Where the data is.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A place beside the data for a test's own files.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Files of blobs on the disk, and their bytes.
    pub fn blob_files(&self) -> (usize, u64) {
        let files = files_below(&self.data().join("blobs"));
        let sizes = files.iter().map(|file| fs::metadata(file).map_or(0, |found| found.len()));
        (files.len(), sizes.sum())
    }

    /// Removes all files of blobs behind the server's back.
    pub fn lose_blob_files(&self) {
        for file in files_below(&self.data().join("blobs")) {
            fs::remove_file(file).unwrap();
        }
    }

    /// Files of uploads that are not committed.
    pub fn staged_files(&self) -> usize {
        files_below(&self.data().join("staging")).len()
    }

    /// What the server has written to its log, over restarts.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until no upload is unfinished; one that was refused goes just after its answer.
    pub fn has_nothing_staged(&self) {
        eventually("an empty staging", || (self.staged_files() == 0).then_some(()));
    }

    /// Waits for a line of the log with all of these words, and returns it.
    pub fn logs(&self, words: &[&str]) -> String {
        eventually(&format!("a line of the log with {words:?}"), || {
            let log = self.log();
            log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        })
    }

    /// The process.
    pub fn process_id(&self) -> u32 {
        self.running().child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.running().pid(), signal).unwrap();
    }

    /// Stops the server in order: SIGTERM, and it ends well.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{status}\n{}", self.log());
    }

    /// Waits until the process has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a running server");
        let status = eventually("the end of the server", || process.child.try_wait().unwrap());
        process.reader.join().unwrap();
        status
    }

    pub fn kill9(&mut self) {
        let mut process = self.process.take().expect("a running server");
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        process.reader.join().unwrap();
    }

    /// Stops the server in order and starts it again on the same data, on another port.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Starts the server that was stopped or killed, and waits for its first sweep.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        self.process = Some(Process::start(&self.settings, &self.data(), Arc::clone(&self.log)));
        let is_its_own = |run: &Value| {
            let began = run["started"].as_u64().map(u128::from);
            run["trigger"] == "startup" && began >= Some(started) && !run["ended"].is_null()
        };
        eventually("the sweep at the start", || self.sweeps().into_iter().find(is_its_own));
    }

    /// The same, at an address that others know.
    pub fn start_again_at(&mut self, address: &str) {
        self.settings = std::mem::take(&mut self.settings).with("listen", address);
        self.start_again();
    }

    /// Without a setting, from the next start on.
    pub fn forget(&mut self, flag: &str) {
        let name = format!("--{flag}=");
        self.settings.flags.retain(|given| !given.starts_with(&name));
    }

    /// Another value of a setting, from the next start on.
    pub fn change(&mut self, flag: &str, value: &str) {
        self.settings = std::mem::take(&mut self.settings).with(flag, value);
    }

    /// A command of `larder` on this server's data.
    pub fn command(&self, arguments: &[&str]) -> Outcome {
        let data = self.data();
        let data = data.to_str().expect("UTF-8");
        Outcome::of(larder(arguments).args(["--data", data]))
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("a running server")
    }

    /// What every test ends with: nothing staged, no error in the log, the house in order.
    fn look_behind(&self) {
        assert_eq!(self.staged_files(), 0, "files were left in staging");
        let log = self.log();
        let is_expected = |line: &str| self.settings.expected.iter().any(|e| line.contains(e));
        let is_bad = |line: &&str| line.contains(" ERROR ") || line.contains("panicked at");
        let bad: Vec<_> = log.lines().filter(is_bad).filter(|line| !is_expected(line)).collect();
        assert!(bad.is_empty(), "the log has errors:\n{}", bad.join("\n"));
        self.check();
    }

    fn check(&self) {
        self.command(&["check", "--hash"]).succeeds();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if self.process.is_some() {
                self.kill9();
            }
            eprintln!("the log of the server:\n{}", self.log());
            return;
        }
        if self.process.is_some() {
            self.stop();
        }
        self.look_behind();
    }
}

impl Process {
    fn start(settings: &Builder, data: &Path, log: Arc<Mutex<String>>) -> Self {
        let has_address = settings.flags.iter().any(|flag| flag.starts_with("--listen="));
        let address = (!has_address).then_some("--listen=127.0.0.1:0");
        let mut child = larder(&["serve"])
            .arg(format!("--data={}", data.display()))
            .args(address)
            .args(&settings.flags)
            .envs(settings.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be run");
        let said = child.stderr.take().unwrap();
        let reader = std::thread::spawn(move || keep(said, &log));
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        out.read_line(&mut greeting).unwrap();
        let address = greeting.trim_end().strip_prefix("listening on http://");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let status = child.wait();
            panic!("the server did not start ({status:?}), it said {greeting:?}");
        };
        for _ in 0..3 {
            out.read_line(&mut greeting).unwrap();
        }
        Self { child, address, greeting, reader }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

/// Reads the log until its end.
fn keep(said: impl Read, log: &Mutex<String>) {
    for line in BufReader::new(said).lines() {
        let Ok(line) = line else { return };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

/// Where data folders go: into memory when there is enough, which is much faster. A disk would
/// add nothing, but where a test cuts the power, and that brings its own.
pub fn place() -> PathBuf {
    const ROOM: u64 = 1 << 30;
    let memory = Path::new("/dev/shm");
    match rustix::fs::statvfs(memory) {
        Ok(found) if found.f_bavail.saturating_mul(found.f_frsize) >= ROOM => memory.to_owned(),
        _ => std::env::temp_dir(),
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
