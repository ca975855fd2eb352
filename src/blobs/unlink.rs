//! Unlinking: the last stage of a blob's life, after the transaction that dropped its row.
//!
//! It can be done again as often as needed: what is gone already is done. A file counts as gone
//! only when its folder was synced after it, so that no power loss brings it back unnoticed.
//! Deliberately absent: retries (the rows of the unlink queue live on until a file is gone).

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread::{Builder, scope};

use super::layout::shard_of;
use super::{BlobFiles, Error};
use crate::model::{Digest, Suffix};

/// What each worker has under way: unlinking and syncing folders wait for the disk, which has room
/// for more than one at a time. With 8 / 16 / 32 calls at once 1,000 files in 256 folders take 48 /
/// 39 / 42 ms, and 54 / 44 with 8 / 16 where each folder is synced right after its files went: the
/// disk that is asked to flush lets the others wait.
const CALLS_PER_WORKER: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(7);

/// Files of one folder, by their index in what was asked for.
type Folder = (u8, Vec<usize>);
/// What became of the file at an index.
type Unlinked = (usize, Result<(), Error>);

impl BlobFiles {
    /// Unlinks `files` and then syncs each folder that they lie in once, with a few threads for
    /// each of the `workers`. A folder is one thread's affair, so that none waits for another's.
    /// The results are in the order of `files`.
    #[must_use]
    pub fn unlink(
        &self,
        files: &[(Digest, Suffix)],
        workers: NonZero<usize>,
    ) -> Vec<Result<(), Error>> {
        let mut folders: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for (at, (digest, _)) in files.iter().enumerate() {
            folders.entry(shard_of(*digest)).or_default().push(at);
        }
        let folders: Vec<Folder> = folders.into_iter().collect();
        let threads = workers.saturating_mul(CALLS_PER_WORKER);
        let unlinked = in_parallel(&folders, threads, |(_, of_it)| self.unlink_all(files, of_it));
        let synced =
            in_parallel(&folders, threads, |(shard, _)| self.sync_dir(&self.layout.shard(*shard)));
        let mut results: Vec<_> = unlinked.into_iter().zip(&synced).flat_map(settled).collect();
        results.sort_unstable_by_key(|(at, _)| *at);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn unlink_all(&self, files: &[(Digest, Suffix)], of_folder: &[usize]) -> Vec<Unlinked> {
        let remove = |at: &usize| {
            let (digest, suffix) = files[*at];
            (*at, self.remove(&self.layout.target(digest, suffix)))
        };
        of_folder.iter().map(remove).collect()
    }
}

/// A file is gone when its folder was synced too.
fn settled(
    (unlinked, synced): (Vec<Unlinked>, &Result<(), Error>),
) -> impl Iterator<Item = Unlinked> {
    unlinked.into_iter().map(move |(at, unlinked)| {
        (at, unlinked.and_then(|()| synced.as_ref().err().map_or(Ok(()), again)))
    })
}

/// What `work` says about each item, in the order of `items`. Each worker takes a run of them.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    workers: NonZero<usize>,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let run = |items: &[T]| items.iter().map(&work).collect::<Vec<R>>();
    let share = items.len().div_ceil(workers.get()).max(1);
    let Some((own, others)) = items.split_at_checked(share).filter(|(_, rest)| !rest.is_empty())
    else {
        return run(items);
    };
    scope(|scope| {
        let others: Vec<_> = others
            .chunks(share)
            .map(|chunk| {
                let thread = Builder::new().name("unlink".to_owned());
                (chunk, thread.spawn_scoped(scope, move || run(chunk)))
            })
            .collect();
        let mut results = run(own);
        for (chunk, thread) in others {
            results.extend(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // A machine that is short of threads gets the work done by this one.
                Err(_) => run(chunk),
            });
        }
        results
    })
}

/// The same error once more: a folder that cannot be synced fails each of its files.
fn again(error: &Error) -> Result<(), Error> {
    Err(match error {
        Error::Io { action, path, source } => {
            let source = match source.raw_os_error() {
                Some(errno) => io::Error::from_raw_os_error(errno),
                None => io::Error::new(source.kind(), source.to_string()),
            };
            Error::Io { action, path: path.clone(), source }
        }
        Error::Missing { digest, path } => Error::Missing { digest: *digest, path: path.clone() },
        &Error::NoRoom { free_bytes, reserve_bytes } => Error::NoRoom { free_bytes, reserve_bytes },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_number_of_workers() {
        for items in [0_usize, 1, 2, 7, 100] {
            let items: Vec<usize> = (0..items).collect();
            for workers in [1, 2, 3, 8, 1000] {
                let doubled = in_parallel(&items, NonZero::new(workers).unwrap(), |item| item * 2);
                let expected: Vec<usize> = items.iter().map(|item| item * 2).collect();
                assert_eq!(doubled, expected, "{workers} workers");
            }
        }
    }
}
