//! Settings of the registry that are not about rights.

use super::{Alias, DAY, NO_TIME, SECOND, Setting, YEAR};
use crate::config::kind::Kind;

pub(super) const UPLOAD_LINK: Setting = Setting {
    section: "registry",
    flag: "registry-upload-link",
    help: "How long a repository keeps blobs and manifests that nothing in it names",
    alias: Alias::None,
    kind: Kind::Time(NO_TIME..=YEAR, |s| &mut s.registry.upload_link),
};

pub(super) const UNTAGGED: Setting = Setting {
    section: "registry",
    flag: "registry-untagged",
    help: "How long repositories keep manifests that no tag or index names; the first match",
    alias: Alias::None,
    kind: Kind::Untagged(|s| &mut s.registry.untagged),
};

pub(super) const TOKEN_LIFETIME: Setting = Setting {
    section: "registry",
    flag: "registry-token-lifetime",
    help: "How long a token that the registry issues for a login is worth something",
    alias: Alias::None,
    kind: Kind::Time(SECOND..=DAY, |s| &mut s.registry.token_lifetime),
};
