//! [`Grants`]: what a token of the registry may be used for, and the `scope` parameters that ask
//! for it (the token specification of Docker's registry, "Resource scope grammar").
//!
//! ```text
//! repository:main/build:pull,push
//! registry:catalog:*
//! ```
//!
//! Defends I9: a repository is named by an [`ImageName`], so what is granted and what is asked for
//! later are compared as canonical names. What cannot be named grants nothing and is left out.
//! Deliberately absent: who may have it (`access`), and how a token is signed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::acl::Rights;
use super::{ImageName, Right};

/// Most scopes of one token: a push of many layers from other repositories asks for a few.
pub const SCOPES_MAX: usize = 64;

/// The rights that there are in a repository, and what clients call them. A POST adds there too.
const ACTIONS: [(Right, &str); 3] =
    [(Right::Read, "pull"), (Right::Add, "push"), (Right::Delete, "delete")];
const REPOSITORY: &str = "repository";
const REGISTRY: &str = "registry";
const CATALOG: &str = "catalog";
const ALL: &str = "*";

/// What something is granted at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The list of all repositories, which shows what the caller may read.
    Catalog,
    /// A repository.
    Repository(ImageName),
}

/// What may be done where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(BTreeMap<Resource, Rights>);

/// More scopes than [`SCOPES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} scopes are too many: ask for a token with at most {SCOPES_MAX}, and for another one")]
pub struct TooManyScopes(pub usize);

/// One scope as it stands in a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// `repository` or `registry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of the repository, or `catalog`.
    pub name: String,
    /// Words such as `pull`.
    pub actions: Vec<String>,
}

impl Grants {
    /// Reads `scope` parameters; each may have several scopes with white space between them. What
    /// has no such form, or names no repository that can be, is left out.
    ///
    /// # Errors
    /// [`TooManyScopes`].
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, TooManyScopes> {
        let scopes: Vec<_> = texts.into_iter().flat_map(str::split_whitespace).collect();
        if scopes.len() > SCOPES_MAX {
            return Err(TooManyScopes(scopes.len()));
        }
        Ok(scopes.into_iter().filter_map(scope).collect())
    }

    /// What scopes of a token say.
    #[must_use]
    pub fn of_scopes(scopes: &[Scope]) -> Self {
        let read = |scope: &Scope| {
            let actions = scope.actions.iter().map(String::as_str);
            granted(&scope.kind, &scope.name, actions)
        };
        scopes.iter().filter_map(read).collect()
    }

    /// As they stand in a token, sorted.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        let scope = |(resource, rights): (&Resource, &Rights)| Scope {
            kind: resource.kind().to_owned(),
            name: resource.name().to_owned(),
            actions: resource.actions(*rights).into_iter().map(str::to_owned).collect(),
        };
        self.0.iter().map(scope).collect()
    }

    /// One thing.
    #[must_use]
    pub fn only(resource: Resource, rights: Rights) -> Self {
        [(resource, rights)].into_iter().collect()
    }

    /// Whether this is granted.
    #[must_use]
    pub fn allow(&self, resource: &Resource, right: Right) -> bool {
        self.0.get(resource).is_some_and(|rights| rights.has(right))
    }

    /// Those rights for which `keep` is true.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Resource, Right) -> bool) -> Self {
        let kept = |(resource, rights): (&Resource, &Rights)| {
            let rights = ACTIONS.iter().map(|(right, _)| *right).filter(|right| rights.has(*right));
            let rights = rights.filter(|right| keep(resource, *right)).map(Rights::only);
            (resource.clone(), rights.fold(Rights::NONE, Rights::and))
        };
        self.0.iter().map(kept).collect()
    }
}

/// Rights at one resource add up; a resource without any is none.
impl FromIterator<(Resource, Rights)> for Grants {
    fn from_iter<I: IntoIterator<Item = (Resource, Rights)>>(pairs: I) -> Self {
        let mut all = BTreeMap::<_, Rights>::new();
        for (resource, rights) in pairs.into_iter().filter(|(_, rights)| *rights != Rights::NONE) {
            let known = all.entry(resource).or_default();
            *known = known.and(rights);
        }
        Self(all)
    }
}

/// The text of a `scope` parameter that asks for it all.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (resource, rights)) in self.0.iter().enumerate() {
            let gap = if at > 0 { " " } else { "" };
            let actions = resource.actions(*rights).join(",");
            write!(f, "{gap}{}:{}:{actions}", resource.kind(), resource.name())?;
        }
        Ok(())
    }
}

impl Resource {
    fn kind(&self) -> &'static str {
        match self {
            Self::Catalog => REGISTRY,
            Self::Repository(_) => REPOSITORY,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Catalog => CATALOG,
            Self::Repository(name) => name.as_str(),
        }
    }

    fn actions(&self, rights: Rights) -> Vec<&'static str> {
        match self {
            Self::Catalog => vec![ALL],
            Self::Repository(_) => {
                let held = ACTIONS.iter().filter(|(right, _)| rights.has(*right));
                held.map(|(_, word)| *word).collect()
            }
        }
    }
}

