//! GitLab's part of the URLs: everything below `/api/v4/` (spec gitlab §3.1, §9, §1.10).
//!
//! A group is named by its number or by its full path in one segment, its slashes as `%2F`; what
//! is all digits is a number, as GitLab reads it. Defends I9: a path becomes a [`GroupPath`] here.
//! What cannot name anything is a route too ([`ApiRoute::Nothing`], [`GroupAt::Impossible`] and
//! numbers that are none), so that who asks comes first and the answer has GitLab's form.
//! Deliberately absent: whether anything is there, and who may do what: roles decide, not paths.

mod listed;
mod policy;
mod projects;

use http::Method;

pub use self::listed::{ListedRoute, OfPackage};
pub use self::policy::{PolicyPart, PolicyRoute};
pub use self::projects::{GovernedAt, ProjectAt};
use super::packages::{self, PackagesRoute};
use super::{Refusal, encode, encode_segment};
use crate::model::{DeployTokenId, GroupId, GroupPath, ProtectionRuleId, TokenId, UserNumber};

/// What every URL of the API begins with.
const ROOT: &str = "/api/v4";

/// What a URL of the API names. A number that is none is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiRoute {
    /// `version`
    Version,
    /// `metadata`
    Metadata,
    /// `user`: who asks.
    Me,
    /// `users`
    Users,
    /// `users/:id`
    User(Option<UserNumber>),
    /// `users/:id/personal_access_tokens`
    TokensOfUser(Option<UserNumber>),
    /// `user/personal_access_tokens`
    MyTokens,
    /// `personal_access_tokens`
    Tokens,
    /// `personal_access_tokens/self`: the one that is used to ask.
    OwnToken,
    /// `personal_access_tokens/:id`
    Token(Option<TokenId>),
    /// `groups`
    Groups,
    /// `groups/:id`
    Group(GroupAt),
    /// `groups/:id/subgroups`
    Subgroups(GroupAt),
    /// `groups/:id/descendant_groups`
    Descendants(GroupAt),
    /// `groups/:id/projects`
    ProjectsInGroup(GroupAt),
    /// `users/:id/projects`: those that they are a member of themselves.
    ProjectsOfUser(Option<UserNumber>),
    /// `projects`
    Projects,
    /// `projects/:id`
    Project(ProjectAt),
    /// `groups/:id/members` or `projects/:id/members`
    Members(GovernedAt),
    /// `…/members/all`: with those of the groups above.
    AllMembers(GovernedAt),
    /// `…/members/:user_id`
    Member(GovernedAt, Option<UserNumber>),
    /// `…/members/all/:user_id`
    AnyMember(GovernedAt, Option<UserNumber>),
    /// `groups/:id/ldap_group_links`: teams.
    Teams(GroupAt),
    /// `groups/:id/ldap_group_links/[:provider/]:cn`
    Team(GroupAt, String),
    /// `groups/:id/deploy_tokens` or `projects/:id/deploy_tokens`
    DeployTokens(GovernedAt),
    /// `…/deploy_tokens/:token_id`
    DeployToken(GovernedAt, Option<DeployTokenId>),
    /// `deploy_tokens`: of all groups and projects.
    AllDeployTokens,
    /// `groups/:id/dependency_proxy/cache`
    ProxyCache(GroupAt),
    /// `application/settings`
    Settings,
    /// `projects/:id/packages/protection/rules`
    ProtectionRules(ProjectAt),
    /// `projects/:id/packages/protection/rules/:rule_id`
    ProtectionRule(ProjectAt, Option<ProtectionRuleId>),
    /// Packages by number, and lists of them.
    Listed(ListedRoute),
    /// What a project keeps of its packages.
    PackagePolicy(PolicyRoute),
    /// What clients of packages use.
    Packages(PackagesRoute),
    /// Anything else: there is no such thing, whatever is asked of it.
    Nothing(String),
}

/// How a URL names a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAt {
    /// By its number.
    Id(GroupId),
    /// By its full path.
    Path(GroupPath),
    /// By what no group can be called.
    Impossible,
}

