//! Addresses of things on a target: every name percent-encoded, so that `#`, `?` and `%` in one
//! arrive as they are (dlrepo sends them as they are, and fails; spec §12).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::{FilePath, FormatPath, JobPath, Repo, TagPath};

/// What RFC 3986 calls unreserved stays, and the slashes of a file's path.
const KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

fn encode(name: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name, KEPT)
}

/// `/branches/B/T/`, below `/~user` in a user's repository.
pub(super) fn tag(path: &TagPath) -> String {
    let repo = match &path.branch.repo {
        Repo::Shared => String::new(),
        Repo::User(user) => format!("/~{}", encode(user.as_str())),
    };
    let (branch, tag) = (path.branch.branch.as_str(), path.tag.as_str());
    format!("{repo}/branches/{}/{}/", encode(branch), encode(tag))
}

/// `…/J/`
pub(super) fn job(path: &JobPath) -> String {
    format!("{}{}/", tag(&path.tag), encode(path.job.as_str()))
}

/// `…/F/`
pub(super) fn format(path: &FormatPath) -> String {
    format!("{}{}/", job(&path.job), encode(path.format.as_str()))
}

/// `…/F/{path}`
pub(super) fn file(path: &FilePath) -> String {
    format!("{}{}", format(&path.format), encode(path.path.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ArtifactPath, BranchName, FormatName, JobName, TagName, UserName};

    #[test]
    fn names_arrive_as_they_are() {
        let user = Repo::User(UserName::parse("zoë").unwrap());
        let tag = user.branch(BranchName::parse("a b").unwrap());
        let tag = tag.tag(TagName::parse("50%").unwrap());
        let format =
            tag.job(JobName::parse("j#").unwrap()).format(FormatName::parse("f?").unwrap());
        let path = format.file(ArtifactPath::parse("Sub dir/a+b#c?d%e&;ü.txt").unwrap());
        assert_eq!(
            file(&path),
            "/~zo%C3%AB/branches/a%20b/50%25/j%23/f%3F/Sub%20dir/a%2Bb%23c%3Fd%25e%26%3B%C3%BC.txt"
        );
    }
}