/// `type:name:actions`; the name may have colons, and a class in brackets may follow the type.
fn scope(text: &str) -> Option<(Resource, Rights)> {
    let (kind, rest) = text.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
    granted(kind, name, actions.split(','))
}

fn granted<'a>(
    kind: &str,
    name: &str,
    actions: impl Iterator<Item = &'a str>,
) -> Option<(Resource, Rights)> {
    match (kind, name) {
        (REGISTRY, CATALOG) => {
            let asks = actions.into_iter().any(|action| action == ALL);
            asks.then_some((Resource::Catalog, Rights::only(Right::Read)))
        }
        (REPOSITORY, name) => {
            let rights = actions.flat_map(rights_of).fold(Rights::NONE, Rights::and);
            Some((Resource::Repository(ImageName::parse(name).ok()?), rights))
        }
        _ => None,
    }
}

fn rights_of(action: &str) -> impl Iterator<Item = Rights> {
    let meant = ACTIONS.iter().filter(move |(_, word)| action == ALL || action == *word);
    meant.map(|(right, _)| Rights::only(*right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        Grants::parse([text]).unwrap().to_string()
    }

    fn at(name: &str) -> Resource {
        Resource::Repository(ImageName::parse(name).unwrap())
    }

    #[test]
    fn scopes_are_read_and_written() {
        for (text, meant) in [
            ("repository:a:pull", "repository:a:pull"),
            ("repository:main/build:push,pull", "repository:main/build:pull,push"),
            ("repository:a:*", "repository:a:pull,push,delete"),
            ("repository:a:pull,push,delete,*", "repository:a:pull,push,delete"),
            ("repository(plugin):a:pull", "repository:a:pull"),
            ("registry:catalog:*", "registry:catalog:*"),
            ("repository:a:pull repository:b:push", "repository:a:pull repository:b:push"),
            ("repository:a:pull  \t repository:a:push", "repository:a:pull,push"),
            ("repository:a:pull,sudo", "repository:a:pull"),
        ] {
            assert_eq!(read(text), meant, "{text}");
        }
        let several = Grants::parse(["repository:b:pull", "repository:a:pull", ""]).unwrap();
        assert_eq!(several.to_string(), "repository:a:pull repository:b:pull");
    }

    #[test]
    fn what_has_no_meaning_grants_nothing() {
        for text in [
            "",
            " ",
            ":",
            "::",
            "repository",
            "repository:a",
            "repository:a:",
            "repository::pull",
            "repository:A:pull",
            "repository:../x:pull",
            "repository:u/alice:pull",
            "repository:g/dependency_proxy/containers/x:pull",
            "repository:host.example:5000/a:pull",
            "repository:a:PULL",
            "repository:a:sudo",
            "registry:catalog:pull",
            "registry:other:*",
            "Repository:a:pull",
            "repository:ä:pull",
            "repository:a\":pull",
        ] {
            assert_eq!(Grants::parse([text]), Ok(Grants::default()), "{text}");
        }
        let long = format!("repository:{}:pull", "a".repeat(256));
        assert_eq!(Grants::parse([long.as_str()]), Ok(Grants::default()));
    }

    #[test]
    fn the_number_of_scopes_is_bounded() {
        let many = |count: usize| {
            let scopes: Vec<_> = (0..count).map(|at| format!("repository:r{at}:pull")).collect();
            scopes.join(" ")
        };
        assert!(Grants::parse([many(SCOPES_MAX).as_str()]).is_ok());
        assert_eq!(Grants::parse([many(1000).as_str()]), Err(TooManyScopes(1000)));
        let (half, rest) = (many(SCOPES_MAX), "x");
        assert_eq!(Grants::parse([half.as_str(), rest]), Err(TooManyScopes(SCOPES_MAX + 1)));
    }

    #[test]
    fn what_is_granted_is_that_right_at_that_name() {
        let grants = Grants::parse(["repository:a/b:pull,push registry:catalog:*"]).unwrap();
        assert!(grants.allow(&at("a/b"), Right::Read) && grants.allow(&at("a/b"), Right::Add));
        assert!(!grants.allow(&at("a/b"), Right::Delete));
        assert!(!grants.allow(&at("a"), Right::Read) && !grants.allow(&at("a/b/c"), Right::Read));
        assert!(grants.allow(&Resource::Catalog, Right::Read));
        assert!(!Grants::default().allow(&Resource::Catalog, Right::Read));
        assert_eq!(Grants::of_scopes(&grants.scopes()), grants);
        let reading =
            grants.filter(|resource, right| *resource != Resource::Catalog && right == Right::Read);
        assert_eq!(reading.to_string(), "repository:a/b:pull");
        assert_eq!(grants.filter(|_, _| false), Grants::default());
    }
}