/// Reads the decoded segments below `/api/v4/`. A slash at the end changes nothing.
pub(super) fn api(below: &[&str]) -> Result<ApiRoute, Refusal> {
    let below = match below {
        [before @ .., ""] => before,
        below => below,
    };
    Ok(match packages::packages(below)? {
        Some(route) => ApiRoute::Packages(route),
        None => of_api(below),
    })
}

fn of_api(below: &[&str]) -> ApiRoute {
    match below {
        ["version"] => ApiRoute::Version,
        ["metadata"] => ApiRoute::Metadata,
        ["application", "settings"] => ApiRoute::Settings,
        ["deploy_tokens"] => ApiRoute::AllDeployTokens,
        ["user"] => ApiRoute::Me,
        ["user", "personal_access_tokens"] => ApiRoute::MyTokens,
        ["users"] => ApiRoute::Users,
        ["users", id] => ApiRoute::User(number(id).map(UserNumber)),
        ["users", id, "personal_access_tokens"] => {
            ApiRoute::TokensOfUser(number(id).map(UserNumber))
        }
        ["users", id, "projects"] => ApiRoute::ProjectsOfUser(number(id).map(UserNumber)),
        ["personal_access_tokens"] => ApiRoute::Tokens,
        ["personal_access_tokens", "self"] => ApiRoute::OwnToken,
        ["personal_access_tokens", id] => ApiRoute::Token(number(id).map(TokenId)),
        ["groups"] => ApiRoute::Groups,
        ["groups", id, below @ ..] => {
            of_group(GroupAt::read(id), below).unwrap_or_else(|| nothing(&["groups", id], below))
        }
        ["projects"] => ApiRoute::Projects,
        ["projects", id, "packages", "protection", "rules"] => {
            ApiRoute::ProtectionRules(ProjectAt::read(id))
        }
        ["projects", id, "packages", "protection", "rules", rule] => {
            ApiRoute::ProtectionRule(ProjectAt::read(id), number(rule).map(ProtectionRuleId))
        }
        ["projects", id, below @ ..] => {
            let at = ProjectAt::read(id);
            let listed = listed::of_project(&at, below).map(ApiRoute::Listed);
            let policy = || policy::of_project(&at, below).map(ApiRoute::PackagePolicy);
            let found = listed.or_else(policy);
            let found = found.or_else(|| projects::of_project(at, below));
            found.unwrap_or_else(|| nothing(&["projects", id], below))
        }
        below => nothing(&[], below),
    }
}

fn of_group(at: GroupAt, below: &[&str]) -> Option<ApiRoute> {
    Some(match below {
        [] => ApiRoute::Group(at),
        ["subgroups"] => ApiRoute::Subgroups(at),
        ["descendant_groups"] => ApiRoute::Descendants(at),
        ["projects"] => ApiRoute::ProjectsInGroup(at),
        ["packages"] => ApiRoute::Listed(ListedRoute::OfGroup(at)),
        ["ldap_group_links"] => ApiRoute::Teams(at),
        ["ldap_group_links", team] | ["ldap_group_links", _, team] => {
            ApiRoute::Team(at, (*team).to_owned())
        }
        ["dependency_proxy", "cache"] => ApiRoute::ProxyCache(at),
        below => return projects::of_governed(GovernedAt::Group(at), below),
    })
}

fn nothing(before: &[&str], below: &[&str]) -> ApiRoute {
    ApiRoute::Nothing([before, below].concat().join("/"))
}

/// A number as GitLab reads it: digits alone.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

impl GroupAt {
    /// Reads what stands for a group.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
            return number(text).map_or(Self::Impossible, |id| Self::Id(GroupId(id)));
        }
        GroupPath::parse(text).map_or(Self::Impossible, Self::Path)
    }

    pub(super) fn segment(&self) -> String {
        match self {
            Self::Id(id) => id.0.to_string(),
            Self::Path(path) => encode_segment(&path.to_string()),
            // No group is called so.
            Self::Impossible => "-".to_owned(),
        }
    }
}

impl ApiRoute {
    pub(super) fn canonical_path(&self) -> String {
        format!("{ROOT}/{}", self.below())
    }

