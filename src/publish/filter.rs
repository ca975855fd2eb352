//! The filter command: asked for each target whether a tag goes there (spec dlrepo §12).
//!
//! It is given the target's address and runs in an empty folder of its own, since a tag has no
//! folder here: what it may want to know is in its environment.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::{Error, Settings};
use crate::model::{Repo, TagPath};

/// What the command said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The tag goes there.
    Goes,
    /// It does not.
    StaysAway,
}

/// Makes the folder in which the commands get theirs, and removes what a crash left in it.
///
/// # Errors
/// [`Error::Folder`].
pub(super) fn clear(folder: &Path) -> Result<(), Error> {
    let unusable = |source| Error::Folder { path: folder.to_owned(), source };
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unusable(error)),
        _ => Ok(()),
    }
}

/// Asks the command, if there is one. Exit code 0 is a yes, any other a no; a command that
/// cannot be run, that is killed or that takes longer than a request may has not answered.
///
/// # Errors
/// [`Error::Filter`], [`Error::Folder`].
pub(super) async fn ask(settings: &Settings, url: &str, path: &TagPath) -> Result<Verdict, Error> {
    let Some(command) = &settings.filter_command else { return Ok(Verdict::Goes) };
    let unanswered = |why: String| Error::Filter { url: url.to_owned(), why };
    let unusable = |source| Error::Folder { path: settings.folder.clone(), source };
    fs::create_dir_all(&settings.folder).map_err(unusable)?;
    let folder = tempfile::tempdir_in(&settings.folder).map_err(unusable)?;
    // It runs elsewhere, so a path that starts here would lead nowhere.
    let is_path = command.components().count() > 1;
    let found = if is_path { std::path::absolute(command) } else { Ok(command.clone()) };
    let mut asked = Command::new(found.map_err(unusable)?);
    asked.arg(url).current_dir(folder.path()).kill_on_drop(true);
    asked.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let owner = match &path.branch.repo {
        Repo::Shared => None,
        Repo::User(user) => Some(user.as_str()),
    };
    asked.env("LARDER_URL", url).env("LARDER_USER", owner.unwrap_or_default());
    asked.env("LARDER_BRANCH", path.branch.branch.as_str()).env("LARDER_TAG", path.tag.as_str());
    asked.env("LARDER_PATH", path.to_string());
    let mut child = asked.spawn().map_err(|error| unanswered(error.to_string()))?;
    let waited = tokio::time::timeout(settings.timeout, child.wait()).await;
    let late = || unanswered(format!("it was ended after {:?}", settings.timeout));
    let status = waited.map_err(|_| late())?.map_err(|error| unanswered(error.to_string()))?;
    match status.code() {
        Some(0) => Ok(Verdict::Goes),
        Some(_) => Ok(Verdict::StaysAway),
        None => Err(unanswered(status.to_string())),
    }
}
