//! Post-processing: an operator's command that may change a format's files when its upload is
//! declared finished (spec dlrepo §16).
//!
//! The command works on copies in a folder of its own, so nobody sees files in the making and
//! nothing that it does can touch a blob. What it leaves is hashed into blobs (I1, I4) and takes
//! the place of the old files in one transaction (I5), unless the format was changed meanwhile:
//! then nothing is. The same holds when it fails, takes too long, or the server ends.
//! Deliberately absent: who may ask for it, and HTTP.

mod folder;
mod gather;
mod output;
mod run;
mod turns;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use super::{Error, Tree};
use crate::model::{CommandLine, Format, FormatPath, NamePattern};
use crate::stop::Stop;
use crate::store;
use crate::store::detached::Cause;

pub use folder::clear;
pub use turns::Turn;

use folder::Folder;
use turns::Turns;

/// How often a format whose files keep changing is looked at again before the client has to ask
/// again.
const TRIES: u32 = 5;

/// What post-processing is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is run.
    pub command: CommandLine,
    /// Only formats with a file whose path starts with a match; `None`: all of them.
    pub filter: Option<NamePattern>,
    /// How long one run may take.
    pub time_max: Duration,
    /// Runs at the same time.
    pub runs_max: usize,
    /// Most bytes of a run's output that are logged.
    pub output_bytes_max: u64,
    /// Work of one slice of a transaction (I7).
    pub slice: Duration,
    /// The data folder.
    pub data: PathBuf,
}

/// Why a post-process did not do what it should; as a sentence about the command.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The program is not there, or may not be run.
    #[error("{command} cannot be started: {source}; see the setting post_process.post_process")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// It said so itself.
    #[error("the command ended with {0}, its output is in the log above")]
    Ended(ExitStatus),
    /// It was killed.
    #[error(
        "the command did not end within {0:?} and was killed; the setting \
         post_process.post_process_timeout is that time"
    )]
    Timeout(Duration),
    /// It was killed, since the server ends.
    #[error("the server stops")]
    Stopped,
    /// It left something that is no file of a format.
    #[error("it left {path:?}, {what}")]
    Left {
        /// Where, in its folder.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// Its folder could not be made or read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Failed {
    /// For `map_err`: what was tried on which file.
    fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// How the upload of a format ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// No post-process is for it: its files are as they were.
    Unprocessed,
    /// It has to be post-processed first.
    NotYet,
}

/// The post-process of a server.
pub(super) struct PostProcess {
    settings: Settings,
    turns: Turns,
    stop: Stop,
}

impl PostProcess {
    fn is_stopping(&self) -> Result<(), Failed> {
        if self.stop.is_requested() { Err(Failed::Stopped) } else { Ok(()) }
    }
}

impl Tree {
    /// The same tree with a post-process, whose runs end when `stop` is requested.
    #[must_use]
    pub fn with_post_process(mut self, settings: Settings, stop: Stop) -> Self {
        let turns = Turns::new(settings.runs_max);
        self.post_process = Some(Arc::new(PostProcess { settings, turns, stop }));
        self
    }

    /// Whether there is a post-process at all.
    #[must_use]
    pub fn has_post_process(&self) -> bool {
        self.post_process.is_some()
    }

    /// Declares the upload of a format finished, unless it has to be post-processed. Reads the
    /// list of its files, so it is for a thread that may wait.
    ///
    /// # Errors
    /// [`Error::Store`] with the refusal; [`store::Error::Changed`] when uploads never pause.
    pub fn finish_format(&self, path: &FormatPath) -> Result<Finished, Error> {
        let Some(post) = &self.post_process else {
            self.store.finish_format(path.clone()).wait()?;
            return Ok(Finished::Unprocessed);
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let view = self.store.view()?;
            let base = view.format(path)?;
            if post.settings.is_for(&view, &base)? {
                return Ok(Finished::NotYet);
            }
            drop(view);
            match self.store.finish_unchanged_format(path.clone(), base).wait() {
                Err(store::Error::Changed(_)) if tries < TRIES => {}
                result => return Ok(result.map(|()| Finished::Unprocessed)?),
            }
        }
    }

    /// Waits until a format may be post-processed: one run for each format, and only so many in
    /// all. `None` without a post-process.
    pub async fn post_process_turn(&self, path: &FormatPath) -> Option<Turn> {
        let post = self.post_process.as_ref()?;
        Some(post.turns.take(path).await)
    }

    /// Post-processes a format and declares its upload finished: all of it or nothing. `url` is
    /// told to the command. It takes as long as the command does; `turn` goes with its end.
    ///
    /// # Errors
    /// [`Error::PostProcess`]; [`store::Error::Changed`] when somebody wrote to the format
    /// meanwhile; [`store::Error::JobLocked`].
    pub fn post_process(
        &self,
        path: &FormatPath,
        url: &str,
        cause: Cause,
        turn: Turn,
    ) -> Result<(), Error> {
        let Some(post) = &self.post_process else { return Ok(()) };
        let result = self.process(post, path, url, cause);
        drop(turn);
        result.map_err(|error| match error {
            Problem::Failed(why) => Error::PostProcess { path: path.to_string(), why },
            Problem::Tree(error) => error,
        })
    }

    fn process(
        &self,
        post: &PostProcess,
        path: &FormatPath,
        url: &str,
        cause: Cause,
    ) -> Result<(), Problem> {
        let view = self.store.view().map_err(Error::from)?;
        let base = view.format(path).map_err(Error::from)?;
        let is_locked = view.job(&path.job).map_err(Error::from)?.locked;
        drop(view);
        if is_locked && !self.store.is_internal(&path.format) {
            return Err(Error::from(store::Error::JobLocked).into());
        }
        let folder = Folder::make(&post.settings.data)?;
        self.copy_files(post, path, &base, &folder)?;
        let mut output = output::Output::new(path.to_string(), post.settings.output_bytes_max);
        let variables = [("LARDER_FORMAT", path.to_string()), ("LARDER_URL", url.to_owned())];
        let watch = || self.admit();
        run::run(post, folder.path(), &variables, &mut output, &watch)?;
        self.take_over(post, path, base, cause, &folder)
    }
}

impl Settings {
    fn is_for(&self, view: &store::View, format: &Format) -> Result<bool, store::Error> {
        let Some(filter) = &self.filter else { return Ok(true) };
        let mut found = false;
        view.each_file(format.id, |path, _| {
            found = filter.matches(path.as_str());
            Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }
}

/// What ends the work on a format: the command's fault, or anything else.
#[derive(Debug)]
enum Problem {
    Failed(Failed),
    Tree(Error),
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Tree(error.into())
    }
}
