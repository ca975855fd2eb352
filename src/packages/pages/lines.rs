//! [`Line`] and [`Lines`]: what pages are made of.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::model::PackageId;

/// What a package puts into a page at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What no two lines of a page share: a version, the name of a file.
    pub name: String,
    /// What is drawn of it.
    pub text: Bytes,
    /// What is drawn of it elsewhere in the page, or what the frame has to know of it.
    pub beside: Bytes,
}

impl Line {
    /// Memory in bytes, roughly.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.text.len() + self.beside.len()
    }
}

/// The lines of a page, those of the oldest package first.
pub struct Lines<'a> {
    all: Vec<&'a Line>,
}

impl<'a> Lines<'a> {
    /// Of what several projects have, the newest line of a name stays.
    pub(super) fn new(projects: &'a [BTreeMap<PackageId, Arc<[Line]>>]) -> Self {
        let all = match projects {
            [one] => one.values().flat_map(|lines| lines.iter()).collect(),
            several => merged(several),
        };
        Self { all }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a Line> + '_ {
        self.all.iter().copied()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Bytes of all of them, for the size of the page.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.all.iter().map(|line| line.text.len() + line.beside.len() + 2).sum()
    }
}

fn merged(projects: &[BTreeMap<PackageId, Arc<[Line]>>]) -> Vec<&Line> {
    let mut packages: Vec<_> = projects.iter().flatten().collect();
    packages.sort_unstable_by_key(|(package, _)| **package);
    let lines = || packages.iter().flat_map(|(package, lines)| lines.iter().map(|l| (*package, l)));
    let newest: HashMap<&str, &PackageId> =
        lines().map(|(package, line)| (line.name.as_str(), package)).collect();
    let stays = |(package, line): &(&PackageId, &Line)| newest[line.name.as_str()] == *package;
    lines().filter(stays).map(|(_, line)| line).collect()
}
