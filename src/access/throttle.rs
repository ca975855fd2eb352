//! `Throttle`: makes guessing passwords slow, without letting a stranger lock anybody out.
//!
//! Three counts of failures, each bounded in number and forgotten after a while:
//! - of one account from one address: after a few, attempts are refused for a time that doubles;
//! - of one address: after many, the same, but for accounts that logged in from there before;
//! - of one account from everywhere: attempts from where it never logged in wait before they are
//!   checked, and none is refused: right credentials get in from any other address.
//!
//! Deliberately absent: waiting (the caller does), and tokens, which cannot be guessed.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::model::UserName;

/// Entries of each table; the least recently used one makes room.
const ENTRIES_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
/// Failures of an account from an address that cost nothing: people mistype.
const PAIR_FREE: u32 = 5;
/// Failures of an address that cost nothing: many people share one.
const ADDRESS_FREE: u32 = 50;
/// Failures of an account that cost nothing.
const ACCOUNT_FREE: u32 = 20;
/// The longest time for which attempts are refused.
const REFUSE_MAX: Duration = Duration::from_secs(60);
/// The longest wait before a check.
const WAIT_MAX: Duration = Duration::from_secs(4);
/// Failures are forgotten when there is none for so long.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// Where an attempt comes from: an IPv4 address, the network of an IPv6 one, or a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Option<IpAddr>);

impl Origin {
    /// A host has as many addresses of its /64 network as it likes, so they are one.
    #[must_use]
    pub fn of(peer: Option<IpAddr>) -> Self {
        Self(peer.map(|peer| match peer.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
            v4 @ IpAddr::V4(_) => v4,
        }))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("a Unix socket"),
        }
    }
}

/// What to do with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Check it after this time, usually zero.
    After(Duration),
    /// Refuse it unseen; try again after this time.
    Refuse(Duration),
}

/// Failures, counted.
pub(super) struct Throttle {
    tables: Mutex<Tables>,
}

struct Tables {
    pairs: LruCache<(Origin, UserName), Pair>,
    origins: LruCache<Origin, Failures>,
    accounts: LruCache<UserName, Failures>,
}

#[derive(Clone, Copy, Default)]
struct Pair {
    failures: Failures,
    /// Whether it ever succeeded.
    known: bool,
}

#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    /// Of monotonic time.
    last: Duration,
}

impl Failures {
    fn at(self, now: Duration) -> u32 {
        if now.saturating_sub(self.last) >= MEMORY { 0 } else { self.count }
    }

    fn add(&mut self, now: Duration) {
        *self = Self { count: self.at(now).saturating_add(1), last: now };
    }

    /// How long it takes from the last failure on: doubled by each one beyond the free ones.
    fn delay(self, now: Duration, free: u32, most: Duration) -> Duration {
        match self.at(now).checked_sub(free) {
            None => Duration::ZERO,
            Some(over) => Duration::from_secs(1 << over.min(16)).min(most),
        }
    }

    /// What is left of that time.
    fn left(self, now: Duration, free: u32) -> Duration {
        self.delay(now, free, REFUSE_MAX).saturating_sub(now.saturating_sub(self.last))
    }
}

impl Throttle {
    pub(super) fn new() -> Self {
        let tables = Tables {
            pairs: LruCache::new(ENTRIES_MAX),
            origins: LruCache::new(ENTRIES_MAX),
            accounts: LruCache::new(ENTRIES_MAX),
        };
        Self { tables: Mutex::new(tables) }
    }

    /// What to do with an attempt at this moment of monotonic time.
    pub(super) fn admit(&self, from: Origin, login: &UserName, now: Duration) -> Admission {
        let mut tables = self.lock();
        let pair = tables.pairs.get(&(from, login.clone())).copied().unwrap_or_default();
        let origin = tables.origins.get(&from).copied().unwrap_or_default();
        let account = tables.accounts.get(login).copied().unwrap_or_default();
        let by_origin = if pair.known { Duration::ZERO } else { origin.left(now, ADDRESS_FREE) };
        let refused = pair.failures.left(now, PAIR_FREE).max(by_origin);
        if !refused.is_zero() {
            return Admission::Refuse(refused);
        }
        if pair.known {
            return Admission::After(Duration::ZERO);
        }
        Admission::After(account.delay(now, ACCOUNT_FREE, WAIT_MAX))
    }

