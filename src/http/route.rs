//! Which thing a URL names and what may be asked of it: pure, no server needed.
//!
//! Defends I9: names are parsed here, so whoever authorises a [`Route`] and whoever stores under
//! it see the same canonical text. Methods and precedence follow the spec of dlrepo, appendix A,
//! with these deviations, all of them upwards: HEAD is answered wherever GET is (`Allow` still
//! says what dlrepo says below `/branches`); POST and DELETE apply directly whatever the
//! spelling; aliases are aliases in any case.
//! Deliberately absent: products, archives (`J.tar` and `F.tar` are kept
//! free for them and answer 404) and the question whether the thing exists.

use std::borrow::Cow;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::model::{
    ArtifactPath, BranchName, BranchPath, FormatName, JobName, NameError, Repo, TagName, TagRef,
    UserName,
};

/// What [`route`] makes of a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// A thing that could exist, and how the request spelled it.
    Found(Route, Spelling),
    /// 404 with this reason: nothing of that name can exist.
    NotFound(String),
    /// 400 with this reason.
    BadRequest(String),
    /// 405 with this `Allow` list, sorted; see [`render_allow`].
    MethodNotAllowed(&'static [&'static str]),
}

/// Whether a GET or HEAD is served where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Serve it.
    Canonical,
    /// Once the thing is known to exist, answer 302 to [`Route::canonical_path`]: the slash at
    /// the end is missing, or a name is in another case. Other methods apply directly.
    Variant,
}

/// A tag of a branch, or an alias of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagAt {
    /// The branch.
    pub branch: BranchPath,
    /// The tag.
    pub tag: TagRef,
}

/// A job of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAt {
    /// Where it is.
    pub parent: TagAt,
    /// Its name.
    pub job: JobName,
}

/// A format of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatAt {
    /// Where it is.
    pub parent: JobAt,
    /// Its name.
    pub format: FormatName,
}

/// The thing that a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/`
    Home,
    /// `/branches/` or `/~user/branches/`
    Branches(Repo),
    /// `B/`; served in place whatever its case.
    Branch(BranchPath),
    /// `B/T/`
    Tag(TagAt),
    /// `B/T/J/`; a GET without the slash is redirected.
    Job(JobAt),
    /// `B/T/J/F` without a slash: redirects to the only file or to the folder.
    Format(FormatAt),
    /// `B/T/J/F/`
    FormatFolder(FormatAt),
    /// `B/T/J/F.sha256`
    Sums(FormatAt),
    /// `B/T/J/F/{path}`; also where a folder is asked for without its slash, and `X.sha256`
    /// (see [`sums_of`]).
    Artifact(FormatAt, ArtifactPath),
    /// `B/T/J/F/{path}/`: the files below a folder.
    Folder(FormatAt, ArtifactPath),
    /// `/-/health`: the process answers.
    Health,
    /// `/-/ready`: the database answers.
    Ready,
    /// `/-/stats`
    Stats,
    /// `/-/publications`: what is wanted of tags on other servers, and how far it is.
    Publications,
    /// `/-/sweeps`: past runs; POST asks for one.
    Sweeps,
}

/// Reads a method and the path of a request target, still percent-encoded and without query.
/// It is split at `/` before each segment is decoded; `+` is a plus.
#[must_use]
pub fn route(method: &Method, raw_path: &str) -> Routed {
    match find(method, raw_path) {
        Ok((route, spelling)) => Routed::Found(route, spelling),
        Err(Refusal::Unknown(reason)) => Routed::NotFound(reason),
        Err(Refusal::Bad(reason)) => Routed::BadRequest(reason),
        Err(Refusal::Method(allow)) => Routed::MethodNotAllowed(allow),
    }
}

/// [`Routed`] without what is found.
enum Refusal {
    Unknown(String),
    Bad(String),
    Method(&'static [&'static str]),
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Impossible(_) => Self::Unknown(error.to_string()),
            NameError::TooLong(_) | NameError::Path { .. } => Self::Bad(error.to_string()),
        }
    }
}

fn find(method: &Method, raw_path: &str) -> Result<(Route, Spelling), Refusal> {
    let path = raw_path.strip_prefix('/').ok_or_else(unknown)?;
    let segments = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let (route, spelling) = match segments.as_slice() {
        [""] => (Route::Home, Spelling::Canonical),
        ["-", page] => (own_page(page)?, Spelling::Canonical),
        ["branches", below @ ..] => tree(method, Repo::Shared, below)?,
        [user, "branches", below @ ..] => {
            let name = user.strip_prefix('~').ok_or_else(unknown)?;
            let user = UserName::parse(name)?;
            let case = Spelling::Canonical.or_case(&[name]);
            let (route, spelling) = tree(method, Repo::User(user), below)?;
            (route, spelling.or(case))
        }
        _ => return Err(unknown()),
    };
    if route.accepts(method) { Ok((route, spelling)) } else { Err(Refusal::Method(route.allow())) }
}

