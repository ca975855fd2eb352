//! How large a database gets for a payload, and whether it uses again what was freed.
//!
//! Half of the blobs are deleted at random, which is the worst case for a store that can only give
//! freed pages to later values. Defends no invariant.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use rand::seq::SliceRandom;
use redb::{Database, ReadableDatabase, ReadableTable};
use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::figures::{Failure, float, print_table, ratio};
use crate::group::{self, DIGESTS, INLINE, Mode, Place, Put, ROWS};
use crate::{fresh, size_name};

const BATCH: u64 = 64;
const DELETES_PER_COMMIT: usize = 1000;

/// Prints one line per size; all figures are multiples of the payload that lives at that moment.
pub fn measure(dir: &Path, sizes: &[usize], mib: u64) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for &size in sizes {
        let dir = fresh(dir, "growth")?;
        rows.push(measure_size(&dir.join("db"), size, (mib << 20) / u64::try_from(size)?)?);
        fs::remove_dir_all(dir)?;
    }
    let head =
        ["", "blobs", "file", "pages", "half deleted: file", "pages", "put again: file", "pages"];
    let title = format!("Size of the database by payload, {mib} MiB in batches of {BATCH}");
    print_table(&title, &head, &rows);
    Ok(())
}

fn measure_size(path: &Path, size: usize, count: u64) -> Result<Vec<String>, Failure> {
    let db = Database::create(path)?;
    let mut content = Content::new(size);
    let mut row = vec![size_name(size), count.to_string()];
    put(&db, &mut content, count)?;
    row.extend(sizes(&db, path, size, count)?);
    delete_half(&db)?;
    row.extend(sizes(&db, path, size, count - count / 2)?);
    put(&db, &mut content, count / 2)?;
    row.extend(sizes(&db, path, size, count)?);
    Ok(row)
}

fn put(db: &Database, content: &mut Content, mut count: u64) -> Result<(), Failure> {
    while count > 0 {
        let batch = count.min(BATCH);
        let puts: Vec<_> = (0..batch).map(|_| blob(content)).collect();
        group::write(db, Mode::Default, puts.iter())?;
        count -= batch;
    }
    Ok(())
}

fn blob(content: &mut Content) -> Put {
    let bytes = Bytes::copy_from_slice(content.next());
    let digest = Sha256::digest(&bytes).into();
    Put { digest, length: 0, place: Place::Inline(bytes) }
}

fn delete_half(db: &Database) -> Result<(), Failure> {
    let mut blobs = Vec::new();
    for entry in db.begin_read()?.open_table(DIGESTS)?.iter()? {
        let (digest, id) = entry?;
        blobs.push((digest.value().to_vec(), id.value()));
    }
    blobs.shuffle(&mut rand::rng());
    blobs.truncate(blobs.len() / 2);
    for slice in blobs.chunks(DELETES_PER_COMMIT) {
        let txn = Mode::Default.begin(db)?;
        let (mut digests, mut rows) = (txn.open_table(DIGESTS)?, txn.open_table(ROWS)?);
        let mut inline = txn.open_table(INLINE)?;
        for (digest, id) in slice {
            digests.remove(digest.as_slice())?;
            rows.remove(id)?;
            inline.remove(id)?;
        }
        drop((digests, rows, inline));
        txn.commit()?;
    }
    Ok(())
}

/// The file and its allocated pages, as multiples of the payload.
fn sizes(db: &Database, path: &Path, size: usize, count: u64) -> Result<[String; 2], Failure> {
    let payload = float(count * u64::try_from(size)?);
    let txn = db.begin_write()?;
    let stats = txn.stats()?;
    txn.abort()?;
    let pages = stats.allocated_pages() * u64::try_from(stats.page_size())?;
    Ok([ratio(float(fs::metadata(path)?.len()), payload), ratio(float(pages), payload)])
}
