//! The URLs that clients of packages use, below `/api/v4/` (spec gitlab §4 to §7): which format,
//! at which level, and which thing of it.
//!
//! Defends I9 and the disk: a path is split before its segments are decoded, and a segment that
//! could lead elsewhere (`..`, a backslash, a control character, nothing at all) is refused here
//! for all formats. The segments are told as they are otherwise: each format has a grammar of its
//! own, and refuses in its own words what does not fit it. An encoded slash makes no difference in
//! a name of npm, as its clients want it, and in a name on the simple index.
//! Deliberately absent: whether anything is there, who may do what, and those grammars.

use super::api::{GroupAt, ProjectAt};
use super::{Refusal, Route, encode, encode_segment, unknown};
use crate::model::{GroupPath, PackageId};

/// A thing of a format, and where it is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagesRoute {
    /// The level.
    pub at: PackagesAt,
    /// What of it.
    pub what: PackagesThing,
}

/// Where packages are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackagesAt {
    /// In all projects.
    Instance,
    /// In the projects of a group and of those below.
    Group(GroupAt),
    /// In one project.
    Project(ProjectAt),
}

/// What is asked for; all texts are decoded and neither empty nor checked further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackagesThing {
    /// `generic/:name/:version/[*path/]:file`
    Generic {
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// The folders that the file is in, outermost first.
        path: Vec<String>,
        /// The file's last name.
        file: String,
    },
    /// `npm/…`
    Npm(NpmThing),
    /// `maven/*path/:file`
    Maven {
        /// The folders, at least one.
        path: Vec<String>,
        /// The file.
        file: String,
    },
    /// `pypi/…`
    Pypi(PypiThing),
}

/// What clients of npm ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NpmThing {
    /// `:name`: all about a package, and where it is published.
    Package(String),
    /// `:name/-/:file`
    Tarball {
        /// The package.
        name: String,
        /// The file, which has the scope's slash in it if there is one.
        file: String,
    },
    /// `-/package/:name/dist-tags`
    Tags(String),
    /// `-/package/:name/dist-tags/:tag`
    Tag {
        /// The package.
        name: String,
        /// The tag.
        tag: String,
    },
    /// `-/ping`
    Ping,
    /// `-/whoami`
    Whoami,
    /// `-/user/:user`: `npm login`, where user is `org.couchdb.user:` and a login.
    Login(String),
    /// `-/user/token/:token`: `npm logout`.
    Logout(String),
    /// `:name/-rev/:revision` and `:name/-/:file/-rev/:revision`: `npm unpublish`.
    Unpublish(String),
    /// `-/npm/v1/security/advisories/bulk`
    BulkAudit,
    /// `-/npm/v1/security/audits` and `…/audits/quick`
    Audit,
}

/// What clients of `PyPI` ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PypiThing {
    /// The URL that is uploaded to.
    Upload,
    /// `simple`: all names.
    Index,
    /// `simple/:name`: all files of a name.
    Project(String),
    /// `files/:sha256/*file`
    File {
        /// What the link says.
        sha256: String,
        /// The file's name.
        file: String,
    },
}

/// Reads the path of a project, as decoded segments, and the number of one of its packages.
pub(super) fn page(at: &[&str], id: &str) -> Result<Route, Refusal> {
    let is_split = at.iter().all(|name| !name.contains('/'));
    let path = GroupPath::parse(&at.join("/")).ok().filter(|_| is_split);
    let is_number = id.bytes().all(|digit| digit.is_ascii_digit());
    let id = id.parse().ok().filter(|_| is_number);
    let (path, id) = path.zip(id).ok_or_else(unknown)?;
    Ok(Route::PackagePage(path, PackageId(id)))
}

