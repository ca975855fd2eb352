//! `why DIGEST`: who holds a blob, or until when it stays.

use std::fmt;

use serde::Serialize;

use super::text::{bytes, count, moment};
use super::{Answer, Desk, Verdict};
use crate::app::Error;
use crate::cleanup;
use crate::model::{Digest, Standing, Timestamp};
use crate::store::why::{Facts, Gone, Held, Owner, Why};

impl Desk<'_> {
    pub(super) fn why(&mut self, digest: Digest) -> Result<Answer, Error> {
        let store = self.house.store();
        let why = cleanup::why(store, digest)?;
        let verdict = Verdict::fine_if(why != Why::Unknown);
        let digest_text = digest.to_string();
        Answer::new(verdict, &Shown { digest: digest_text, why, now: store.clock().now() })
    }
}

#[derive(Serialize)]
struct Shown {
    digest: String,
    #[serde(flatten)]
    why: Why,
    #[serde(skip)]
    now: Timestamp,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Unknown => write!(f, "Nothing with digest {} is stored here.", self.digest),
            Why::Held { facts, count, owners } => {
                self.facts(f, facts)?;
                self.owners(f, *count, owners)
            }
            Why::Free { facts, until } => {
                self.facts(f, facts)?;
                write!(f, "Nothing names it. ")?;
                let end = moment(*until, self.now);
                if *until > self.now {
                    write!(f, "It is kept until {end}.")
                } else {
                    write!(f, "It was kept until {end}; the next sweep collects it.")
                }
            }
            Why::Collected { size, attempts, not_before, error, .. } => {
                let size = bytes(*size);
                write!(f, "It is collected; its {size} go with the next sweep that unlinks.")?;
                let Some(error) = error else { return Ok(()) };
                let (times, next) =
                    (count(u64::from(*attempts), "time"), moment(*not_before, self.now));
                write!(f, "\nThat failed {times}, and is tried again after {next}: {error}")
            }
        }
    }
}

/// Why a manifest stays that no tag names.
fn reason(held: &Held, now: Timestamp) -> Option<String> {
    match held.standing? {
        Standing::Held { .. } => held.names.is_empty().then(|| "named by an index".to_owned()),
        Standing::Follows => Some("as long as its subject is there".to_owned()),
        Standing::Untagged { since } => Some(format!(
            "untagged since {}: until somebody deletes it, or registry.untagged says so",
            moment(since, now)
        )),
        Standing::Doomed { .. } => None,
    }
}

impl Shown {
    fn facts(&self, f: &mut fmt::Formatter<'_>, facts: &Facts) -> fmt::Result {
        let Facts { id, size, suffix, created, pinned, .. } = facts;
        let place = match suffix {
            Some(suffix) => {
                format!("the file blobs/{}/{}.{suffix}", &self.digest[..2], self.digest)
            }
            None => "a row of the database".to_owned(),
        };
        writeln!(f, "Blob {} has {} in {place}.", id.0, bytes(*size))?;
        writeln!(f, "It arrived on {}.", moment(*created, self.now))?;
        if *pinned {
            writeln!(f, "Somebody reads it right now.")?;
        }
        Ok(())
    }

    fn owners(&self, f: &mut fmt::Formatter<'_>, all: u64, owners: &[Owner]) -> fmt::Result {
        write!(f, "{} it:", if all == 1 { "One thing names" } else { "These things name" })?;
        for Owner { path, detached, held } in owners {
            write!(f, "\n  {path}")?;
            for name in &held.names {
                write!(f, "\n    named by {name}")?;
            }
            if let Some(reason) = reason(held, self.now) {
                write!(f, "\n    {reason}")?;
            }
            if let Some(until) = held.until {
                write!(f, "\n    by an upload link until {}", moment(until, self.now))?;
            }
            if let Some(Gone { path, by, at, .. }) = detached {
                let at = moment(*at, self.now);
                write!(f, "\n    below {path}, deleted on {at} by {by}")?;
            }
        }
        let named = u64::try_from(owners.len()).unwrap_or(u64::MAX);
        if all > named {
            write!(f, "\n  and {} more", all - named)?;
        }
        Ok(())
    }
}
