//! [`PackagePlan`]: what a project's policy would remove of a package, as a value with reasons
//! (I6; spec gitlab §8.6). The dry run, the preview and the real run are this on the same facts.
//!
//! Two rules, and a file goes when either names it. Of each name the files with the highest ids
//! stay, over the whole package, so that no number of other files between them hides any. Of the
//! time-stamped files of a Maven snapshot the newest builds stay, for each classifier and
//! extension, since their names are never the same twice.
//! Deliberately absent: finding the files, and whom a policy spares (`store`).

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::maven_package::{MavenBuild, MavenFile};
use super::{BlobId, KeepFiles, Kept, PackageFileId, PackageId, PackageKind, Usage};

/// What a policy would remove of one package, or a part of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagePlan {
    /// The package.
    pub package: PackageId,
    /// What kind of client it is for.
    pub kind: PackageKind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// The package's revision that this was planned for. Applying it to another one is refused,
    /// and the package is planned again.
    pub revision: u64,
    /// The files to remove, by name from the last to the first, the newest first.
    pub doomed: Vec<DoomedFile>,
}

impl PackagePlan {
    /// Its files and their logical bytes.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let files = self.doomed.iter();
        files.fold(Usage::default(), |usage, file| usage.plus(Usage::of(file.size)))
    }

    /// Different names among its files.
    #[must_use]
    pub fn names(&self) -> u64 {
        let mut names: Vec<_> = self.doomed.iter().map(|file| &file.name).collect();
        names.dedup();
        u64::try_from(names.len()).unwrap_or(u64::MAX)
    }

    /// The package as people write it.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// One file that a policy would remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoomedFile {
    /// The file.
    pub id: PackageFileId,
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub blob: BlobId,
    /// Their number.
    pub size: u64,
    /// Why it goes.
    pub rule: PackageRule,
}

/// Why a file goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum PackageRule {
    /// `keep_n_duplicated_package_files`.
    KeepNDuplicatedPackageFiles {
        /// How many of the newest files of one name stay.
        keep: u32,
        /// The file's place among those; the newest is number 1.
        place: u64,
    },
    /// `keep_snapshots`.
    KeepSnapshots {
        /// How many of the newest builds stay.
        keep: u32,
        /// The file's build.
        build: String,
        /// The oldest build that stays.
        oldest_kept: String,
    },
}

impl std::fmt::Display for PackageRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::KeepNDuplicatedPackageFiles { keep, place } => write!(
                f,
                "keep_n_duplicated_package_files = {keep}: number {place} of the files of this \
                 name, newest first"
            ),
            Self::KeepSnapshots { keep, build, oldest_kept } => write!(
                f,
                "keep_snapshots = {keep}: build {build} is older than {oldest_kept}, the last one \
                 that stays of its classifier and extension"
            ),
        }
    }
}

/// Judges the files of one package. Every name is shown to it once, or at least those that
/// [`Judge::wants_names`] asks for; then every file, those of one name together and the highest
/// id first.
#[derive(Clone, Debug)]
pub struct Judge {
    kept: Kept,
    /// Name and version of a Maven snapshot; `None`: the package is none.
    snapshot: Option<(String, String)>,
    /// What a build is counted among, and the newest ones of those.
    builds: HashMap<Among, BTreeSet<MavenBuild>>,
    name: Option<String>,
    place: u64,
}

impl Judge {
    /// One of this package that has seen nothing.
    #[must_use]
    pub fn new(kept: Kept, kind: PackageKind, name: &str, version: Option<&str>) -> Self {
        let version = version.filter(|_| kind == PackageKind::Maven);
        let version = version.filter(|version| version.ends_with("-SNAPSHOT"));
        let snapshot = version.map(|version| (name.to_owned(), version.to_owned()));
        Self { kept, snapshot, builds: HashMap::new(), name: None, place: 0 }
    }

    /// Whether a package's names have to be shown first.
    #[must_use]
    pub fn wants_names(&self) -> bool {
        self.kept.snapshots.is_some() && self.snapshot.is_some()
    }

    /// Takes note of a name, in any order.
    pub fn see(&mut self, name: &str) {
        let (Some(keep), Some((kind, build))) = (self.kept.snapshots, self.build(name)) else {
            return;
        };
        let among = self.builds.entry(kind).or_default();
        among.insert(build);
        if among.len() > usize::try_from(keep).unwrap_or(usize::MAX) {
            among.pop_first();
        }
    }

    /// Why the next file goes; `None`: it stays.
    pub fn judge(&mut self, name: &str) -> Option<PackageRule> {
        if self.name.as_deref() != Some(name) {
            self.name = Some(name.to_owned());
            self.place = 0;
        }
        self.place += 1;
        self.duplicate().or_else(|| self.old_build(name))
    }

    fn duplicate(&self) -> Option<PackageRule> {
        let (KeepFiles::Newest(keep), place) = (self.kept.files, self.place) else { return None };
        let rule = PackageRule::KeepNDuplicatedPackageFiles { keep, place };
        (place > u64::from(keep)).then_some(rule)
    }

    fn old_build(&self, name: &str) -> Option<PackageRule> {
        let keep = self.kept.snapshots?;
        let (kind, build) = self.build(name)?;
        let oldest = self.builds.get(&kind)?.first()?;
        let text = |build: &MavenBuild| format!("{}-{}", build.timestamp, build.number);
        (build < *oldest).then(|| PackageRule::KeepSnapshots {
            keep,
            build: text(&build),
            oldest_kept: text(oldest),
        })
    }

