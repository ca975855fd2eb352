//! [`Identity`]: who is asking, what the credentials are good for, and what that rests on, so that
//! a token of the registry that is issued for it can be looked at again later.
//!
//! Deliberately absent: finding it out (`login`), and what the caller may do (`Access`).

use std::sync::Arc;

use super::groups;
use super::login::LoginError;
use super::password;
pub use crate::model::Basis;
use crate::model::{Account, Caller, DeployScope, Grants, Rank, TokenScope, User, UserName};

/// Who is asking, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub caller: Caller,
    /// What the credentials are good for.
    pub reach: Reach,
    /// Why that is believed.
    pub basis: Basis,
}

/// What credentials are good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Outside of the registry.
    pub elsewhere: Extent,
    /// In the registry.
    pub registry: Extent,
    /// In the package registry, as clients of packages ask.
    pub packages: Extent,
    /// In the dependency proxy of groups.
    pub proxy: Pulls,
    /// What a token of the registry narrows that down to.
    pub grants: Option<Arc<Grants>>,
}

/// Whether credentials are good for pulling through a dependency proxy, where their owner may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulls {
    /// No.
    Never,
    /// A token of the registry was issued for something else: another one would be.
    WithAnotherToken,
    /// Yes.
    Yes,
}

/// How much of what their owner may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Nothing.
    Nothing,
    /// Reading.
    Reading,
    /// All of it.
    Everything,
}

impl Reach {
    /// All that their owner may do.
    pub const FULL: Self = Self {
        elsewhere: Extent::Everything,
        registry: Extent::Everything,
        packages: Extent::Everything,
        proxy: Pulls::Yes,
        grants: None,
    };

    /// Of an access token with these scopes.
    #[must_use]
    pub fn of(scopes: &[TokenScope]) -> Self {
        let extent = |one: fn(&TokenScope) -> Extent| {
            scopes.iter().map(one).max().unwrap_or(Extent::Nothing)
        };
        let elsewhere = extent(|scope| match scope {
            TokenScope::Api => Extent::Everything,
            TokenScope::ReadApi => Extent::Reading,
            TokenScope::ReadRegistry | TokenScope::WriteRegistry => Extent::Nothing,
        });
        let registry = extent(|scope| match scope {
            TokenScope::Api | TokenScope::WriteRegistry => Extent::Everything,
            TokenScope::ReadApi | TokenScope::ReadRegistry => Extent::Reading,
        });
        let has = |scope| scopes.contains(&scope);
        let pulls = has(TokenScope::Api)
            || (has(TokenScope::ReadRegistry) && has(TokenScope::WriteRegistry));
        let proxy = Pulls::when(pulls);
        Self { elsewhere, registry, packages: elsewhere, proxy, grants: None }
    }

    /// Of a deploy token with these scopes: in its group or project, and nowhere else.
    #[must_use]
    pub fn of_deploy(scopes: &[DeployScope]) -> Self {
        let has = |scope| scopes.contains(&scope);
        let packages =
            match (has(DeployScope::WritePackageRegistry), has(DeployScope::ReadPackageRegistry)) {
                (true, _) => Extent::Everything,
                (false, true) => Extent::Reading,
                (false, false) => Extent::Nothing,
            };
        let (elsewhere, registry) = (Extent::Nothing, Extent::Nothing);
        let proxy = Pulls::when(groups::are_enough(scopes));
        Self { elsewhere, registry, packages, proxy, grants: None }
    }

    /// The same in the registry, as far as a token says: `grants`, and `proxy`.
    #[must_use]
    pub fn narrowed(self, grants: Grants, proxy: Pulls) -> Self {
        let proxy = if self.proxy == Pulls::Yes { proxy } else { self.proxy };
        let grants = Some(Arc::new(grants));
        Self { elsewhere: Extent::Nothing, packages: Extent::Nothing, proxy, grants, ..self }
    }
}

impl Pulls {
    fn when(pulls: bool) -> Self {
        if pulls { Self::Yes } else { Self::Never }
    }
}

