//! [`stats`]: how much there is of everything. Counters that are kept, so it costs the same
//! whatever the size of the store.

use serde::Serialize;

use super::Error;
use crate::blobs::Space;
use crate::model::{Totals, Usage};
use crate::store::Store;
use crate::store::contents::Numbers;
use crate::store::package_lists::PackageTotals;

/// Figures of the whole store. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// Rows of each kind.
    pub numbers: Numbers,
    /// What projects hold.
    pub packages: PackageTotals,
    /// Blobs that something names.
    pub held: Usage,
    /// Blobs that nothing names and that wait for the end of their lease or for a sweep.
    pub free: Usage,
    /// Blobs that lie in files, held or free.
    pub files: Usage,
    /// Blobs that lie in rows, held or free.
    pub inline: Usage,
    /// References by names and below detached things, and the bytes that they would take without
    /// deduplication.
    pub logical: Usage,
    /// Logical bytes per byte that is held; 1 when nothing is.
    pub deduplication: f64,
    /// What waits for the sweeper.
    pub backlog: Backlog,
    /// Blobs whose bytes came back, since the beginning.
    pub reclaimed: Usage,
    /// Length of the database file.
    pub database_bytes: u64,
    /// Of it, what holds rows, as last measured ([`crate::db::Db::measure`]).
    pub database_used_bytes: Option<u64>,
    /// Of it, what the next writes will use, as last measured.
    pub database_free_bytes: Option<u64>,
    /// Bytes that may still be written to the disk of the data folder.
    pub disk_free_bytes: u64,
    /// Blobs that are being read right now.
    pub pinned: usize,
}

/// What waits for each stage of the sweeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Detached things to be destroyed.
    pub destroy_entries: u64,
    /// References below them.
    pub destroy: Usage,
    /// Free blobs to be collected, as their leases end.
    pub collect: Usage,
    /// Files to be unlinked.
    pub unlink: Usage,
    /// Rows of collected blobs to be removed.
    pub unlink_inline: Usage,
}

/// The figures as of the last commit. Touches a few rows, and one for each project.
///
/// # Errors
/// [`Error`] when database or disk fail.
pub fn stats(store: &Store, space: &Space) -> Result<Stats, Error> {
    let view = store.view()?;
    let (numbers, totals) = (view.numbers()?, view.totals()?);
    let packages = view.package_totals()?;
    drop(view);
    let measured = store.db().last_measure();
    let Totals { named, detached, queue, files, inline, free, unlinks, inline_unlinks, .. } =
        totals;
    let held = files.plus(inline).minus(free);
    let logical = named.plus(detached);
    Ok(Stats {
        numbers,
        packages,
        held,
        free,
        files,
        inline,
        logical,
        deduplication: ratio(logical.bytes, held.bytes),
        backlog: Backlog {
            destroy_entries: queue,
            destroy: detached,
            collect: free,
            unlink: unlinks,
            unlink_inline: inline_unlinks,
        },
        reclaimed: totals.reclaimed,
        database_bytes: store.db().file_bytes(),
        database_used_bytes: measured.map(|file| file.used_bytes),
        database_free_bytes: measured.map(|file| file.free_bytes),
        disk_free_bytes: space.free_bytes()?,
        pinned: store.pins().count(),
    })
}

/// `a / b` in thousandths.
fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 {
        return 1.0;
    }
    let thousandths = u128::from(a) * 1000 / u128::from(b);
    f64::from(u32::try_from(thousandths).unwrap_or(u32::MAX)) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_needs_no_divisor_and_does_not_overflow() {
        for (a, b, expected) in [(0, 0, 1.0), (5, 2, 2.5), (1, 3, 0.333), (u64::MAX, u64::MAX, 1.0)]
        {
            assert!((ratio(a, b) - expected).abs() < 1e-9, "{a} / {b}");
        }
    }
}
