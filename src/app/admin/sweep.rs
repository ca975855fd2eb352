//! `sweep`: a full run, by the server's thread or by a sweeper of our own, and its record.

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde::Serialize;

use super::text::{bytes, count};
use super::{Answer, Desk, Progress, Sweeping, Verdict};
use crate::app::Error;
use crate::model::{Run, Scope, StageReport, Trigger, Usage};
use crate::sweeper::{Handle, Status, Sweeper};

/// Time between two looks at how far a run is.
const LOOK: Duration = Duration::from_millis(100);
/// For [`Error::Stopped`] and [`Error::Broken`].
const WHAT: &str = "the sweep";

/// What to make of a clock that jumped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Remove nothing for a while.
    Watch,
    /// It is right now.
    Accept,
}

impl Desk<'_> {
    pub(super) fn sweep(&mut self, clock: Clock) -> Result<Answer, Error> {
        let run = match self.sweeping {
            Sweeping::Server(handle) => self.ask_for_run(handle, clock)?,
            Sweeping::Alone(settings) => {
                let sweeper = self.house.sweeper(settings, self.stop.clone())?;
                self.run_alone(sweeper, clock)?
            }
        };
        let is_fine = run.error_count == 0 && run.ended.is_some();
        let free = self.house.store().view()?.totals()?.free;
        Answer::new(Verdict::fine_if(is_fine), &Report { run, free })
    }

    fn ask_for_run(&mut self, handle: &Handle, clock: Clock) -> Result<Run, Error> {
        if clock == Clock::Accept {
            handle.accept_clock();
        }
        let ticket = handle.ask(Scope::Full, Trigger::Request);
        loop {
            if let Some(run) = handle.wait(ticket, LOOK) {
                return Ok(run);
            }
            self.check_stop(WHAT)?;
            (self.progress)(progress(&handle.status()));
        }
    }

    fn run_alone(&mut self, mut sweeper: Sweeper, clock: Clock) -> Result<Run, Error> {
        let handle = sweeper.handle();
        if clock == Clock::Accept {
            handle.accept_clock();
        }
        let (ended, run) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("sweeper".into());
        let thread =
            thread.spawn(move || _ = ended.send(sweeper.run(Scope::Full, Trigger::Request)));
        let thread =
            thread.map_err(|source| Error::Start { what: "the thread that sweeps", source })?;
        let run = loop {
            match run.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => (self.progress)(progress(&handle.status())),
                ended => break ended.map_err(|_| Error::Broken(WHAT)),
            }
        };
        // What broke it has been told above.
        let _ = thread.join();
        run
    }
}

/// Where the run is, or that it waits for the end of another one.
fn progress(status: &Status) -> Progress {
    let running = status.running.as_ref();
    let stage = running.map_or("begin", |running| running.stage);
    let waits = status.asked.is_some() && running.is_some();
    Progress {
        stage: if waits { format!("waiting for another run ({stage})") } else { stage.to_owned() },
        done: running.map_or(0, |running| running.items),
        of: None,
        bytes: running.map(|running| running.bytes),
    }
}

/// The record of a run as it is shown.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) run: Run,
    /// Blobs that nothing names and that are still there: their leases go on.
    pub(super) free: Usage,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run { id, started, ended, stages, errors, error_count, .. } = &self.run;
        match ended {
            Some(ended) => writeln!(f, "Sweep {} took {:.1?}.", id.0, ended.since(*started))?,
            None => writeln!(f, "Sweep {} was stopped before its end.", id.0)?,
        }
        for stage in stages {
            writeln!(f, "{}", StageLine(stage))?;
        }
        for error in errors {
            writeln!(f, "Failed: {error}")?;
        }
        let spelt_out = u64::try_from(errors.len()).unwrap_or(u64::MAX);
        if *error_count > spelt_out {
            writeln!(f, "And {} more failures.", error_count - spelt_out)?;
        }
        let freed = stages.iter().find(|stage| stage.name == "unlink");
        let (blobs, freed) = freed.map_or((0, 0), |stage| (stage.items, stage.bytes));
        write!(f, "{} came back, from {}.", bytes(freed), count(blobs, "blob"))?;
        let Usage { files: free, bytes: size } = self.free;
        if free > 0 {
            let free = count(free, "blob");
            write!(f, " {free} of {} may go later, as leases and readers end.", bytes(size))?;
        }
        Ok(())
    }
}

struct StageLine<'s>(&'s StageReport);

impl fmt::Display for StageLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StageReport { name, items, slices, longest_us, took_us, .. } = self.0;
        let things = count(*items, thing(name));
        let took = Duration::from_micros(*took_us);
        write!(f, "  {name:<9} {things:<18} in {took:.1?}")?;
        if *slices > 0 {
            let longest = Duration::from_micros(*longest_us);
            write!(f, ", {}, the longest {longest:.1?}", count(*slices, "transaction"))?;
        }
        Ok(())
    }
}

/// What a stage counts.
fn thing(stage: &str) -> &'static str {
    match stage {
        "expire" => "note",
        "policies" => "tag",
        "package-policies" => "file",
        "destroy" => "reference",
        "collect" | "unlink" => "blob",
        _ => "row",
    }
}