    fn below(&self) -> String {
        let numbered = |id: Option<u64>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        match self {
            Self::Version => "version".to_owned(),
            Self::Metadata => "metadata".to_owned(),
            Self::Me => "user".to_owned(),
            Self::Users => "users".to_owned(),
            Self::User(id) => format!("users/{}", numbered(id.map(|id| id.0))),
            Self::TokensOfUser(id) => {
                format!("users/{}/personal_access_tokens", numbered(id.map(|id| id.0)))
            }
            Self::MyTokens => "user/personal_access_tokens".to_owned(),
            Self::Tokens => "personal_access_tokens".to_owned(),
            Self::OwnToken => "personal_access_tokens/self".to_owned(),
            Self::Token(id) => format!("personal_access_tokens/{}", numbered(id.map(|id| id.0))),
            Self::Groups => "groups".to_owned(),
            Self::AllDeployTokens => "deploy_tokens".to_owned(),
            Self::Settings => "application/settings".to_owned(),
            Self::ProtectionRules(at) => {
                format!("projects/{}/packages/protection/rules", at.segment())
            }
            Self::ProtectionRule(at, id) => {
                let id = numbered(id.map(|id| id.0));
                format!("projects/{}/packages/protection/rules/{id}", at.segment())
            }
            Self::Listed(route) => route.below(),
            Self::PackagePolicy(route) => route.below(),
            Self::Packages(route) => route.below(),
            Self::Nothing(path) => encode(path),
            Self::Group(at) => format!("groups/{}", at.segment()),
            Self::Subgroups(at) => format!("groups/{}/subgroups", at.segment()),
            Self::Descendants(at) => format!("groups/{}/descendant_groups", at.segment()),
            Self::ProjectsInGroup(at) => format!("groups/{}/projects", at.segment()),
            Self::ProjectsOfUser(id) => {
                format!("users/{}/projects", numbered(id.map(|id| id.0)))
            }
            Self::Projects => "projects".to_owned(),
            Self::Project(at) => format!("projects/{}", at.segment()),
            Self::Members(at) => format!("{}/members", at.path()),
            Self::AllMembers(at) => format!("{}/members/all", at.path()),
            Self::Member(at, id) => {
                format!("{}/members/{}", at.path(), numbered(id.map(|id| id.0)))
            }
            Self::AnyMember(at, id) => {
                format!("{}/members/all/{}", at.path(), numbered(id.map(|id| id.0)))
            }
            Self::Teams(at) => format!("groups/{}/ldap_group_links", at.segment()),
            Self::Team(at, team) => {
                format!("groups/{}/ldap_group_links/{}", at.segment(), encode_segment(team))
            }
            Self::DeployTokens(at) => format!("{}/deploy_tokens", at.path()),
            Self::DeployToken(at, id) => {
                format!("{}/deploy_tokens/{}", at.path(), numbered(id.map(|id| id.0)))
            }
            Self::ProxyCache(at) => format!("groups/{}/dependency_proxy/cache", at.segment()),
        }
    }

    pub(super) fn allow(&self) -> &'static [&'static str] {
        match self {
            Self::Version
            | Self::Metadata
            | Self::Me
            | Self::Users
            | Self::User(_)
            | Self::Tokens
            | Self::Subgroups(_)
            | Self::Descendants(_)
            | Self::AllMembers(_)
            | Self::AnyMember(..)
            | Self::ProjectsInGroup(_)
            | Self::ProjectsOfUser(_)
            | Self::AllDeployTokens => &["GET", "HEAD"],
            Self::MyTokens | Self::TokensOfUser(_) => &["POST"],
            Self::OwnToken | Self::Token(_) | Self::DeployToken(..) => &["DELETE", "GET", "HEAD"],
            Self::Groups | Self::Projects | Self::Members(_) | Self::DeployTokens(_) => {
                &["GET", "HEAD", "POST"]
            }
            Self::Group(_) | Self::Project(_) | Self::Member(..) => {
                &["DELETE", "GET", "HEAD", "PUT"]
            }
            Self::Teams(_) => &["DELETE", "GET", "HEAD", "POST"],
            Self::Team(..) | Self::ProxyCache(_) => &["DELETE"],
            Self::Settings => &["GET", "HEAD", "PUT"],
            Self::ProtectionRules(_) => &["GET", "HEAD", "POST"],
            Self::ProtectionRule(..) => &["DELETE", "PATCH"],
            Self::Listed(route) => route.allow(),
            Self::PackagePolicy(route) => route.allow(),
            Self::Packages(route) => route.allow(),
            Self::Nothing(_) => &["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"],
        }
    }

    /// Nothing takes every method, so that it is missing whatever is asked of it.
    pub(super) fn accepts(&self, method: &Method) -> bool {
        matches!(self, Self::Nothing(_)) || self.allow().contains(&method.as_str())
    }
}

