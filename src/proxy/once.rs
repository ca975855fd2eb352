//! [`Once`]: questions that many ask at once are asked once, and everybody gets the answer.
//!
//! The work goes on when those who asked leave. Deliberately absent: answers of before.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

type Table<K, V> = Arc<Mutex<HashMap<K, watch::Receiver<Option<V>>>>>;

/// The questions that are being asked.
pub(super) struct Once<K: Eq + Hash, V> {
    table: Table<K, V>,
}

impl<K: Eq + Hash, V> Default for Once<K, V> {
    fn default() -> Self {
        Self { table: Table::default() }
    }
}

impl<K, V> Once<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What `begin` comes to, or what somebody else's does who began before. `None`: the server
    /// gave it up.
    pub(super) async fn ask<F>(&self, key: K, begin: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut told = self.told(key, begin);
        let value = told.wait_for(Option::is_some).await.ok()?;
        value.clone()
    }

    fn told<F>(&self, key: K, begin: impl FnOnce() -> F) -> watch::Receiver<Option<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut table = lock(&self.table);
        if let Some(told) = table.get(&key) {
            return told.clone();
        }
        let (tell, told) = watch::channel(None);
        table.insert(key.clone(), told.clone());
        let asked = Asked { table: Arc::clone(&self.table), key };
        let work = begin();
        tokio::spawn(async move {
            let value = work.await;
            // Whoever comes from now on asks anew.
            drop(asked);
            let _ = tell.send(Some(value));
        });
        told
    }
}

/// Leaves the table when it is dropped, however the work ended.
struct Asked<K: Eq + Hash, V> {
    table: Table<K, V>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Asked<K, V> {
    fn drop(&mut self) {
        lock(&self.table).remove(&self.key);
    }
}

/// No holder can panic between two changes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn many_ask_once_and_later_ones_ask_anew() {
        let once = Arc::new(Once::<u8, usize>::default());
        let asked = Arc::new(AtomicUsize::new(0));
        for round in 1..3 {
            let all = (0..20).map(|_| {
                let (once, asked) = (Arc::clone(&once), Arc::clone(&asked));
                tokio::spawn(async move {
                    let work = || async move {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        asked.fetch_add(1, Ordering::SeqCst) + 1
                    };
                    once.ask(7, work).await
                })
            });
            for one in all.collect::<Vec<_>>() {
                assert_eq!(one.await.unwrap(), Some(round));
            }
        }
    }

    #[tokio::test]
    async fn a_panic_leaves_nobody_waiting() {
        let once = Once::<u8, u8>::default();
        assert_eq!(once.ask(1, || async { panic!("on purpose") }).await, None);
        assert_eq!(once.ask(1, || async { 2 }).await, Some(2));
    }
}
