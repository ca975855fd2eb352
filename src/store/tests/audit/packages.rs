//! Recounts what packages derive from their records, files and moving names.

use std::collections::{BTreeMap, BTreeSet};

use super::{Audit, map};
use crate::db::schema::{
    BLOBS, DETACHED, META, Meta, PACKAGE_DOWNLOADS, PACKAGE_FILE_NAMES, PACKAGE_FILES,
    PACKAGE_FILES_IN, PACKAGE_METAS, PACKAGE_NAMES, PACKAGE_TAGS, PACKAGE_TAGS_OF, PACKAGES,
    PACKAGES_IN, PROJECT_USAGE, PROJECTS, SERIES, SERIES_AT, SERIES_CHANGES,
};
use crate::model::{
    BlobId, Node, Package, PackageFile, PackageId, PackageStatus, ProjectId, ProjectUsage,
    Referrer, Revision, SeriesKey, Usage,
};
use crate::store::packages::{file_name_of, is_live, key_of};

impl Audit {
    /// References of packages: a file holds its bytes, marked or not.
    pub(super) fn package_references(&self) -> Vec<((BlobId, Referrer), ())> {
        let files = self.rows(&PACKAGE_FILES).into_iter();
        files.map(|(id, file)| ((file.blob, Referrer::PackageFile(id)), ())).collect()
    }

    /// All that names lead to, and all that is on its way out.
    pub(super) fn package_usage(&self) -> (Usage, Usage) {
        let sums = (Usage::default(), Usage::default());
        self.counted_projects().values().fold(sums, |(live, pending), usage| {
            (live.plus(usage.live), pending.plus(usage.pending))
        })
    }

    fn records(&self) -> BTreeMap<PackageId, Package> {
        self.rows(&PACKAGES).into_iter().collect()
    }

    fn counted_projects(&self) -> BTreeMap<ProjectId, ProjectUsage> {
        let kept: BTreeMap<_, _> = self.rows(&PROJECT_USAGE).into_iter().collect();
        let is_leaving = |id| kept.get(id).is_some_and(|usage| usage.leaving);
        let packages = self.records();
        let mut counted: BTreeMap<ProjectId, ProjectUsage> = BTreeMap::new();
        for package in packages.values() {
            counted.entry(package.project).or_default().packages += u64::from(!is_going(package));
        }
        for (_, file) in self.rows(&PACKAGE_FILES) {
            let package = &packages[&file.package];
            let usage = counted.entry(package.project).or_default();
            let is_pending =
                file.marked.is_some() || is_going(package) || is_leaving(&package.project);
            let part = if is_pending { &mut usage.pending } else { &mut usage.live };
            *part = part.plus(Usage::of(file.size));
        }
        for (id, kept) in kept {
            let usage = counted.entry(id).or_default();
            (usage.names_revision, usage.leaving) = (kept.names_revision, kept.leaving);
        }
        counted
    }

    pub(super) fn packages(&mut self) {
        let records = self.records();
        let counted = self.counted_projects();
        let kept = self.rows(&PROJECT_USAGE).into_iter().collect();
        self.same("usage of projects", kept, counted);
        self.package_records(&records);
        self.package_files(&records);
        self.series(&records);
        self.package_tags(&records);
        let projects: BTreeSet<_> = self.rows(&PROJECTS).into_iter().map(|(id, _)| id).collect();
        let strays = records.values().filter(|package| !projects.contains(&package.project));
        self.same("packages of no project", strays.count(), 0);
        let facts = self.rows(&PACKAGE_METAS).into_iter().map(|(id, _)| id);
        let facts = facts.chain(self.rows(&PACKAGE_DOWNLOADS).into_iter().map(|(id, _)| id));
        let strays: Vec<_> = facts.filter(|id| !records.contains_key(id)).collect();
        self.same("facts of no package", strays, vec![]);
    }

    fn package_records(&mut self, records: &BTreeMap<PackageId, Package>) {
        let (mut names, mut of) = (Vec::new(), Vec::new());
        let files = self.rows(&PACKAGE_FILES);
        for (id, package) in records {
            of.push(((package.project, *id), ()));
            if !is_going(package) {
                names.push(((package.project, key_of(package).unwrap()), *id));
            }
            self.is_queued(Node::Package(*id), package.project, is_going(package));
            let mine = files.iter().filter(|(_, file)| file.package == *id);
            let mine = mine.filter(|(_, file)| file.marked.is_none());
            let usage =
                mine.fold(Usage::default(), |sum, (_, file)| sum.plus(Usage::of(file.size)));
            self.same(&format!("usage of {id:?}"), package.usage, usage);
        }
        let count = names.len();
        self.same("names of packages", map(self.rows(&PACKAGE_NAMES)), map(names));
        self.same("each name is one package's", self.rows(&PACKAGE_NAMES).len(), count);
        self.same("packages of projects", map(self.rows(&PACKAGES_IN)), map(of));
        let next = META.get(&self.snapshot, &Meta::NEXT_PACKAGE).unwrap().unwrap_or(1);
        let ids = records.keys().map(|id| id.0).chain(files.iter().map(|(id, _)| id.0));
        self.same("next id of a package", ids.max().is_some_and(|id| id >= next), false);
    }

