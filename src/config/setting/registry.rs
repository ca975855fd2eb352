//! Settings of the registry that are not about rights.

use super::{Alias, Setting};
use crate::config::kind::Kind;

pub(super) const UNTAGGED: Setting = Setting {
    section: "registry",
    flag: "registry-untagged",
    help: "How long repositories keep manifests that no tag or index names; the first match",
    alias: Alias::None,
    kind: Kind::Untagged(|s| &mut s.registry.untagged),
};
