//! [`LoginCache`]: logins that succeeded a short while ago, so that a password is hashed once and
//! not with every request.
//!
//! Bounded in number and in time. Its keys are keyed hashes of login and password, with a key of
//! this process: what a core dump shows is of no use elsewhere.
//! Deliberately absent: logins that failed, and tokens, which cost nothing to check.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use sha2::{Digest as _, Sha256};

use crate::model::UserName;

/// What a success rests on, and so when it is none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The password fits this hash of the local account: as long as the account has it.
    Account(String),
    /// The back end says that these are the groups.
    Groups(Vec<String>),
}

/// The key of one login with one password.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey([u8; 32]);

/// Successful logins.
pub(super) struct LoginCache {
    key: [u8; 32],
    time_max: Duration,
    state: Mutex<State>,
}

struct State {
    /// `None`: nothing is kept.
    entries: Option<LruCache<CacheKey, (Duration, Proof)>>,
    /// How often it was cleared.
    generation: u64,
}

/// Which contents of the cache a check began with.
#[derive(Clone, Copy)]
pub(super) struct Generation(u64);

impl LoginCache {
    /// Keeps at most so many for so long.
    pub(super) fn new(entries_max: usize, time_max: Duration) -> Self {
        let entries = NonZeroUsize::new(entries_max).map(LruCache::new);
        let state = Mutex::new(State { entries, generation: 0 });
        Self { key: rand::random(), time_max, state }
    }

    pub(super) fn key(&self, login: &UserName, password: &str) -> CacheKey {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(login.as_str());
        // No login contains NUL, so no two pairs are the same bytes.
        hash.update([0]);
        hash.update(password);
        CacheKey(hash.finalize().into())
    }

    /// What is known at this moment of monotonic time.
    pub(super) fn get(&self, key: &CacheKey, now: Duration) -> Option<Proof> {
        let mut state = self.lock();
        let entries = state.entries.as_mut()?;
        let (until, proof) = entries.get(key)?;
        if now < *until {
            return Some(proof.clone());
        }
        entries.pop(key);
        None
    }

    pub(super) fn generation(&self) -> Generation {
        Generation(self.lock().generation)
    }

    /// Keeps a success, unless everything was forgotten since the check began.
    pub(super) fn put(&self, key: CacheKey, proof: Proof, began: Generation, now: Duration) {
        let mut state = self.lock();
        if state.generation == began.0
            && let Some(entries) = &mut state.entries
        {
            entries.put(key, (now.saturating_add(self.time_max), proof));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.generation += 1;
        if let Some(entries) = &mut state.entries {
            entries.clear();
        }
    }

    /// Each change is one call, so a panic elsewhere leaves nothing torn.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn login(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    fn proof() -> Proof {
        Proof::Groups(vec!["g".into()])
    }

    #[test]
    fn what_is_kept_is_bounded_in_time_and_number() {
        let cache = LoginCache::new(2, SECOND * 10);
        let keys = ["a", "b", "c"].map(|name| cache.key(&login(name), "pw"));
        for key in keys {
            cache.put(key, proof(), cache.generation(), SECOND);
        }
        assert_eq!(cache.get(&keys[0], SECOND), None, "the oldest has made room");
        assert_eq!(cache.get(&keys[2], SECOND * 10), Some(proof()));
        assert_eq!(cache.get(&keys[2], SECOND * 11), None, "its time is over");
        let none = LoginCache::new(0, SECOND);
        none.put(keys[0], proof(), none.generation(), SECOND);
        assert_eq!(none.get(&keys[0], SECOND), None);
    }

    #[test]
    fn login_and_password_are_both_in_the_key() {
        let cache = LoginCache::new(2, SECOND);
        let key = cache.key(&login("ab"), "c");
        for (name, password) in [("a", "bc"), ("ab", "d"), ("abc", "")] {
            assert!(key != cache.key(&login(name), password), "{name} {password}");
        }
        assert!(key != LoginCache::new(2, SECOND).key(&login("ab"), "c"), "keys are of a process");
    }

    #[test]
    fn a_check_that_began_before_a_clear_is_not_kept() {
        let cache = LoginCache::new(2, SECOND);
        let key = cache.key(&login("a"), "pw");
        let began = cache.generation();
        cache.clear();
        cache.put(key, proof(), began, SECOND);
        assert_eq!(cache.get(&key, SECOND), None);
    }
}
