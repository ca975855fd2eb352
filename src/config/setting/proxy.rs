//! Settings of the dependency proxy.

use super::{Alias, HOUR, MILLISECOND, Setting};
use crate::config::kind::Kind;

pub(super) const UPSTREAM: Setting = Setting {
    section: "proxy",
    flag: "proxy-upstream",
    help: "Registry whose images are cached for groups that name none",
    alias: Alias::None,
    kind: Kind::Url(|s| &mut s.proxy.upstream),
};

pub(super) const ALLOW: Setting = Setting {
    section: "proxy",
    flag: "proxy-allow",
    help: "Networks of upstreams besides public ones, such as 127.0.0.0/8",
    alias: Alias::None,
    kind: Kind::Networks(|s| &mut s.proxy.allow),
};

pub(super) const PATIENCE: Setting = Setting {
    section: "proxy",
    flag: "proxy-patience",
    help: "Longest wait for an upstream when something cached can be served instead",
    alias: Alias::None,
    kind: Kind::Time(MILLISECOND..=HOUR, |s| &mut s.proxy.patience),
};

pub(super) const TIMEOUT: Setting = Setting {
    section: "proxy",
    flag: "proxy-timeout",
    help: "Longest silence of an upstream when nothing cached can be",
    alias: Alias::None,
    kind: Kind::Time(MILLISECOND..=HOUR, |s| &mut s.proxy.timeout),
};

pub(super) const REQUESTS: Setting = Setting {
    section: "proxy",
    flag: "proxy-requests",
    help: "Requests to one upstream at once; more of them wait",
    alias: Alias::None,
    kind: Kind::Count(2..=10_000, |s| &mut s.proxy.requests),
};

pub(super) const KEY_FILE: Setting = Setting {
    section: "proxy",
    flag: "proxy-key-file",
    help: "File with the key of credentials, instead of proxy.key in the data folder",
    alias: Alias::None,
    kind: Kind::File(|s| &mut s.proxy.key_file),
};
