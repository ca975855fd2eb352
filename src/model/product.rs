//! Versions of products: what jobs feed by their metadata (spec dlrepo §10).
//!
//! A product, its variants and their branches are no records: they exist as long as a version
//! below them does.

use super::{
    NameError, ProductBranchName, ProductName, RepoId, Timestamp, VariantName, VersionId,
    VersionName, VersionRef,
};

/// The keys of a job's metadata that together name a version.
const KEYS: [&str; 4] = ["product", "product_variant", "product_branch", "version"];

/// The names that lead to a version within a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNames {
    /// The product.
    pub product: ProductName,
    /// One of its variants.
    pub variant: VariantName,
    /// A branch of that.
    pub branch: ProductBranchName,
    /// A version of that.
    pub version: VersionName,
}

/// Why metadata cannot lead to a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// A value is no name.
    #[error("the metadata {key} cannot name a version: {why}")]
    Name {
        /// Which.
        key: &'static str,
        /// Why not.
        why: NameError,
    },
    /// The alias of that name would hide it.
    #[error("no version can be called {0:?}, which is an alias: choose another name")]
    Alias(String),
}

impl VersionNames {
    /// The version that a job with this metadata feeds, if it has all four keys. `metadata` is
    /// sorted by key.
    ///
    /// # Errors
    /// [`VersionError`] when it has them, but no version can have these names.
    pub fn of(metadata: &[(String, String)]) -> Result<Option<Self>, VersionError> {
        let value = |key: &str| {
            let at = metadata.binary_search_by(|(known, _)| known.as_str().cmp(key)).ok()?;
            Some(metadata.get(at)?.1.as_str())
        };
        let [Some(product), Some(variant), Some(branch), Some(version)] = KEYS.map(value) else {
            return Ok(None);
        };
        let refuse = |key| move |why| VersionError::Name { key, why };
        let version_ref = VersionRef::parse(version).map_err(refuse(KEYS[3]))?;
        let VersionRef::Named(version) = version_ref else {
            return Err(VersionError::Alias(version.to_owned()));
        };
        Ok(Some(Self {
            product: ProductName::parse(product).map_err(refuse(KEYS[0]))?,
            variant: VariantName::parse(variant).map_err(refuse(KEYS[1]))?,
            branch: ProductBranchName::parse(branch).map_err(refuse(KEYS[2]))?,
            version,
        }))
    }
}

/// Where a version is: the key of its record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionKey {
    /// The repository of the jobs that feed it.
    pub repo: RepoId,
    /// The names within it.
    pub names: VersionNames,
}

/// The record of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// What the jobs that feed it are keyed by. One that nobody fed any more for a while is
    /// another one when it comes back.
    pub id: VersionId,
    /// When the first of those jobs named it.
    pub created: Timestamp,
}

/// Which version a job feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The version.
    pub version: VersionId,
    /// Where it is.
    pub key: VersionKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(values: [&str; 4]) -> Vec<(String, String)> {
        let mut pairs: Vec<_> =
            KEYS.iter().zip(values).map(|(key, value)| ((*key).into(), value.into())).collect();
        pairs.push(("zzz".into(), "a/b".into()));
        pairs.sort();
        pairs
    }

    #[test]
    fn four_keys_name_a_version() {
        let full = metadata(["P", "v", "b", "1.0"]);
        let names = VersionNames::of(&full).unwrap().unwrap();
        let VersionNames { product, variant, branch, version } = names;
        let found = [product.as_str(), variant.as_str(), branch.as_str(), version.as_str()];
        assert_eq!(found, ["p", "v", "b", "1.0"]);
        for key in KEYS {
            let mut fewer = full.clone();
            fewer.retain(|(known, _)| known != key);
            assert_eq!(VersionNames::of(&fewer), Ok(None), "{key}");
        }
    }

    #[test]
    fn what_can_name_no_version_is_told_with_its_key() {
        for (at, key) in KEYS.into_iter().enumerate() {
            for bad in ["a/b", ".a", "..", "a\0"] {
                let mut values = ["p", "v", "b", "x"];
                values[at] = bad;
                let refused = VersionNames::of(&metadata(values)).unwrap_err();
                assert!(matches!(&refused, VersionError::Name { key: k, .. } if *k == key));
                assert!(refused.to_string().contains(key), "{refused}");
            }
        }
        for alias in ["latest", "Stable", "oldstable"] {
            let refused = VersionNames::of(&metadata(["p", "v", "b", alias]));
            assert_eq!(refused, Err(VersionError::Alias(alias.into())));
        }
    }
}
