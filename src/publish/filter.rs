//! The filter command: asked for each target whether a tag goes there (spec dlrepo §12).
//!
//! It is given the target's address and runs in an empty folder of its own, since a tag has no
//! folder here: what it may want to know is in its environment.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
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
    asked.arg(url).current_dir(folder.path()).kill_on_drop(true).process_group(0);
    asked.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let owner = match &path.branch.repo {
        Repo::Shared => None,
        Repo::User(user) => Some(user.as_str()),
    };
    asked.env("LARDER_URL", url).env("LARDER_USER", owner.unwrap_or_default());
    asked.env("LARDER_BRANCH", path.branch.branch.as_str()).env("LARDER_TAG", path.tag.as_str());
    asked.env("LARDER_PATH", path.to_string());
    let mut child = asked.spawn().map_err(|error| unanswered(error.to_string()))?;
    let mut group = Group(child.id());
    let waited = tokio::time::timeout(settings.timeout, child.wait()).await;
    let late =
        || unanswered(format!("it was ended after {:?} (publish.timeout)", settings.timeout));
    let waited = waited.map_err(|_| late())?;
    // Its number can be another's from now on.
    group.0 = None;
    let status = waited.map_err(|error| unanswered(error.to_string()))?;
    match status.code() {
        Some(0) => Ok(Verdict::Goes),
        Some(_) => Ok(Verdict::StaysAway),
        None => Err(unanswered(status.to_string())),
    }
}

/// The process group of a command that is not waited for any longer: a script that is killed alone
/// leaves what it started running.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // That there is none left is well.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;
    use crate::model::{BranchName, TagName, UserName};

    fn settings(folder: &Path, script: Option<&str>) -> Settings {
        let command = script.map(|script| {
            let path = folder.join("command");
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        });
        Settings {
            urls: Vec::new(),
            auth_file: None,
            filter_command: command,
            timeout: Duration::from_secs(20),
            requests_max: 1,
            ca_file: None,
            retry_first: Duration::ZERO,
            folder: folder.join("private"),
            stop_time_max: Duration::ZERO,
        }
    }

    fn tag() -> TagPath {
        let repo = Repo::User(UserName::parse("eve").unwrap());
        repo.branch(BranchName::parse("b").unwrap()).tag(TagName::parse("t t").unwrap())
    }

    #[tokio::test]
    async fn exit_codes_are_answers_and_anything_else_is_none() {
        let folder = tempfile::tempdir().unwrap();
        for (script, said) in [
            (None, Ok(Verdict::Goes)),
            (Some("exit 0"), Ok(Verdict::Goes)),
            (Some("exit 1"), Ok(Verdict::StaysAway)),
            (Some("exit 77"), Ok(Verdict::StaysAway)),
            (
                Some("[ \"$LARDER_USER $LARDER_BRANCH $LARDER_TAG\" = 'eve b t t' ]"),
                Ok(Verdict::Goes),
            ),
            (Some("[ \"$LARDER_PATH\" = '/~eve/branches/b/t t/' ]"), Ok(Verdict::Goes)),
            (Some("[ \"$1 $LARDER_URL $#\" = 'http://a http://a 1' ]"), Ok(Verdict::Goes)),
            (Some("touch x && [ \"$(ls)\" = x ]"), Ok(Verdict::Goes)),
            (Some("kill -9 $$"), Err("did not answer for http://a: signal: 9")),
        ] {
            let answer = ask(&settings(folder.path(), script), "http://a", &tag()).await;
            match (answer, said) {
                (Ok(verdict), Ok(expected)) => assert_eq!(verdict, expected, "{script:?}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (answer, said) => panic!("{script:?}: {answer:?} instead of {said:?}"),
            }
        }
        // Not a test of its own: a script cannot be run while another thread, about to start a
        // program, still holds it open for writing.
        hangs_or_is_not_there(folder.path()).await;
        let left = fs::read_dir(folder.path().join("private")).unwrap().count();
        assert_eq!(left, 0, "each folder went with its command");
        clear(&folder.path().join("private")).unwrap();
        clear(&folder.path().join("private")).unwrap();
        assert!(!folder.path().join("private").exists());
    }

    async fn takes_its_children_with_it(folder: &Path) {
        let (said, late) = (folder.join("said"), Duration::from_secs(2));
        let script = format!("(sleep 3; touch {}) &\nwait", said.display());
        let slow = Settings { timeout: late, ..settings(folder, Some(&script)) };
        ask(&slow, "http://a", &tag()).await.unwrap_err();
        tokio::time::sleep(late).await;
        assert!(!said.exists(), "what the script had started went on");
    }

    async fn hangs_or_is_not_there(folder: &Path) {
        let slow = Settings {
            timeout: Duration::from_millis(50),
            ..settings(folder, Some("exec sleep 100"))
        };
        let error = ask(&slow, "http://a", &tag()).await.unwrap_err();
        assert!(error.to_string().contains("it was ended after 50ms"), "{error}");
        takes_its_children_with_it(folder).await;
        let absent =
            Settings { filter_command: Some("/no/such/command".into()), ..settings(folder, None) };
        let error = ask(&absent, "http://a", &tag()).await.unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }
}
