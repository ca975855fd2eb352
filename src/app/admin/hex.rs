//! A digest as the 64 hex digits that people write, for `serde(with)`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::model::Digest;

pub(super) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(digest)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(from)?;
    Digest::parse(&text).ok_or_else(|| D::Error::custom("a SHA-256 has 64 hex digits"))
}