fn own_page(page: &str) -> Result<Route, Refusal> {
    match page {
        "health" => Ok(Route::Health),
        "ready" => Ok(Route::Ready),
        "stats" => Ok(Route::Stats),
        "sweeps" => Ok(Route::Sweeps),
        "publications" => Ok(Route::Publications),
        _ => Err(unknown()),
    }
}

fn tree(method: &Method, repo: Repo, below: &[&str]) -> Result<(Route, Spelling), Refusal> {
    let slash = if below.last() == Some(&"") { Spelling::Canonical } else { Spelling::Variant };
    let (names, path) = below.split_at(below.len().min(4));
    match (names, path) {
        ([] | [""], _) => Ok((Route::Branches(repo), slash)),
        ([branch] | [branch, ""], _) => {
            Ok((Route::Branch(repo.branch(BranchName::parse(branch)?)), slash))
        }
        ([branch, tag] | [branch, tag, ""], _) => {
            let at = tag_at(repo, branch, tag)?;
            Ok((Route::Tag(at), slash.or_case(names)))
        }
        ([_, _, job], _) if job.strip_suffix(".tar").is_some() => Err(unknown()),
        ([branch, tag, job] | [branch, tag, job, ""], []) => {
            let at = job_at(repo, branch, tag, job)?;
            Ok((Route::Job(at), slash.or_case(names)))
        }
        ([branch, tag, job, format], []) => {
            let parent = job_at(repo, branch, tag, job)?;
            let route = without_slash(parent, format)?;
            Ok((route, Spelling::Canonical.or_case(names)))
        }
        ([branch, tag, job, format], path) => {
            let parent = job_at(repo, branch, tag, job)?;
            let at = FormatAt { parent, format: FormatName::parse(format)? };
            Ok((within(method, at, &path.join("/"))?, Spelling::Canonical.or_case(names)))
        }
        _ => Err(unknown()),
    }
}

fn without_slash(parent: JobAt, segment: &str) -> Result<Route, Refusal> {
    if segment.strip_suffix(".tar").is_some() {
        return Err(unknown());
    }
    match segment.strip_suffix(".sha256") {
        Some(name) => Ok(Route::Sums(FormatAt { parent, format: FormatName::parse(name)? })),
        None => Ok(Route::Format(FormatAt { parent, format: FormatName::parse(segment)? })),
    }
}

fn within(method: &Method, at: FormatAt, path: &str) -> Result<Route, Refusal> {
    let folder = path.strip_suffix('/').filter(|_| *method != Method::PUT);
    match (path, folder) {
        ("", _) => Ok(Route::FormatFolder(at)),
        (_, Some(folder)) => Ok(Route::Folder(at, ArtifactPath::parse(folder)?)),
        (path, None) => Ok(Route::Artifact(at, ArtifactPath::parse(path)?)),
    }
}

fn tag_at(repo: Repo, branch: &str, tag: &str) -> Result<TagAt, Refusal> {
    Ok(TagAt { branch: repo.branch(BranchName::parse(branch)?), tag: TagRef::parse(tag)? })
}

fn job_at(repo: Repo, branch: &str, tag: &str, job: &str) -> Result<JobAt, Refusal> {
    let parent = tag_at(repo, branch, tag)?;
    Ok(JobAt { parent, job: JobName::parse(job)? })
}

fn unknown() -> Refusal {
    Refusal::Unknown("Not Found".to_owned())
}

fn decode(segment: &str) -> Result<Cow<'_, str>, Refusal> {
    let refuse = |why| Refusal::Bad(format!("the path cannot be read: {segment:?} {why}"));
    let two_digits =
        |text: &str| text.len() >= 2 && text.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    if !segment.split('%').skip(1).all(two_digits) {
        return Err(refuse("has a % that two hex digits do not follow"));
    }
    percent_decode_str(segment).decode_utf8().map_err(|_| refuse("is not UTF-8"))
}

impl Spelling {
    /// A variant if either is one.
    fn or(self, other: Self) -> Self {
        if other == Self::Variant { other } else { self }
    }

    /// A variant if it is one already, or if one of the names is not in its canonical case.
    fn or_case(self, names: &[&str]) -> Self {
        if names.iter().any(|name| *name != name.to_lowercase()) { Self::Variant } else { self }
    }
}

impl Route {
    /// The tag, or alias, that this lies in or is.
    #[must_use]
    pub fn tag(&self) -> Option<&TagRef> {
        let at = match self {
            Self::Tag(at) => at,
            Self::Job(at) => &at.parent,
            Self::Format(at)
            | Self::FormatFolder(at)
            | Self::Sums(at)
            | Self::Artifact(at, _)
            | Self::Folder(at, _) => &at.parent.parent,
            _ => return None,
        };
        Some(&at.tag)
    }