/// Reads the decoded segments below `/api/v4/`; `None`: they are not of packages' clients.
pub(super) fn packages(below: &[&str]) -> Result<Option<PackagesRoute>, Refusal> {
    let (at, format, rest) = match below {
        ["packages", format, rest @ ..] => (PackagesAt::Instance, *format, rest),
        ["groups", id, "-", "packages", format, rest @ ..] => {
            (PackagesAt::Group(GroupAt::read(id)), *format, rest)
        }
        ["projects", id, "packages", format, rest @ ..] => {
            (PackagesAt::Project(ProjectAt::read(id)), *format, rest)
        }
        _ => return Ok(None),
    };
    let is_project = matches!(at, PackagesAt::Project(_));
    let what = match format {
        "generic" if is_project => generic(rest),
        "npm" => npm(rest).map(PackagesThing::Npm),
        "maven" => maven(rest),
        "pypi" if at != PackagesAt::Instance => pypi(rest).map(PackagesThing::Pypi),
        _ => return Ok(None),
    };
    rest.iter().try_for_each(|segment| check(segment))?;
    // What is published belongs to one project.
    let what = what.filter(|what| is_project || !what.is_of_projects());
    Ok(what.map(|what| PackagesRoute { at, what }))
}

/// No part of a path may lead elsewhere, whoever takes it for one.
fn check(segment: &str) -> Result<(), Refusal> {
    let is_odd = |part: &str| matches!(part, "" | "." | "..");
    let has_odd = |one: char| one == '\\' || one.is_control();
    if segment.split('/').any(is_odd) || segment.contains(has_odd) {
        return Err(Refusal::Bad(format!(
            "{segment:?} in the path is no part of a name: nothing empty, no . or .., no \
             backslash and no control characters"
        )));
    }
    Ok(())
}

fn generic(rest: &[&str]) -> Option<PackagesThing> {
    let [name, version, path @ .., file] = rest else { return None };
    let text = |text: &str| text.to_owned();
    Some(PackagesThing::Generic {
        name: text(name),
        version: text(version),
        path: path.iter().map(|part| text(part)).collect(),
        file: text(file),
    })
}

fn maven(rest: &[&str]) -> Option<PackagesThing> {
    let [path @ .., file] = rest else { return None };
    let path: Vec<_> = path.iter().map(|part| (*part).to_owned()).collect();
    (!path.is_empty()).then(|| PackagesThing::Maven { path, file: (*file).to_owned() })
}

fn npm(rest: &[&str]) -> Option<NpmThing> {
    let joined = |parts: &[&str]| (!parts.is_empty()).then(|| parts.join("/"));
    Some(match rest {
        ["-", own @ ..] => match own {
            ["ping"] => NpmThing::Ping,
            ["whoami"] => NpmThing::Whoami,
            ["user", "token", token] => NpmThing::Logout((*token).to_owned()),
            ["user", user] => NpmThing::Login((*user).to_owned()),
            ["npm", "v1", "security", "advisories", "bulk"] => NpmThing::BulkAudit,
            ["npm", "v1", "security", "audits"] | ["npm", "v1", "security", "audits", "quick"] => {
                NpmThing::Audit
            }
            ["package", name @ .., "dist-tags"] => NpmThing::Tags(joined(name)?),
            ["package", name @ .., "dist-tags", tag] => {
                NpmThing::Tag { name: joined(name)?, tag: (*tag).to_owned() }
            }
            _ => return None,
        },
        [.., "-rev", _] => NpmThing::Unpublish(joined(rest)?),
        rest => match rest.iter().position(|part| *part == "-") {
            Some(at) => {
                let (name, file) = (joined(&rest[..at])?, joined(&rest[at + 1..])?);
                NpmThing::Tarball { name, file }
            }
            None => NpmThing::Package(joined(rest)?),
        },
    })
}

fn pypi(rest: &[&str]) -> Option<PypiThing> {
    Some(match rest {
        [] => PypiThing::Upload,
        ["simple"] => PypiThing::Index,
        ["simple", name @ ..] => PypiThing::Project(name.join("/")),
        ["files", sha256, file @ ..] if !file.is_empty() => {
            PypiThing::File { sha256: (*sha256).to_owned(), file: file.join("/") }
        }
        _ => return None,
    })
}

impl PackagesThing {
    /// Whether there is such a thing in one project alone.
    fn is_of_projects(&self) -> bool {
        matches!(self, Self::Generic { .. } | Self::Pypi(PypiThing::Upload))
    }

    /// Percent-encoded, with its format.
    fn below(&self) -> String {
        match self {
            Self::Generic { name, version, path, file } => {
                let folders: String = path.iter().map(|part| encode_segment(part) + "/").collect();
                let (name, version) = (encode_segment(name), encode_segment(version));
                format!("generic/{name}/{version}/{folders}{}", encode_segment(file))
            }
            Self::Maven { path, file } => {
                let folders: String = path.iter().map(|part| encode_segment(part) + "/").collect();
                format!("maven/{folders}{}", encode_segment(file))
            }
            Self::Npm(thing) => format!("npm/{}", thing.below()),
            Self::Pypi(thing) => format!("pypi{}", thing.below()),
        }
    }
}

