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
