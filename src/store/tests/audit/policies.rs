//! Recounts what follows from policies: when it is their turn, and whose caches go by their age.

use super::{Audit, map};
use crate::db::schema::{
    PACKAGE_POLICIES, PACKAGE_POLICIES_DUE, PACKAGE_POLICY_RUNS, PROXY_GROUPS, TTL_GROUPS,
};
use crate::store::package_policies::POLICY_RUNS_KEPT;

impl Audit {
    pub(super) fn policies(&mut self) {
        let policies = self.rows(&PACKAGE_POLICIES).into_iter();
        let due = policies.filter(|(_, policy)| policy.is_active());
        let due = due.map(|(project, policy)| ((policy.due(), project), ())).collect();
        self.same("turns of policies", map(self.rows(&PACKAGE_POLICIES_DUE)), map(due));
        let proxies = self.rows(&PROXY_GROUPS).into_iter();
        let by_age = proxies.filter(|(_, proxy)| proxy.ttl.enabled);
        let by_age = by_age.map(|(group, _)| (group, ())).collect();
        self.same("caches that go by their age", map(self.rows(&TTL_GROUPS)), map(by_age));
        let mut runs = std::collections::BTreeMap::<_, usize>::new();
        for ((project, _), _) in self.rows(&PACKAGE_POLICY_RUNS) {
            *runs.entry(project).or_default() += 1;
        }
        let most = runs.values().max().copied().unwrap_or_default();
        self.same("too many runs of a policy", most > POLICY_RUNS_KEPT, false);
    }
}
