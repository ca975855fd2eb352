//! Steps from one schema to the next. A step and its number commit together (I10).

use super::schema::{GROUPS, LISTED, META, Meta, PROJECTS, PROXY_GROUPS, SCHEMA, TTL_GROUPS};
use super::txn::failed;
use super::writer::begin;
use super::{Error, Found, Span, WriteTxn};

/// The step that makes schema `to` out of the one before it.
pub(super) struct Step {
    pub(super) to: u64,
    pub(super) run: fn(&WriteTxn) -> Result<(), Error>,
}

/// All steps, in order; schema 1 is the first.
pub(super) const STEPS: &[Step] = &[
    Step { to: 2, run: list_what_was_not },
    // Schema 3 may have a journal beside it ([`super::journal`]). No row is another; but a Larder
    // that knows nothing of journals would leave one behind that is older than the file.
    Step { to: 3, run: |_| Ok(()) },
    // Schema 4 may have rows in the index of digests whose blobs are gone, which a Larder that
    // knows nothing of [`LAPSED`](super::schema::LAPSED) takes for damage.
    Step { to: 4, run: |_| Ok(()) },
];

/// Schema 2 has groups and projects in the order of lists, and knows which caches go by their age.
/// What cannot be read is left to `check`, which says so: it is no reason to open nothing.
fn list_what_was_not(txn: &WriteTxn) -> Result<(), Error> {
    for row in GROUPS.cursor(txn, Span::all()) {
        let Found::Row(id, group) = row? else { continue };
        for (by, text) in group.listed() {
            LISTED.put(txn, &(by, (text, id)), &())?;
        }
    }
    for row in PROJECTS.cursor(txn, Span::all()) {
        let Found::Row(id, project) = row? else { continue };
        for (by, text) in project.listed() {
            LISTED.put(txn, &(by, (text, id.governed())), &())?;
        }
    }
    for row in PROXY_GROUPS.cursor(txn, Span::all()) {
        let Found::Row(id, proxy) = row? else { continue };
        if proxy.ttl.enabled {
            TTL_GROUPS.put(txn, &id, &())?;
        }
    }
    Ok(())
}

/// Brings the file to the newest schema, or refuses one that is newer still.
pub(super) fn run(database: &redb::Database, steps: &[Step]) -> Result<(), Error> {
    let newest = steps.last().map_or(SCHEMA, |step| step.to);
    let found = prepare(database, newest)?;
    if found > newest {
        return Err(Error::Newer { found, known: newest });
    }
    for step in steps.iter().filter(|step| step.to > found) {
        log::info!("bringing the database to schema {}", step.to);
        transact(database, |txn| {
            (step.run)(txn)?;
            META.put(txn, &Meta::SCHEMA, &step.to)
        })?;
    }
    Ok(())
}

/// Reads the schema number; a new file gets the newest one. A newer file is not touched.
fn prepare(database: &redb::Database, newest: u64) -> Result<u64, Error> {
    transact(database, |txn| {
        let found = META.get(txn, &Meta::SCHEMA)?;
        if found.is_none_or(|found| found <= newest) {
            txn.make_tables()?;
        }
        if found.is_none() {
            META.put(txn, &Meta::SCHEMA, &newest)?;
        }
        Ok(found.unwrap_or(newest))
    })
}

fn transact<T>(
    database: &redb::Database,
    change: impl Fn(&WriteTxn) -> Result<T, Error>,
) -> Result<T, Error> {
    let txn = begin(database)?;
    let result = {
        let txn = WriteTxn::new(&txn);
        change(&txn).and_then(|value| txn.flush().map(|()| value))
    };
    match result {
        Ok(value) => txn.commit().map_err(failed).map(|()| value),
        Err(error) => {
            txn.abort().map_err(failed)?;
            Err(error)
        }
    }
}
