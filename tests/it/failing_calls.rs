//! System calls that fail one by one under load: never a 201 for what is not there, and the
//! server goes on.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::load::{Load, rounds};
use crate::harness::needs::cannot;
use crate::harness::{TestServer, needs};

/// Calls to fail, each counted by thread: the first after some, and then now and again.
const FAULTS: [&str; 4] = [
    "fdatasync:error=EIO:when=3+9",
    "fsync:error=EIO:when=2+7",
    "pwrite64:error=ENOSPC:when=7+41",
    "pwrite64:error=EIO:when=9+43",
];

/// What lets calls fail, as long as it lives.
struct Tracer(Child);

impl Tracer {
    /// `None` when this machine does not let us look into another process.
    fn attach(server: &TestServer, fault: &str) -> Option<Self> {
        let (calls, _) = fault.split_once(':').unwrap();
        let mut child = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={fault}"), "-p", &server.process_id().to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        if line.contains("attached") {
            return Some(Self(child));
        }
        child.wait().unwrap();
        cannot(&format!("strace: {}", line.trim()));
        None
    }

    fn detach(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::INT).unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn calls_that_fail_cost_their_own_requests_and_nothing_that_was_acknowledged() {
    if needs("strace").is_none() {
        return;
    }
    let mut server = TestServer::swept_at_once().expecting(" ERROR ").start();
    let mut load = Load::new();
    for fault in FAULTS.iter().cycle().take(rounds(FAULTS.len())) {
        let Some(tracer) = Tracer::attach(&server, fault) else { return };
        let mut tracer = Some(tracer);
        load.work(&mut server, 150, |_| {
            tracer.take().unwrap().detach();
        });
        // It goes on without a restart …
        load.work(&mut server, 50, |_| {});
        load.verify(&server, &format!("{fault}, going on"));
        server.kill9();
        // … and what was acknowledged does not hang on the process.
        server.start_again();
        load.verify(&server, &format!("{fault}, started again"));
        assert_eq!(server.staged_files(), 0, "{fault}");
        server.command(&["check", "--hash"]).succeeds();
    }
    assert!(!server.log().contains("panicked at"), "{}", server.log());
}
