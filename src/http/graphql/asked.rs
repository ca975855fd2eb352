//! [`Asked`]: what resolvers work with: who asks, and the snapshot that all of them read (I8).
//!
//! A change takes a fresh snapshot, so what follows in the same request sees it.
//! Deliberately absent: what a right is for; each noun asks for its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_graphql::{Context, Result};
use http::StatusCode;

use super::errors::{failed, fault, unavailable};
use crate::access::identity::Extent;
use crate::db::Pending;
use crate::http::Server;
use crate::http::failure::own_fault;
use crate::model::{
    Ability, Caller, GroupId, ProjectId, RuleRole, Scope, Trigger, Upstream, UpstreamCredentials,
};
use crate::proxy;
use crate::store::package_lists::{Depth, LOOKS_MAX, PackageList, Page, Part, Place};
use crate::store::{Error, Store, View};

/// One HTTP request, whatever number of documents it has.
pub struct Asked {
    server: Arc<Server>,
    caller: Caller,
    reach: Extent,
    address: String,
    view: RwLock<Arc<View>>,
    /// Rows that lists of packages may still look at.
    looks: Mutex<usize>,
}

impl Asked {
    /// With everything as it is now. `address` is the one that people use.
    ///
    /// # Errors
    /// Those of the store.
    pub fn new(
        server: Arc<Server>,
        caller: Caller,
        reach: Extent,
        address: String,
    ) -> Result<Self, Error> {
        let view = RwLock::new(Arc::new(server.tree.store().view()?));
        Ok(Self { server, caller, reach, address, view, looks: Mutex::new(LOOKS_MAX) })
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The server's address as people use it, without a slash at the end.
    pub fn address(&self) -> &str {
        self.address.trim_end_matches('/')
    }

    /// What everybody reads.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A part of a list of packages. All of a request look at as many rows together as one may,
    /// so that a list that is asked for a hundred times, under other names, costs no more.
    pub fn list_packages(&self, list: &PackageList, part: &Part) -> Result<Page> {
        let mut looks = self.looks();
        if *looks == 0 {
            return Err(fault(&Error::ListTooLong));
        }
        let page = self.view().list_packages_within(list, part, &mut looks);
        page.map_err(|error| fault(&error))
    }

    fn looks(&self) -> MutexGuard<'_, usize> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, which what is read from now on shows.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Store) -> Pending<T, Error>,
    ) -> Result<T> {
        let store = self.server.tree.store();
        let changed = change(store).await.map_err(|error| fault(&error))?;
        let fresh = Arc::new(store.view().map_err(|error| fault(&error))?);
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(changed)
    }

    /// Whether the caller may do that in a group. Who sets its proxy is for the group to say.
    pub fn may(&self, group: GroupId, ability: Ability) -> Result<bool> {
        self.may_in_group(group, ability).map_err(|error| fault(&error))
    }

    fn may_in_group(&self, group: GroupId, ability: Ability) -> Result<bool, Error> {
        let (access, view) = (&self.server.access, self.view());
        let Caller::User(user) = &self.caller else {
            return access.may_in_group(&view, &self.caller, group, ability);
        };
        if ability != Ability::AdminDependencyProxy || access.trusts(&self.caller) {
            return access.may_in_group(&view, &self.caller, group, ability);
        }
        let least = view.proxy_group(group)?.admins;
        Ok(view.role(user, group)?.is_some_and(|role| role >= least))
    }

    /// Whether the caller may see that a group is there.
    pub fn sees_group(&self, group: GroupId) -> Result<bool> {
        let sees = self.server.sees_group(&self.view(), &self.caller, group);
        sees.map_err(|error| fault(&error))
    }

    /// Whether the caller may see that a project is there.
    pub fn sees_project(&self, project: ProjectId) -> Result<bool> {
        let sees = self.server.sees_project(&self.view(), &self.caller, project);
        sees.map_err(|error| fault(&error))
    }

    /// Whether the caller may be told of a project's packages.
    pub fn reads_packages(&self, project: ProjectId) -> Result<bool> {
        let reads = self.server.reads_packages(&self.view(), &self.caller, project);
        reads.map_err(|error| fault(&error))
    }

    /// The projects of a group whose packages the caller may be told of.
    pub fn package_places(&self, group: GroupId) -> Result<Vec<Place>> {
        let (mut looks, view) = (self.looks(), self.view());
        let places = self.server.package_places(&view, &self.caller, group, Depth::All, &mut looks);
        places.map_err(|error| fault(&error))
    }

    /// As what the caller deletes packages of a project, for the rules that protect them.
    pub fn standing(&self, project: ProjectId) -> Result<Option<RuleRole>> {
        self.server.rule_role(&self.view(), &self.caller, project).map_err(failed)
    }

    /// Has the space of what was deleted given back.
    pub fn reclaim(&self) {
        self.server.sweeper.ask(Scope::Reclaim, Trigger::Delete);
    }

    /// Seals a secret of a group for its upstream; or says why that cannot be.
    pub fn seal(
        &self,
        group: GroupId,
        upstream: Option<&Upstream>,
        identity: &str,
        secret: &str,
    ) -> Result<UpstreamCredentials, String> {
        let sealed = self.server.proxy.upstreams().seal(group, upstream, identity, secret);
        sealed.map_err(|error| match error {
            error @ (proxy::Error::Login(_) | proxy::Error::Address { .. }) => error.to_string(),
            // It names a file of the server.
            error => own_fault(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()).to_owned(),
        })
    }

    /// Refuses to change anything for a token that is for reading.
    pub fn check_changes(&self) -> Result<()> {
        if self.reach == Extent::Everything { Ok(()) } else { Err(unavailable()) }
    }
}

/// The request that a resolver works for.
pub fn asked<'c>(context: &Context<'c>) -> Result<&'c Asked> {
    Ok(context.data::<Arc<Asked>>()?.as_ref())
}
