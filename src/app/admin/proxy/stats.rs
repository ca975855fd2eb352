//! `proxy stats`: what every group has cached, by state, and what waits to be deleted.
//!
//! One snapshot, read in pages: its cost is that of a look at every entry.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::super::text::{bytes, count, moment, table};
use super::super::{Answer, Desk, Verdict};
use crate::app::Error;
use crate::model::{CachedKind, GroupId, ProxyUsage, Timestamp, Usage};
use crate::store::View;
use crate::store::cached::Waiting;

/// Groups, and entries, that are read at a time.
const PAGE: usize = 1000;

impl Desk<'_> {
    pub(super) fn proxy_stats(&mut self) -> Result<Answer, Error> {
        let view = self.house.store().view()?;
        let mut groups = Vec::new();
        let mut after = None;
        loop {
            let page = view.all_groups(after, PAGE)?;
            for (id, path, _) in page.found {
                let usage = view.proxy_usage(id)?;
                if usage != ProxyUsage::default() {
                    let states = self.states(&view, id)?;
                    groups.push(Line { group: path.to_string(), usage, states });
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let manifests = view.cached_counts(CachedKind::Manifest)?;
        let blobs = view.cached_counts(CachedKind::Blob)?;
        let shown = Shown {
            capacity: view.proxy_capacity()?,
            last_ttl_run: view.last_ttl_run()?,
            last_start: view.last_proxy_start()?,
            waiting: OnTheirWay { manifests, blobs },
            upstreams: self.upstreams(),
            groups,
            now: self.house.store().clock().now(),
        };
        Answer::new(Verdict::Fine, &shown)
    }

    fn upstreams(&self) -> Vec<Known> {
        let known = self.house.upstreams().known().into_iter().map(|source| {
            let limit = source.rate_limit();
            Known {
                url: source.url(),
                identity: source.identity().map(str::to_owned),
                limit: limit.map(|limit| limit.limit),
                remaining: limit.map(|limit| limit.remaining),
                told: limit.map(|limit| limit.told),
                outage: source.outage().map(|(_, why)| why),
            }
        });
        known.collect()
    }

    /// Entries and bytes of a group by the names of their states.
    fn states(
        &mut self,
        view: &View,
        group: GroupId,
    ) -> Result<BTreeMap<&'static str, Usage>, Error> {
        let mut states: BTreeMap<&'static str, Usage> = BTreeMap::new();
        let mut seen = 0;
        for kind in CachedKind::ALL {
            let mut last = None;
            loop {
                let page = view.cached_list(group, kind, last, PAGE)?;
                let Some((id, _)) = page.last() else { break };
                last = Some(*id);
                for (_, entry) in &page {
                    let sum = states.entry(entry.state.name()).or_default();
                    *sum = sum.plus(Usage { files: 1, bytes: entry.size });
                }
                seen += u64::try_from(page.len()).unwrap_or(0);
                self.tell("reading the cache", seen, None);
                self.check_stop("the figures")?;
            }
        }
        Ok(states)
    }
}

#[derive(Serialize)]
struct Shown {
    /// Batches of each kind that may be deleted at once.
    capacity: u64,
    last_ttl_run: Option<Timestamp>,
    last_start: Option<Timestamp>,
    waiting: OnTheirWay,
    /// Those that were asked since the server's start.
    upstreams: Vec<Known>,
    groups: Vec<Line>,
    #[serde(skip)]
    now: Timestamp,
}

/// What a registry said of how many more pulls it allows.
#[derive(Serialize)]
struct Known {
    url: String,
    identity: Option<String>,
    limit: Option<u64>,
    remaining: Option<u64>,
    told: Option<Timestamp>,
    /// Why it is not asked at the moment.
    outage: Option<String>,
}

#[derive(Serialize)]
struct OnTheirWay {
    manifests: Waiting,
    blobs: Waiting,
}

#[derive(Serialize)]
struct Line {
    group: String,
    #[serde(flatten)]
    usage: ProxyUsage,
    states: BTreeMap<&'static str, Usage>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ago = |at: Option<Timestamp>| {
            at.map_or_else(|| "not yet".to_owned(), |at| moment(at, self.now))
        };
        let capacity = format!("{} of each kind at once", count(self.capacity, "batch"));
        let mut rows = vec![
            ["to delete".to_owned(), told(&self.waiting.manifests, "manifest"), String::new()],
            [String::new(), told(&self.waiting.blobs, "blob"), String::new()],
            ["capacity".to_owned(), capacity, String::new()],
            ["ages seen".to_owned(), ago(self.last_ttl_run), String::new()],
            ["started".to_owned(), ago(self.last_start), String::new()],
        ];
        for known in &self.upstreams {
            let identity = known.identity.as_deref().unwrap_or("nobody");
            rows.push([known.url.clone(), known.left(), format!("as {identity}")]);
        }
        for line in &self.groups {
            let all = line.usage.manifests.plus(line.usage.blobs);
            let amount = format!("{}, {}", count(all.files, "entry"), bytes(all.bytes));
            rows.push([line.group.clone(), amount, line.told()]);
        }
        f.write_str(table(rows).trim_end())
    }
}

/// What waits, and why.
fn told(waiting: &Waiting, thing: &str) -> String {
    let Waiting { pending, processing, failed, parked } = waiting;
    let all = count(pending + processing + failed, thing);
    let failed = failed - parked;
    format!("{all}: {processing} in work, {failed} to be tried again, {parked} for `retry`")
}

impl Known {
    fn left(&self) -> String {
        let left = match (self.remaining, self.limit) {
            (Some(remaining), Some(limit)) => format!("{remaining} of {limit} pulls are left"),
            _ => "no limit told".to_owned(),
        };
        match &self.outage {
            Some(why) => format!("{left}, not asked now: {why}"),
            None => left,
        }
    }
}

impl Line {
    fn told(&self) -> String {
        let states = self.states.iter().map(|(name, usage)| {
            let name = if *name == "default" { "cached" } else { name };
            format!("{} {name}", usage.files)
        });
        states.collect::<Vec<_>>().join(", ")
    }
}