impl NpmThing {
    fn below(&self) -> String {
        match self {
            Self::Package(name) => encode(name),
            Self::Tarball { name, file } => format!("{}/-/{}", encode(name), encode(file)),
            Self::Tags(name) => format!("-/package/{}/dist-tags", encode(name)),
            Self::Tag { name, tag } => {
                format!("-/package/{}/dist-tags/{}", encode(name), encode_segment(tag))
            }
            Self::Ping => "-/ping".to_owned(),
            Self::Whoami => "-/whoami".to_owned(),
            Self::Login(user) => format!("-/user/{}", encode_segment(user)),
            Self::Logout(token) => format!("-/user/token/{}", encode_segment(token)),
            Self::Unpublish(path) => encode(path),
            Self::BulkAudit => "-/npm/v1/security/advisories/bulk".to_owned(),
            Self::Audit => "-/npm/v1/security/audits/quick".to_owned(),
        }
    }
}

impl PypiThing {
    fn below(&self) -> String {
        match self {
            Self::Upload => String::new(),
            Self::Index => "/simple".to_owned(),
            Self::Project(name) => format!("/simple/{}", encode(name)),
            Self::File { sha256, file } => {
                format!("/files/{}/{}", encode_segment(sha256), encode(file))
            }
        }
    }
}

impl PackagesRoute {
    /// Without what all URLs of the API begin with.
    pub(super) fn below(&self) -> String {
        let below = self.what.below();
        match &self.at {
            PackagesAt::Instance => format!("packages/{below}"),
            PackagesAt::Group(at) => format!("groups/{}/-/packages/{below}", at.segment()),
            PackagesAt::Project(at) => format!("projects/{}/packages/{below}", at.segment()),
        }
    }

    pub(super) fn allow(&self) -> &'static [&'static str] {
        let is_project = matches!(self.at, PackagesAt::Project(_));
        match &self.what {
            PackagesThing::Generic { .. } => &["GET", "HEAD", "PUT"],
            PackagesThing::Maven { .. } | PackagesThing::Npm(NpmThing::Package(_))
                if is_project =>
            {
                &["GET", "HEAD", "PUT"]
            }
            PackagesThing::Maven { .. }
            | PackagesThing::Npm(
                NpmThing::Package(_)
                | NpmThing::Tarball { .. }
                | NpmThing::Tags(_)
                | NpmThing::Ping
                | NpmThing::Whoami,
            )
            | PackagesThing::Pypi(
                PypiThing::Index | PypiThing::Project(_) | PypiThing::File { .. },
            ) => &["GET", "HEAD"],
            PackagesThing::Npm(NpmThing::Tag { .. } | NpmThing::Unpublish(_)) => &["DELETE", "PUT"],
            PackagesThing::Npm(NpmThing::Login(_)) => &["PUT"],
            PackagesThing::Npm(NpmThing::Logout(_)) => &["DELETE"],
            PackagesThing::Npm(NpmThing::BulkAudit | NpmThing::Audit)
            | PackagesThing::Pypi(PypiThing::Upload) => &["POST"],
        }
    }
}

/// Whether a path, still percent-encoded, is one that clients of packages use: there they may say
/// who they are as each of them does, and are asked to.
#[must_use]
pub fn is_packages(raw_path: &str) -> bool {
    let decoded = |segment| percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
    let segments: Vec<_> = raw_path.split('/').map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let ["", "api", "v4", below @ ..] = segments.as_slice() else { return false };
    let format = match below {
        ["packages", format, ..]
        | ["groups", _, "-", "packages", format, ..]
        | ["projects", _, "packages", format, ..] => *format,
        _ => return false,
    };
    matches!(format, "generic" | "npm" | "maven" | "pypi")
}

/// Whether a request there only asks, whatever its method: npm's questions about what is known of
/// packages come as POST.
#[must_use]
pub fn asks_of_packages(raw_path: &str) -> bool {
    raw_path.contains("/packages/npm/-/npm/v1/security/") && is_packages(raw_path)
}

#[cfg(test)]
mod tests;