impl Identity {
    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { caller: Caller::Anonymous, reach: Reach::FULL, basis: Basis::Nobody }
    }

    /// Nobody without a group and without a rank is anybody (spec §15).
    pub(super) fn of(
        login: UserName,
        groups: Vec<String>,
        rank: Rank,
        basis: Basis,
    ) -> Result<Self, LoginError> {
        if groups.is_empty() && rank == Rank::Ordinary {
            return Err(LoginError::Refused);
        }
        let caller = Caller::User(User { login, groups, rank });
        Ok(Self { caller, reach: Reach::FULL, basis })
    }

    /// Somebody who knows the password of a local account.
    pub(super) fn of_account(login: UserName, account: Account) -> Result<Self, LoginError> {
        let Account { hash, groups, rank, created } = account;
        let basis = Basis::Account { created, password: password::digest(&hash) };
        Self::of(login, groups, rank, basis)
    }

    /// Somebody whom another back end knows.
    pub(super) fn of_elsewhere(
        login: UserName,
        groups: Vec<String>,
        password: Option<[u8; 32]>,
    ) -> Result<Self, LoginError> {
        let basis = Basis::Elsewhere { groups: groups.clone(), password };
        Self::of(login, groups, Rank::Ordinary, basis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_a_token_add_up() {
        use Extent::{Everything, Nothing, Reading};
        use TokenScope::{Api, ReadApi, ReadRegistry, WriteRegistry};
        for (scopes, elsewhere, registry) in [
            (&[][..], Nothing, Nothing),
            (&[Api], Everything, Everything),
            (&[ReadApi], Reading, Reading),
            (&[ReadRegistry], Nothing, Reading),
            (&[WriteRegistry], Nothing, Everything),
            (&[ReadApi, WriteRegistry], Reading, Everything),
            (&[ReadRegistry, Api], Everything, Everything),
        ] {
            let reach = Reach::of(scopes);
            assert_eq!((reach.elsewhere, reach.registry), (elsewhere, registry), "{scopes:?}");
            assert_eq!(reach.packages, elsewhere, "{scopes:?}");
        }
        let narrowed = Reach::FULL.narrowed(Grants::default(), Pulls::Yes);
        assert_eq!((narrowed.elsewhere, narrowed.registry), (Nothing, Everything));
        assert_eq!(narrowed.packages, Nothing);
    }

    #[test]
    fn the_proxy_takes_both_scopes_of_the_registry() {
        use Pulls::{Never, WithAnotherToken, Yes};
        use TokenScope::{Api, ReadApi, ReadRegistry, WriteRegistry};
        for (scopes, proxy) in [
            (&[][..], Never),
            (&[ReadApi], Never),
            (&[ReadRegistry], Never),
            (&[WriteRegistry], Never),
            (&[ReadApi, WriteRegistry], Never),
            (&[ReadApi, ReadRegistry], Never),
            (&[ReadRegistry, WriteRegistry], Yes),
            (&[Api], Yes),
        ] {
            let reach = Reach::of(scopes);
            assert_eq!(reach.proxy, proxy, "{scopes:?}");
            let other = if proxy == Yes { WithAnotherToken } else { Never };
            let narrowed = |pulls| reach.clone().narrowed(Grants::default(), pulls).proxy;
            assert_eq!((narrowed(Yes), narrowed(WithAnotherToken)), (proxy, other), "{scopes:?}");
        }
    }

    #[test]
    fn a_deploy_token_reaches_the_proxy_alone_and_needs_both_scopes() {
        use DeployScope::{ReadPackageRegistry, ReadRegistry, WritePackageRegistry, WriteRegistry};
        for (scopes, proxy) in [
            (&[][..], Pulls::Never),
            (&[ReadRegistry], Pulls::Never),
            (&[WriteRegistry], Pulls::Never),
            (&[ReadPackageRegistry, WritePackageRegistry, WriteRegistry], Pulls::Never),
            (&[WriteRegistry, ReadRegistry], Pulls::Yes),
            (&DeployScope::ALL, Pulls::Yes),
        ] {
            let reach = Reach::of_deploy(scopes);
            assert_eq!((reach.elsewhere, reach.registry), (Extent::Nothing, Extent::Nothing));
            assert_eq!(reach.proxy, proxy, "{scopes:?}");
        }
    }

    #[test]
    fn a_deploy_token_reads_packages_or_publishes_them_as_its_scopes_say() {
        use DeployScope::{ReadPackageRegistry, ReadRegistry, WritePackageRegistry, WriteRegistry};
        use Extent::{Everything, Nothing, Reading};
        for (scopes, packages) in [
            (&[ReadRegistry, WriteRegistry][..], Nothing),
            (&[ReadPackageRegistry], Reading),
            (&[WritePackageRegistry], Everything),
            (&DeployScope::ALL, Everything),
        ] {
            assert_eq!(Reach::of_deploy(scopes).packages, packages, "{scopes:?}");
        }
    }
}
