//! Recounts the index of products from the metadata of jobs.

use std::collections::{BTreeMap, BTreeSet};

use super::Audit;
use crate::db::Span;
use crate::db::schema::{BRANCHES, FEEDERS, FEEDS, FORMATS, JOBS, NODES, TAGS, VERSIONS};
use crate::model::{JobId, Node, RepoId, VersionId, VersionKey, VersionNames};

impl Audit {
    pub(super) fn products(&mut self) {
        self.feeds_of_live_jobs();
        let feeds: BTreeMap<_, _> = self.rows(&FEEDS).into_iter().collect();
        let listed: BTreeSet<(VersionId, JobId)> =
            self.rows(&FEEDERS).into_iter().map(|(key, ())| key).collect();
        let fed = feeds.iter().map(|(job, feed)| (feed.version, *job)).collect();
        self.same("jobs of versions", listed.clone(), fed);
        for job in feeds.keys() {
            let is_there = NODES.has(&self.snapshot, &Node::Job(*job)).unwrap();
            self.same(&format!("{job:?}, which feeds a version, is there"), is_there, true);
        }
        let lists: BTreeSet<_> = listed.iter().map(|(version, _)| *version).collect();
        for (key, version) in self.rows(&VERSIONS) {
            self.same(&format!("{key:?} is fed"), lists.contains(&version.id), true);
        }
    }

    fn feeds_of_live_jobs(&mut self) {
        let mut formats = BTreeSet::new();
        for (repo, job) in self.live_jobs() {
            let names = VersionNames::of(&job.metadata).unwrap();
            let feed = FEEDS.get(&self.snapshot, &job.id).unwrap();
            let key = names.map(|names| VersionKey { repo, names });
            let what = format!("the version of {:?}", job.id);
            self.same(&what, feed.as_ref().map(|feed| feed.key.clone()), key);
            let Some(feed) = feed else { continue };
            let version = VERSIONS.get(&self.snapshot, &feed.key).unwrap();
            self.same(&what, version.map(|version| version.id), Some(feed.version));
            for ((_, name), _) in FORMATS.all(&self.snapshot, Span::under(&job.id)).unwrap() {
                let is_new = formats.insert((feed.version, name.to_string()));
                self.same(&format!("{name} of {:?} comes from one job", feed.key), is_new, true);
            }
        }
    }

    fn live_jobs(&self) -> Vec<(RepoId, crate::model::Job)> {
        let mut found = Vec::new();
        for ((repo, _), branch) in self.rows(&BRANCHES) {
            for (_, tag) in TAGS.all(&self.snapshot, Span::under(&branch.id)).unwrap() {
                let jobs = JOBS.all(&self.snapshot, Span::under(&tag.id)).unwrap();
                found.extend(jobs.into_iter().map(|(_, job)| (repo, job)));
            }
        }
        found
    }
}