    /// The build that a file is of, and what it is counted among.
    fn build(&self, file: &str) -> Option<(Among, MavenBuild)> {
        let (name, version) = self.snapshot.as_ref()?;
        let file = MavenFile::read(name, version, file)?;
        Some(((file.classifier, file.extension), file.build?))
    }
}

/// Classifier and extension.
type Among = (Option<String>, String);

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(files: &str, snapshots: Option<u32>) -> Kept {
        Kept { files: KeepFiles::parse(files).unwrap(), snapshots }
    }

    fn snapshot(kept: Kept) -> Judge {
        Judge::new(kept, PackageKind::Maven, "com/acme/app", Some("1.0-SNAPSHOT"))
    }

    /// Names in the order in which the index has them, the last one first; a name as often as it
    /// has files. Tells which files go, by name and place.
    fn doomed(kept: Kept, names: &[&str]) -> Vec<String> {
        let mut judge = snapshot(kept);
        if judge.wants_names() {
            for name in names {
                judge.see(name);
            }
        }
        let mut names = names.to_vec();
        names.sort_unstable_by(|a, b| b.cmp(a));
        let mut gone = Vec::new();
        for name in names {
            if judge.judge(name).is_some() {
                gone.push(format!("{name}#{}", judge.place));
            }
        }
        gone
    }

    #[test]
    fn statement_13_of_each_name_the_newest_stay() {
        let names = ["b.pom", "a.jar", "a.jar", "a.jar"];
        assert_eq!(doomed(kept("1", None), &names), ["a.jar#2", "a.jar#3"]);
        assert_eq!(doomed(kept("10", None), &names), [""; 0]);
        assert_eq!(doomed(kept("all", None), &names), [""; 0]);
        let many = vec!["a"; 100];
        assert_eq!(doomed(kept("1", None), &many).len(), 99);
        assert_eq!(doomed(kept("50", None), &many).len(), 50);
    }

    #[test]
    fn defect_i_copies_far_apart_are_found() {
        let many: Vec<String> = (0..30_000).map(|number| format!("f{number:05}")).collect();
        let mut names: Vec<&str> = many.iter().map(String::as_str).collect();
        names.extend(["f00000", "f29999"]);
        assert_eq!(doomed(kept("1", None), &names), ["f29999#2", "f00000#2"]);
    }

    #[test]
    fn defect_j_of_each_classifier_and_extension_the_newest_builds_stay() {
        let names = [
            "app-1.0-20260101.000000-1.jar",
            "app-1.0-20260101.000000-1.pom",
            "app-1.0-20260101.000000-1-sources.jar",
            "app-1.0-20260102.000000-2.jar",
            "app-1.0-20260102.000000-2.pom",
            "app-1.0-20260103.000000-3.jar",
            "app-1.0-SNAPSHOT.jar",
            "maven-metadata.xml",
        ];
        let gone = doomed(kept("all", Some(1)), &names);
        let expected = [
            "app-1.0-20260102.000000-2.jar#1",
            "app-1.0-20260101.000000-1.pom#1",
            "app-1.0-20260101.000000-1.jar#1",
        ];
        assert_eq!(gone, expected);
        assert_eq!(doomed(kept("all", Some(2)), &names), ["app-1.0-20260101.000000-1.jar#1"]);
        assert_eq!(doomed(kept("all", Some(3)), &names), [""; 0]);
        assert_eq!(doomed(kept("1", None), &names), [""; 0]);
    }

    #[test]
    fn builds_of_one_second_go_by_their_number() {
        let names = ["app-1.0-20260101.000000-9.jar", "app-1.0-20260101.000000-10.jar"];
        assert_eq!(doomed(kept("all", Some(1)), &names), ["app-1.0-20260101.000000-9.jar#1"]);
    }

    #[test]
    fn only_maven_snapshots_have_builds() {
        let judge = |kind, version| Judge::new(kept("all", Some(1)), kind, "a/app", version);
        assert!(judge(PackageKind::Maven, Some("1.0-SNAPSHOT")).wants_names());
        for (kind, version) in [
            (PackageKind::Maven, Some("1.0")),
            (PackageKind::Maven, None),
            (PackageKind::Generic, Some("1.0-SNAPSHOT")),
        ] {
            let mut judge = judge(kind, version);
            assert!(!judge.wants_names());
            judge.see("app-1.0-20260102.000000-2.jar");
            assert_eq!(judge.judge("app-1.0-20260101.000000-1.jar"), None);
        }
    }

    #[test]
    fn a_reason_is_a_sentence_with_numbers() {
        let mut judge = snapshot(kept("1", Some(1)));
        for name in ["app-1.0-20260101.000000-1.jar", "app-1.0-20260102.000000-2.jar"] {
            judge.see(name);
        }
        let reasons: Vec<_> = ["b", "b", "app-1.0-20260101.000000-1.jar"]
            .iter()
            .filter_map(|name| judge.judge(name))
            .map(|rule| rule.to_string())
            .collect();
        assert_eq!(
            reasons,
            [
                "keep_n_duplicated_package_files = 1: number 2 of the files of this name, newest \
                 first",
                "keep_snapshots = 1: build 20260101.000000-1 is older than 20260102.000000-2, the \
                 last one that stays of its classifier and extension",
            ]
        );
    }
}
