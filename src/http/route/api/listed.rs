//! Packages and their files by number, and lists of them (spec gitlab §3.2).
//!
//! What the clients of a format ask for is named otherwise, and is not here. A number that is none
//! is `None`, so that the answer has the form of the API.

use super::{GroupAt, ProjectAt, number};
use crate::model::{PackageFileId, PackageId};

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedRoute {
    /// `groups/:id/packages`
    OfGroup(GroupAt),
    /// `projects/:id/packages`
    OfProject(ProjectAt),
    /// `projects/:id/packages/:package_id`, and below.
    Package(ProjectAt, Option<PackageId>, OfPackage),
}

/// A part of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfPackage {
    /// The package itself.
    Whole,
    /// `…/pipelines`
    Pipelines,
    /// `…/package_files`
    Files,
    /// `…/package_files/:package_file_id`
    File(Option<PackageFileId>),
    /// `…/package_files/:package_file_id/download`
    Download(Option<PackageFileId>),
}

/// Reads what is below `projects/:id/`. A package that a word names is none of these.
pub(super) fn of_project(at: &ProjectAt, below: &[&str]) -> Option<ListedRoute> {
    let ["packages", below @ ..] = below else { return None };
    let [id, below @ ..] = below else { return Some(ListedRoute::OfProject(at.clone())) };
    if !id.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let file = |id: &str| number(id).map(PackageFileId);
    let part = match below {
        [] => OfPackage::Whole,
        ["pipelines"] => OfPackage::Pipelines,
        ["package_files"] => OfPackage::Files,
        ["package_files", id] => OfPackage::File(file(id)),
        ["package_files", id, "download"] => OfPackage::Download(file(id)),
        _ => return None,
    };
    Some(ListedRoute::Package(at.clone(), number(id).map(PackageId), part))
}

impl ListedRoute {
    pub(super) fn below(&self) -> String {
        match self {
            Self::OfGroup(at) => format!("groups/{}/packages", at.segment()),
            Self::OfProject(at) => format!("projects/{}/packages", at.segment()),
            Self::Package(at, id, part) => {
                let package = numbered(id.map(|id| id.0));
                format!("projects/{}/packages/{package}{}", at.segment(), part.below())
            }
        }
    }

    pub(super) fn allow(&self) -> &'static [&'static str] {
        match self {
            Self::OfGroup(_) | Self::OfProject(_) => &["GET", "HEAD"],
            Self::Package(_, _, part) => part.allow(),
        }
    }
}

impl OfPackage {
    fn below(self) -> String {
        let file = |id: Option<PackageFileId>| numbered(id.map(|id| id.0));
        match self {
            Self::Whole => String::new(),
            Self::Pipelines => "/pipelines".to_owned(),
            Self::Files => "/package_files".to_owned(),
            Self::File(id) => format!("/package_files/{}", file(id)),
            Self::Download(id) => format!("/package_files/{}/download", file(id)),
        }
    }

    fn allow(self) -> &'static [&'static str] {
        match self {
            Self::Whole => &["DELETE", "GET", "HEAD"],
            Self::File(_) => &["DELETE"],
            Self::Pipelines | Self::Files | Self::Download(_) => &["GET", "HEAD"],
        }
    }
}

fn numbered(id: Option<u64>) -> String {
    // No number begins so, and no word of a format.
    id.map_or_else(|| "0-".to_owned(), |id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProjectId;

    fn read(below: &[&str]) -> Option<ListedRoute> {
        of_project(&ProjectAt::Id(ProjectId(1)), below)
    }

    #[test]
    fn numbers_are_told_from_formats() {
        let package = |id, part| ListedRoute::Package(ProjectAt::Id(ProjectId(1)), id, part);
        let two = Some(PackageId(2));
        assert_eq!(read(&["packages"]), Some(ListedRoute::OfProject(ProjectAt::Id(ProjectId(1)))));
        for (below, wanted) in [
            (vec!["2"], Some(package(two, OfPackage::Whole))),
            (vec!["2x"], Some(package(None, OfPackage::Whole))),
            (vec!["2", "pipelines"], Some(package(two, OfPackage::Pipelines))),
            (vec!["2", "package_files"], Some(package(two, OfPackage::Files))),
            (
                vec!["2", "package_files", "7"],
                Some(package(two, OfPackage::File(Some(PackageFileId(7))))),
            ),
            (
                vec!["2", "package_files", "x", "download"],
                Some(package(two, OfPackage::Download(None))),
            ),
            (vec!["2", "nothing"], None),
            (vec!["npm"], None),
            (vec!["generic", "a", "1", "f"], None),
            (vec!["protection", "rules"], None),
        ] {
            let below = [vec!["packages"], below].concat();
            assert_eq!(read(&below), wanted, "{below:?}");
        }
    }

    #[test]
    fn canonical_paths_lead_back() {
        for path in [
            "projects/1/packages",
            "projects/1/packages/2",
            "projects/1/packages/2/pipelines",
            "projects/1/packages/2/package_files",
            "projects/1/packages/2/package_files/3",
            "projects/1/packages/2/package_files/3/download",
        ] {
            let segments: Vec<_> = path.split('/').skip(2).collect();
            assert_eq!(read(&segments).unwrap().below(), path);
        }
    }
}
