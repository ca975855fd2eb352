//! Watching the sweeper through `/-/sweeps`.

use serde_json::{Value, json};

use super::{TestServer, eventually};

impl TestServer {
    /// All runs that are shown, newest first.
    pub fn sweeps(&self) -> Vec<Value> {
        let page = self.as_admin(self.get("/-/sweeps?limit=1000")).expect(200).json();
        page["sweeps"].as_array().expect("a list").clone()
    }

    /// Asks for a full sweep and waits until it has ended. Returns its record.
    pub fn sweep_and_wait(&self) -> Value {
        let before = self.sweeps().len();
        let ask = self.post("/-/sweeps").json(&json!({"scope": "full"}));
        self.as_admin(ask).expect(202);
        self.wait_for_sweep(before, "full", "request")
    }

    /// Waits until a run of this scope and trigger has ended, not counting the `before` oldest.
    pub fn wait_for_sweep(&self, before: usize, scope: &str, trigger: &str) -> Value {
        let wanted = |run: &Value| {
            run["scope"] == scope && run["trigger"] == trigger && !run["ended"].is_null()
        };
        eventually(&format!("a {scope} sweep, asked by {trigger}"), || {
            let runs = self.sweeps();
            let new = runs.len() - before;
            runs.into_iter().take(new).find(wanted)
        })
    }
}

/// What a stage of a run did: things and bytes. Nothing, if the run has no such stage.
pub fn done(run: &Value, stage: &str) -> (u64, u64) {
    let stages = run["stages"].as_array().expect("stages");
    let found = stages.iter().find(|report| report["name"] == stage);
    let figure = |name: &str| found.and_then(|report| report[name].as_u64()).unwrap_or(0);
    (figure("items"), figure("bytes"))
}