    /// The same thing in the tag that an alias stands for.
    #[must_use]
    pub fn in_tag(mut self, tag: TagName) -> Self {
        let at = match &mut self {
            Self::Tag(at) => at,
            Self::Job(at) => &mut at.parent,
            Self::Format(at)
            | Self::FormatFolder(at)
            | Self::Sums(at)
            | Self::Artifact(at, _)
            | Self::Folder(at, _) => &mut at.parent.parent,
            _ => return self,
        };
        at.tag = TagRef::Named(tag);
        self
    }

    /// The one path of this thing, percent-encoded, as it goes into `Location`.
    #[must_use]
    pub fn canonical_path(&self) -> String {
        match self {
            Self::Home => "/".to_owned(),
            Self::Branches(repo) => branches_path(repo),
            Self::Branch(at) => format!("{}/", branch_path(at)),
            Self::Tag(at) => format!("{}/", at.path()),
            Self::Job(at) => format!("{}/", at.path()),
            Self::Format(at) => at.path(),
            Self::FormatFolder(at) => format!("{}/", at.path()),
            Self::Sums(at) => format!("{}.sha256", at.path()),
            Self::Artifact(at, path) => format!("{}/{}", at.path(), encode(path.as_str())),
            Self::Folder(at, path) => format!("{}/{}/", at.path(), encode(path.as_str())),
            Self::Health => "/-/health".to_owned(),
            Self::Ready => "/-/ready".to_owned(),
            Self::Stats => "/-/stats".to_owned(),
            Self::Sweeps => "/-/sweeps".to_owned(),
            Self::Publications => "/-/publications".to_owned(),
        }
    }

    /// The methods to name in `Allow`, sorted.
    #[must_use]
    pub fn allow(&self) -> &'static [&'static str] {
        if !matches!(self.tag(), None | Some(TagRef::Named(_))) {
            return self.allow_by_alias();
        }
        match self {
            Self::Home
            | Self::Health
            | Self::Ready
            | Self::Stats
            | Self::Publications
            | Self::Format(_)
            | Self::Folder(..) => &["GET", "HEAD"],
            Self::Sweeps => &["GET", "HEAD", "POST"],
            Self::Branches(_) | Self::Sums(_) => &["GET"],
            Self::Branch(_) | Self::Tag(_) => &["DELETE", "GET", "POST"],
            Self::Job(_) => &["DELETE", "GET", "PATCH", "POST", "PUT"],
            Self::FormatFolder(_) => &["DELETE", "GET", "HEAD", "PATCH"],
            Self::Artifact(..) => &["GET", "HEAD", "PUT"],
        }
    }

    /// Nothing is changed by way of an alias.
    fn allow_by_alias(&self) -> &'static [&'static str] {
        match self {
            Self::Tag(_) | Self::Format(_) | Self::Folder(..) => &["GET", "HEAD"],
            _ => &["GET"],
        }
    }

    /// HEAD is answered wherever GET is, and GET everywhere.
    fn accepts(&self, method: &Method) -> bool {
        *method == Method::HEAD || self.allow().contains(&method.as_str())
    }
}

fn branches_path(repo: &Repo) -> String {
    match repo {
        Repo::Shared => "/branches/".to_owned(),
        Repo::User(user) => format!("/~{}/branches/", encode(user.as_str())),
    }
}

fn branch_path(at: &BranchPath) -> String {
    format!("{}{}", branches_path(&at.repo), encode(at.branch.as_str()))
}

impl TagAt {
    fn path(&self) -> String {
        let tag = match &self.tag {
            TagRef::Named(name) => name.as_str(),
            TagRef::Latest => "latest",
            TagRef::Stable => "stable",
            TagRef::OldStable => "oldstable",
        };
        format!("{}/{}", branch_path(&self.branch), encode(tag))
    }
}

impl JobAt {
    fn path(&self) -> String {
        format!("{}/{}", self.parent.path(), encode(self.job.as_str()))
    }
}

impl FormatAt {
    fn path(&self) -> String {
        format!("{}/{}", self.parent.path(), encode(self.format.as_str()))
    }
}

/// The text of an `Allow` header.
#[must_use]
pub fn render_allow(allow: &[&str]) -> String {
    allow.join(",")
}

/// The file whose checksum `X.sha256` is, when no file of that name was uploaded.
#[must_use]
pub fn sums_of(path: &ArtifactPath) -> Option<ArtifactPath> {
    ArtifactPath::parse(path.as_str().strip_suffix(".sha256")?).ok()
}

/// Percent-encodes a name, or a path with its slashes, for use in a URL path.
#[must_use]
pub fn encode(text: &str) -> String {
    /// What RFC 3986 lets stand in a path, without the apostrophe, which HTML could end at.
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'!')
        .remove(b'$')
        .remove(b'&')
        .remove(b'(')
        .remove(b')')
        .remove(b'*')
        .remove(b'+')
        .remove(b',')
        .remove(b';')
        .remove(b'=')
        .remove(b':')
        .remove(b'@');
    utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests;
