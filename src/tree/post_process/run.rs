//! One run of the command: a process group of its own, which is gone when this returns.
//!
//! The group is killed on success too, for what the command left running could still write into
//! the folder. Its leader is not reaped before that, so its number cannot be another's.
//! Deliberately absent: limits of the process itself, which the command (or a service manager)
//! can set, and processes that left the group: they find their folder removed.

use std::io::{self, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::output::Output;
use super::{Failed, PostProcess, Problem};
use crate::tree::Error;

/// Time between two looks at the clock, the stop and the process.
const TICK: Duration = Duration::from_millis(50);
/// Time between two looks at the free space.
const SPACE_PERIOD: Duration = Duration::from_millis(500);

/// Runs the command in `folder` until it ends or has to.
pub(super) fn run(
    post: &PostProcess,
    folder: &Path,
    variables: &[(&str, String)],
    output: &mut Output,
    watch_space: &dyn Fn() -> Result<(), Error>,
) -> Result<(), Problem> {
    let command = &post.settings.command;
    let (mut said, group) = start(post, folder, variables).map_err(|source| {
        let command = command.to_string();
        Failed::Start { command, source }
    })?;
    let started = Instant::now();
    let mut space_seen = started;
    while !group.has_ended() {
        said.wait(output);
        post.is_stopping()?;
        if started.elapsed() > post.settings.time_max {
            said.drain(output);
            return Err(Failed::Timeout(post.settings.time_max).into());
        }
        if space_seen.elapsed() > SPACE_PERIOD {
            space_seen = Instant::now();
            watch_space()?;
        }
    }
    let status = group.end();
    said.drain(output);
    let status = status.map_err(Failed::io("wait for", command.program()))?;
    if status.success() { Ok(()) } else { Err(Failed::Ended(status).into()) }
}

fn start(
    post: &PostProcess,
    folder: &Path,
    variables: &[(&str, String)],
) -> io::Result<(Said, Group)> {
    let (reader, writer) = io::pipe()?;
    let line = &post.settings.command;
    let mut command = Command::new(line.program());
    command.args(line.arguments()).current_dir(folder).process_group(0);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn()?;
    // The command holds our ends of the pipe until it is dropped here.
    drop(command);
    Ok((Said { pipe: Some(reader) }, Group { child: Some(child) }))
}

/// The process group of the command; dropping it kills all of it.
struct Group {
    child: Option<Child>,
}

impl Group {
    /// Whether the leader has ended. It is not reaped.
    fn has_ended(&self) -> bool {
        let Some(child) = &self.child else { return true };
        let id = WaitId::Pid(Pid::from_child(child));
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(id, look) {
            Ok(found) => found.is_some(),
            Err(Errno::INTR) => false,
            // There is nobody to wait for.
            Err(_) => true,
        }
    }

    /// Kills what is left of the group, and tells how its leader ended.
    fn end(mut self) -> io::Result<ExitStatus> {
        self.kill().unwrap_or_else(|| Err(io::Error::other("it has ended before")))
    }

    fn kill(&mut self) -> Option<io::Result<ExitStatus>> {
        let mut child = self.child.take()?;
        // That there is none left is well.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        Some(child.wait())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.kill() {
            log::warn!("how a post process ended is not known: {error}");
        }
    }
}

/// What the command says; `None` once nobody can say anything.
struct Said {
    pipe: Option<PipeReader>,
}

impl Said {
    /// Waits a moment for more, and takes it in.
    fn wait(&mut self, output: &mut Output) {
        if self.pipe.is_some() {
            self.read(TICK, output);
        } else {
            // It closed its output, which most do by ending.
            std::thread::sleep(TICK / 10);
        }
    }

    /// Takes in what was said before, without waiting for whoever left the group.
    fn drain(&mut self, output: &mut Output) {
        let until = Instant::now() + TICK;
        while Instant::now() < until && self.read(Duration::ZERO, output) {}
        output.finish();
    }

    /// Tells whether there may be more.
    fn read(&mut self, wait: Duration, output: &mut Output) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&wait)) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        let mut bytes = [0; 8192];
        match pipe.read(&mut bytes) {
            Ok(0) | Err(_) => {
                self.pipe = None;
                false
            }
            Ok(length) => {
                output.take(bytes.get(..length).unwrap_or_default());
                true
            }
        }
    }
}