    pub(super) fn failed(&self, from: Origin, login: &UserName, now: Duration) {
        let mut tables = self.lock();
        tables.pairs.get_or_insert_mut((from, login.clone()), Pair::default).failures.add(now);
        tables.origins.get_or_insert_mut(from, Failures::default).add(now);
        tables.accounts.get_or_insert_mut(login.clone(), Failures::default).add(now);
    }

    pub(super) fn succeeded(&self, from: Origin, login: &UserName) {
        let pair = Pair { failures: Failures::default(), known: true };
        self.lock().pairs.put((from, login.clone()), pair);
    }

    /// A count that is one too low after a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Admission = Admission::After(Duration::ZERO);

    fn at(address: &str) -> Origin {
        Origin::of(Some(address.parse().unwrap()))
    }

    fn login(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_account_is_refused_ever_longer_at_one_address_only() {
        let throttle = Throttle::new();
        let (stranger, admin) = (at("192.0.2.1"), login("admin"));
        let mut now = s(1000);
        let mut refusals = Vec::new();
        for _ in 0..14 {
            if let Admission::Refuse(wait) = throttle.admit(stranger, &admin, now) {
                refusals.push(wait.as_secs());
                now += wait;
            }
            assert_eq!(throttle.admit(stranger, &admin, now), NOW);
            throttle.failed(stranger, &admin, now);
        }
        assert_eq!(refusals, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(matches!(throttle.admit(stranger, &admin, now), Admission::Refuse(_)));
        assert_eq!(throttle.admit(at("192.0.2.2"), &admin, now), NOW);
        assert_eq!(throttle.admit(stranger, &admin, now + MEMORY), NOW, "it is forgotten");
    }

    #[test]
    fn a_success_forgives() {
        let throttle = Throttle::new();
        let (home, eve) = (at("192.0.2.1"), login("eve"));
        for _ in 0..PAIR_FREE {
            throttle.failed(home, &eve, s(1));
        }
        assert_eq!(throttle.admit(home, &eve, s(1)), Admission::Refuse(s(1)));
        throttle.succeeded(home, &eve);
        assert_eq!(throttle.admit(home, &eve, s(1)), NOW);
    }

    #[test]
    fn an_address_that_tries_many_accounts_is_refused_but_for_those_it_knows() {
        let throttle = Throttle::new();
        let office = at("2001:db8::1");
        throttle.succeeded(office, &login("eve"));
        for number in 0..ADDRESS_FREE {
            throttle.failed(office, &login(&format!("u{number}")), s(1));
        }
        let same_network = at("2001:db8::ffff");
        assert_eq!(throttle.admit(same_network, &login("new"), s(1)), Admission::Refuse(s(1)));
        assert_eq!(throttle.admit(same_network, &login("eve"), s(1)), NOW);
        assert_eq!(throttle.admit(at("2001:db8:0:1::1"), &login("new"), s(1)), NOW);
    }

    #[test]
    fn an_account_under_attack_from_everywhere_waits_and_is_never_refused() {
        let throttle = Throttle::new();
        let admin = login("admin");
        throttle.succeeded(at("192.0.2.1"), &admin);
        for number in 0..100 {
            throttle.failed(at(&format!("198.51.100.{number}")), &admin, s(1));
        }
        let elsewhere = at("192.0.2.2");
        assert_eq!(throttle.admit(elsewhere, &admin, s(1)), Admission::After(WAIT_MAX));
        assert_eq!(throttle.admit(at("192.0.2.1"), &admin, s(1)), NOW);
    }

    #[test]
    fn the_tables_are_bounded() {
        let throttle = Throttle::new();
        for number in 0..10_000_u32 {
            let origin = Origin::of(Some(std::net::Ipv4Addr::from(number).into()));
            throttle.failed(origin, &login(&number.to_string()), s(1));
        }
        let tables = throttle.lock();
        let most = ENTRIES_MAX.get();
        assert_eq!(
            (tables.pairs.len(), tables.origins.len(), tables.accounts.len()),
            (most, most, most)
        );
    }
}