/// Whether a path, still percent-encoded, is one of the API's: errors there have its form.
/// GraphQL, which stands beside it, has its own.
#[must_use]
pub fn is_api(raw_path: &str) -> bool {
    let path = percent_encoding::percent_decode_str(raw_path).decode_utf8_lossy();
    let below =
        path.strip_prefix("/api").filter(|below| below.is_empty() || below.starts_with('/'));
    below.is_some_and(|below| !matches!(below, "/graphql" | "/graphql/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::route::{Route, Routed, route};

    pub(super) fn read(path: &str) -> ApiRoute {
        match route(&Method::GET, path) {
            Routed::Found(Route::Api(route), _) => route,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn a_group_is_named_by_number_or_by_path_in_one_segment() {
        let path = |text: &str| GroupAt::Path(GroupPath::parse(text).unwrap());
        for (segment, at) in [
            ("7", GroupAt::Id(GroupId(7))),
            ("acme", path("acme")),
            ("Acme%2fSub", path("acme/sub")),
            ("a%2Fb%2Fc", path("a/b/c")),
            ("a%20b", GroupAt::Impossible),
            ("99999999999999999999", GroupAt::Impossible),
            ("..", GroupAt::Impossible),
            ("a%2F..%2Fb", GroupAt::Impossible),
        ] {
            assert_eq!(read(&format!("/api/v4/groups/{segment}")), ApiRoute::Group(at.clone()));
            let members = format!("/api/v4/groups/{segment}/members/");
            assert_eq!(read(&members), ApiRoute::Members(GovernedAt::Group(at)));
        }
        let nothing = read("/api/v4/groups/a/b/members");
        assert_eq!(nothing, ApiRoute::Nothing("groups/a/b/members".to_owned()));
    }

    #[test]
    fn canonical_paths_lead_back() {
        for path in [
            "version",
            "metadata",
            "user",
            "users",
            "users/3",
            "users/3/personal_access_tokens",
            "user/personal_access_tokens",
            "personal_access_tokens",
            "personal_access_tokens/self",
            "personal_access_tokens/12",
            "groups",
            "groups/a%2Fb",
            "groups/1/subgroups",
            "groups/1/descendant_groups",
            "groups/1/members",
            "groups/1/members/all",
            "groups/1/members/2",
            "groups/1/members/all/2",
            "groups/1/ldap_group_links",
            "groups/1/ldap_group_links/a%2Fb%20c",
            "groups/1/deploy_tokens",
            "groups/1/deploy_tokens/4",
            "groups/1/dependency_proxy/cache",
            "application/settings",
            "deploy_tokens",
            "projects/1/issues",
        ] {
            let path = format!("/api/v4/{path}");
            let found = ["GET", "POST", "DELETE"]
                .into_iter()
                .find_map(|method| match route(&method.parse().unwrap(), &path) {
                    Routed::Found(route, _) => Some(route),
                    _ => None,
                })
                .unwrap_or_else(|| panic!("{path}"));
            assert_eq!(found.canonical_path(), path);
        }
    }

    #[test]
    fn numbers_are_digits_alone() {
        for bad in ["x", "+1", "-1", "1.0", "99999999999999999999"] {
            assert_eq!(read(&format!("/api/v4/users/{bad}")), ApiRoute::User(None), "{bad}");
        }
        assert_eq!(read("/api/v4/users/0"), ApiRoute::User(Some(UserNumber(0))));
    }

    #[test]
    fn graphql_is_beside_it() {
        for yes in ["/api", "/api/", "/api/v4", "/api/v4/x", "/%61pi/v4", "/api/graphql/x"] {
            assert!(is_api(yes), "{yes}");
        }
        for no in ["/", "/apis", "/api/graphql", "/api/graphql/", "/v2/api/"] {
            assert!(!is_api(no), "{no}");
        }
    }
}
