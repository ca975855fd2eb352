//! How URLs of the API name a project, and what governs: a group or a project, whose people and
//! tokens are asked for by the same paths (spec gitlab §1.10, §9).
//!
//! A project is named as a group is: by its number or by its full path in one segment. Defends I9:
//! a path becomes a [`GroupPath`] here.

use super::{ApiRoute, GroupAt, number};
use crate::model::{DeployTokenId, GroupPath, ProjectId, UserNumber};

/// How a URL names a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectAt {
    /// By its number.
    Id(ProjectId),
    /// By its full path: that of its group, if it is in one, and its own name.
    Path(GroupPath),
    /// By what no project can be called.
    Impossible,
}

/// A group or a project, named by a URL: what people and tokens belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GovernedAt {
    /// `groups/:id`
    Group(GroupAt),
    /// `projects/:id`
    Project(ProjectAt),
}

impl ProjectAt {
    /// Reads what stands for a project.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match GroupAt::read(text) {
            GroupAt::Id(id) => Self::Id(ProjectId(id.0)),
            GroupAt::Path(path) => Self::Path(path),
            GroupAt::Impossible => Self::Impossible,
        }
    }

    /// The segment of a URL that reads as this.
    #[must_use]
    pub fn segment(&self) -> String {
        match self {
            Self::Id(id) => id.0.to_string(),
            Self::Path(path) => GroupAt::Path(path.clone()).segment(),
            Self::Impossible => GroupAt::Impossible.segment(),
        }
    }
}

impl GovernedAt {
    /// `groups/:id` or `projects/:id`
    pub(super) fn path(&self) -> String {
        match self {
            Self::Group(at) => format!("groups/{}", at.segment()),
            Self::Project(at) => format!("projects/{}", at.segment()),
        }
    }
}

/// What is below `projects/:id`.
pub(super) fn of_project(at: ProjectAt, below: &[&str]) -> Option<ApiRoute> {
    match below {
        [] => Some(ApiRoute::Project(at)),
        below => of_governed(GovernedAt::Project(at), below),
    }
}

/// What groups and projects have alike.
pub(super) fn of_governed(at: GovernedAt, below: &[&str]) -> Option<ApiRoute> {
    Some(match below {
        ["members"] => ApiRoute::Members(at),
        ["members", "all"] => ApiRoute::AllMembers(at),
        ["members", "all", user] => ApiRoute::AnyMember(at, number(user).map(UserNumber)),
        ["members", user] => ApiRoute::Member(at, number(user).map(UserNumber)),
        ["deploy_tokens"] => ApiRoute::DeployTokens(at),
        ["deploy_tokens", id] => ApiRoute::DeployToken(at, number(id).map(DeployTokenId)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;
    use super::*;
    use crate::http::route::Route;

    #[test]
    fn a_project_is_named_by_number_or_by_path_in_one_segment() {
        let path = |text: &str| ProjectAt::Path(GroupPath::parse(text).unwrap());
        for (segment, at) in [
            ("7", ProjectAt::Id(ProjectId(7))),
            ("Acme%2fTool", path("acme/tool")),
            ("tool", path("tool")),
            ("a%20b", ProjectAt::Impossible),
            ("99999999999999999999", ProjectAt::Impossible),
            ("a%2F..%2Fb", ProjectAt::Impossible),
        ] {
            assert_eq!(read(&format!("/api/v4/projects/{segment}")), ApiRoute::Project(at.clone()));
            let members = read(&format!("/api/v4/projects/{segment}/members/"));
            assert_eq!(members, ApiRoute::Members(GovernedAt::Project(at)));
        }
    }

    #[test]
    fn canonical_paths_lead_back() {
        for path in [
            "projects",
            "projects/a%2Fb",
            "projects/1/members",
            "projects/1/members/all",
            "projects/1/members/2",
            "projects/a%2Fb/members/all/2",
            "projects/1/deploy_tokens",
            "projects/1/deploy_tokens/4",
            "groups/a%2Fb/projects",
            "users/3/projects",
        ] {
            let path = format!("/api/v4/{path}");
            assert_eq!(Route::Api(read(&path)).canonical_path(), path);
        }
    }
}
