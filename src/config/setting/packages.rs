//! Settings of the package registry.

use super::{Alias, MIB, Setting, TIB};
use crate::config::kind::Kind;

pub(super) const PAGES_MEMORY: Setting = Setting {
    section: "package",
    flag: "package-pages-memory",
    help: "Memory for indexes that were built for package clients, least recently used out first",
    alias: Alias::None,
    kind: Kind::Size(MIB..=TIB, |s| &mut s.package.pages_memory),
};

pub(super) const GENERIC_MAX: Setting = Setting {
    section: "package",
    flag: "package-generic-max",
    help: "Largest file of a generic package; 0: no limit but the disk's",
    alias: Alias::None,
    kind: Kind::Size(0..=1024 * TIB, |s| &mut s.package.generic_max),
};

pub(super) const NPM_MAX: Setting = Setting {
    section: "package",
    flag: "package-npm-max",
    help: "Largest tarball of an npm package; 0: no limit but the disk's",
    alias: Alias::None,
    kind: Kind::Size(0..=1024 * TIB, |s| &mut s.package.npm_max),
};

pub(super) const MAVEN_MAX: Setting = Setting {
    section: "package",
    flag: "package-maven-max",
    help: "Largest file of a Maven package; 0: no limit but the disk's",
    alias: Alias::None,
    kind: Kind::Size(0..=1024 * TIB, |s| &mut s.package.maven_max),
};

pub(super) const PYPI_MAX: Setting = Setting {
    section: "package",
    flag: "package-pypi-max",
    help: "Largest file of a Python package; 0: no limit but the disk's",
    alias: Alias::None,
    kind: Kind::Size(0..=1024 * TIB, |s| &mut s.package.pypi_max),
};
