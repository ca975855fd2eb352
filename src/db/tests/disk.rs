//! [`TestDisk`]: a disk in memory that can lose power and fail on demand.
//!
//! What was not synced is kept as a list of writes, so that a loss of power can keep none of them
//! or any part of them, as real disks do. Handles from before a loss of power answer nothing.
//! It has two files, so that one can have a journal: power and faults are of the whole disk.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::random::Random;
use crate::db::OpenDisk;
use crate::db::journal::Journaled;

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The database's, and its journal.
    files: [Contents; 2],
    /// Writes, resizes and syncs so far.
    ops: u64,
    syncs: u64,
    /// Raised by every loss of power.
    boot: u64,
    faults: Vec<Fault>,
    space_max: Option<u64>,
    ballast: u64,
    was_full: bool,
}

/// One file.
#[derive(Clone, Debug, Default)]
struct Contents {
    live: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Op>,
}

#[derive(Clone, Debug)]
enum Op {
    Write(usize, Vec<u8>),
    Resize(usize),
}

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Read,
    Write,
    Resize,
    Sync,
    /// Every call that changes something.
    Change,
}

/// How often they fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    Once,
    Forever,
}

/// What a loss of power does to what was not synced.
pub(crate) enum Unsynced<'r> {
    Dropped,
    PartlyKept(&'r mut Random),
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    on: On,
    /// Calls of that kind that still succeed.
    after: u64,
    lasts: Lasts,
    kind: ErrorKind,
}

#[derive(Debug)]
pub(crate) struct Handle {
    disk: TestDisk,
    boot: u64,
    file: usize,
}

impl TestDisk {
    pub(crate) fn opener(&self) -> OpenDisk {
        let disk = self.clone();
        Arc::new(move || Ok(Box::new(disk.handle(0))))
    }

    /// As [`Self::opener`], with a journal of so many bytes.
    pub(crate) fn journaled_opener(&self, journal_bytes: usize) -> OpenDisk {
        let disk = self.clone();
        Arc::new(move || Ok(Box::new(disk.journaled(journal_bytes)?)))
    }

    pub(in crate::db) fn journaled(&self, journal_bytes: usize) -> io::Result<Journaled> {
        let mut state = self.state();
        let Contents { live, synced, .. } = &mut state.files[1];
        if live.is_empty() {
            (*live, *synced) = (vec![0; journal_bytes], vec![0; journal_bytes]);
        }
        drop(state);
        Journaled::open(Arc::new(self.handle(0)), Box::new(self.handle(1)))
    }

    /// File 0 is the database's, file 1 its journal.
    pub(crate) fn handle(&self, file: usize) -> Handle {
        Handle { disk: self.clone(), boot: self.state().boot, file }
    }

    /// Lets a call fail after `after` more of its kind: [`ErrorKind::StorageFull`] is ENOSPC,
    /// [`ErrorKind::Other`] stands for EIO.
    pub(crate) fn fail(&self, on: On, after: u64, lasts: Lasts, kind: ErrorKind) {
        self.state().faults.push(Fault { on, after, lasts, kind });
    }

    pub(crate) fn heal(&self) {
        self.state().faults.clear();
    }

    pub(crate) fn power_loss(&self, unsynced: Unsynced) {
        let mut state = self.state();
        let mut unsynced = unsynced;
        for file in &mut state.files {
            let mut live = file.synced.clone();
            if let Unsynced::PartlyKept(random) = &mut unsynced {
                for op in &file.unsynced {
                    if matches!(op, Op::Resize(_)) || random.one_in(2) {
                        op.apply(&mut live);
                    }
                }
            }
            *file = Contents { synced: live.clone(), live, unsynced: Vec::new() };
        }
        state.faults.clear();
        state.boot += 1;
    }

    /// From now on the file may not grow beyond `room` more bytes; `ballast` more come free when
    /// somebody makes room.
    pub(crate) fn limit_growth(&self, room: u64, ballast: u64) {
        let mut state = self.state();
        state.space_max = Some(len(&state.files[0].live) + room);
        state.ballast = ballast;
    }

    pub(crate) fn unlimit(&self) {
        self.state().space_max = None;
    }

    /// Lets the ballast go if the disk was full since the last time, and tells whether it did.
    pub(crate) fn make_room(&self) -> bool {
        let mut state = self.state();
        if !std::mem::take(&mut state.was_full) || state.ballast == 0 {
            return false;
        }
        let ballast = std::mem::take(&mut state.ballast);
        state.space_max = state.space_max.map(|max| max + ballast);
        state.faults.retain(|fault| fault.kind != ErrorKind::StorageFull);
        true
    }

    pub(crate) fn ops(&self) -> u64 {
        self.state().ops
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl Op {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Resize(len) => bytes.resize(*len, 0),
            Self::Write(at, data) => {
                let end = at + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(data);
            }
        }
    }
}

impl State {
    fn call(&mut self, kind: On, boot: u64) -> io::Result<()> {
        if self.boot != boot {
            return Err(io::Error::other("the power was lost"));
        }
        if kind != On::Read {
            self.ops += 1;
        }
        let mut failure = None;
        self.faults.retain_mut(|fault| {
            let is_meant = fault.on == kind || (fault.on == On::Change && kind != On::Read);
            if !is_meant || failure.is_some() {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            failure = Some(fault.kind);
            fault.lasts == Lasts::Forever
        });
        self.was_full |= failure == Some(ErrorKind::StorageFull);
        failure.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl Contents {
    fn change(&mut self, op: Op) {
        op.apply(&mut self.live);
        self.unsynced.push(op);
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(len(&self.disk.state().files[self.file].live))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call(On::Read, self.boot)?;
        let start = at(offset);
        let live = &state.files[self.file].live;
        let data = live.get(start..start + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call(On::Resize, self.boot)?;
        if state.space_max.is_some_and(|max| len > max) {
            state.was_full = true;
            return Err(ErrorKind::StorageFull.into());
        }
        state.files[self.file].change(Op::Resize(at(len)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call(On::Sync, self.boot)?;
        state.syncs += 1;
        let Contents { synced, unsynced, .. } = &mut state.files[self.file];
        for op in unsynced.drain(..) {
            op.apply(synced);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call(On::Write, self.boot)?;
        state.files[self.file].change(Op::Write(at(offset), data.to_vec()));
        Ok(())
    }
}
