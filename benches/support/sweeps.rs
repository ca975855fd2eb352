//! What the sweeper of a running server does and did, told by the server's own interface.
//!
//! Defends no invariant. Deliberately absent: a look into its memory; whoever measures sees what
//! an operator sees.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ask::ask_json;
use crate::figures::Failure;
use crate::servers::Server;

/// The setting `store.slice`.
pub const BOUND: Duration = Duration::from_millis(5);
const POLL: Duration = Duration::from_millis(20);
const SWEEP_MAX: Duration = Duration::from_secs(180);

/// One stage of a run.
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What went through its hands.
    pub items: u64,
    /// Its longest transaction.
    pub longest: Duration,
    /// The most work before a commit.
    pub longest_work: Duration,
    /// From its beginning to its end.
    pub took: Duration,
}

/// Polls what the sweeper does, `null` while it rests.
pub fn wait_until(server: &Server, is_so: impl Fn(&Value) -> bool) -> Result<(), Failure> {
    poll(server, "/-/sweeps?limit=1", |sweeps| is_so(&sweeps["running"]))
}

/// Waits until nothing is left to be destroyed.
pub fn wait_for_destruction(server: &Server) -> Result<(), Failure> {
    poll(server, "/-/stats", |stats| stats["backlog"]["destroy_entries"] == 0)
}

fn poll(server: &Server, path: &str, is_so: impl Fn(&Value) -> bool) -> Result<(), Failure> {
    let begin = Instant::now();
    while begin.elapsed() < SWEEP_MAX {
        if is_so(&ask_json(server.addr, path)?) {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    Err("the sweeper did not get there".into())
}

/// What begins a run when something is deleted.
pub const DELETE: &str = "delete";

/// The runs that `trigger` began with their stages, the newest run first.
pub fn runs(server: &Server, trigger: &str) -> Result<Vec<Vec<Stage>>, Failure> {
    let sweeps = ask_json(server.addr, "/-/sweeps")?;
    let runs = sweeps["sweeps"].as_array().ok_or("no list of sweeps")?;
    let triggered = runs.iter().filter(|run| run["trigger"] == trigger);
    let stages = |run: &Value| run["stages"].as_array().into_iter().flatten().map(stage).collect();
    Ok(triggered.map(stages).collect())
}

fn stage(stage: &Value) -> Stage {
    let micros = |name| Duration::from_micros(stage[name].as_u64().unwrap_or(0));
    Stage {
        name: stage["name"].as_str().unwrap_or_default().to_owned(),
        items: stage["items"].as_u64().unwrap_or(0),
        longest: micros("longest_us"),
        longest_work: micros("longest_work_us"),
        took: micros("took_us"),
    }
}