    /// What is on its way out waits to be destroyed, and nothing else does. (Where its project
    /// goes, that takes it along.)
    fn is_queued(&mut self, node: Node, project: ProjectId, is_going: bool) {
        let queue = self.rows(&DETACHED).into_iter();
        let entries = queue.filter(|(_, entry)| entry.node == node).count();
        let is_alone = is_live(&self.snapshot, project).unwrap();
        self.same(&format!("{node:?} waits once"), entries > 1, false);
        if is_alone || !is_going {
            self.same(&format!("{node:?} waits to be destroyed"), entries == 1, is_going);
        }
    }

    fn package_files(&mut self, records: &BTreeMap<PackageId, Package>) {
        let (mut of, mut names) = (Vec::new(), Vec::new());
        for (id, file) in self.rows(&PACKAGE_FILES) {
            let PackageFile { package, size, sums, marked, .. } = &file;
            let blob = BLOBS.get(&self.snapshot, &file.blob).unwrap();
            let blob = blob.map(|blob| (blob.size, blob.digest));
            self.same(&format!("bytes of {id:?}"), Some((*size, sums.sha256)), blob);
            of.push(((*package, id), ()));
            if marked.is_none() {
                names.push(((*package, (file_name_of(&file).unwrap(), id)), ()));
            }
            let at = &records[package];
            if !is_going(at) {
                self.is_queued(Node::PackageFile(id), at.project, marked.is_some());
            }
        }
        self.same("files of packages", map(self.rows(&PACKAGE_FILES_IN)), map(of));
        self.same("names of files", map(self.rows(&PACKAGE_FILE_NAMES)), map(names));
    }

    fn series(&mut self, records: &BTreeMap<PackageId, Package>) {
        let mut counts: BTreeMap<(ProjectId, SeriesKey), (u64, u64)> = BTreeMap::new();
        let mut changes = Vec::new();
        for (id, package) in records {
            let at = (package.project, key_of(package).unwrap().series);
            let revision = Revision(package.revision);
            changes.push(((at.0, (at.1.clone(), (revision, *id))), ()));
            let (count, last) = counts.entry(at).or_default();
            *count += u64::from(!is_going(package));
            *last = package.revision.max(*last);
        }
        let last = META.get(&self.snapshot, &Meta::LAST_REVISION).unwrap().unwrap_or(0);
        let (mut found, mut at) = (BTreeMap::new(), Vec::new());
        for (key, series) in self.rows(&SERIES) {
            let newest = counts.get(&key).map_or(0, |(_, newest)| *newest);
            let is_fine = newest <= series.revision && series.revision <= last;
            self.same(&format!("the revision of {key:?}"), is_fine, true);
            let is_fine = series.forgotten <= series.revision;
            self.same(&format!("what {key:?} has forgotten"), is_fine, true);
            if series.packages > 0 {
                at.push(((key.1.clone(), key.0), ()));
            }
            found.insert(key, series.packages);
        }
        let counts = counts.into_iter().map(|(key, (count, _))| (key, count)).collect();
        self.same("packages of series", found, counts);
        self.same("projects of series", map(self.rows(&SERIES_AT)), map(at));
        self.same("changes of series", map(self.rows(&SERIES_CHANGES)), map(changes));
    }

    fn package_tags(&mut self, records: &BTreeMap<PackageId, Package>) {
        let mut of = Vec::new();
        for ((project, (name, tag)), named) in self.rows(&PACKAGE_TAGS) {
            let package = records.get(&named.package);
            let says = package.map(|package| (package.project, package.name.clone()));
            self.same(&format!("{tag} of {name}"), says, Some((project, name.to_string())));
            of.push(((named.package, tag), ()));
        }
        self.same("moving names of packages", map(self.rows(&PACKAGE_TAGS_OF)), map(of));
    }
}

fn is_going(package: &Package) -> bool {
    package.status == PackageStatus::PendingDestruction
}
