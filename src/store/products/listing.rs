//! What readers see of products: only versions that a job feeds, and the levels above them (I8).

use std::cmp::Reverse;
use std::ops::ControlFlow;

use super::{feeders, is_fed};
use crate::db::keys::{Key, PrefixOf};
use crate::db::schema::{FORMATS, VERSIONS};
use crate::db::{Rows, Span};
use crate::model::{
    FormatName, FormatPath, ProductBranchName, ProductBranchPath, ProductName, ProductPath, Repo,
    RepoId, Timestamp, VariantName, VariantPath, Version, VersionFormatPath, VersionKey,
    VersionName, VersionNames, VersionPath, VersionRef,
};
use crate::store::{Error, View, repos};

/// A version as readers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionState {
    /// Since when there is such a version.
    pub created: Timestamp,
    /// A job that feeds it is in a locked tag.
    pub locked: bool,
    /// A job that feeds it was published.
    pub released: bool,
    /// A job that feeds it is in a stable tag.
    pub stable: bool,
}

type ProductKey = (RepoId, ProductName);
type VariantKey = (ProductKey, VariantName);
type BranchKey = (VariantKey, ProductBranchName);

impl View {
    /// The products of a repository, by name.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn products(&self, repo: &Repo) -> Result<Vec<ProductName>, Error> {
        let Some(repo) = repos::id(&self.snapshot, repo)? else { return Ok(Vec::new()) };
        self.level(&repo, |names| names.product.clone())
    }

    /// The variants of a product, by name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn variants(&self, path: &ProductPath) -> Result<Vec<VariantName>, Error> {
        let found = match self.product_key(path)? {
            Some(key) => self.level(&key, |names| names.variant.clone())?,
            None => Vec::new(),
        };
        present(found, path)
    }

    /// The branches of a variant, by name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn product_branches(&self, path: &VariantPath) -> Result<Vec<ProductBranchName>, Error> {
        let found = match self.variant_key(path)? {
            Some(key) => self.level(&key, |names| names.branch.clone())?,
            None => Vec::new(),
        };
        present(found, path)
    }

    /// The versions of a product's branch, by name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn versions(
        &self,
        path: &ProductBranchPath,
    ) -> Result<Vec<(VersionName, VersionState)>, Error> {
        let mut found = Vec::new();
        for (name, version) in self.version_rows(path)? {
            found.extend(self.state(&version)?.map(|state| (name, state)));
        }
        present(found, path)
    }

    /// Whether a product's branch has any version, without looking at all of them.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn check_product_branch(&self, path: &ProductBranchPath) -> Result<(), Error> {
        match self.branch_key(path)? {
            Some(key) if has_fed(&self.snapshot, Span::under(&key))? => Ok(()),
            _ => Err(Error::NotFound(path.to_string())),
        }
    }

    /// A version.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn version(&self, path: &VersionPath) -> Result<VersionState, Error> {
        let state = match self.version_row(path)? {
            Some(version) => self.state(&version)?,
            None => None,
        };
        state.ok_or_else(|| Error::NotFound(path.to_string()))
    }

    /// The formats of a version, by name, and where each of them really is.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn version_formats(
        &self,
        path: &VersionPath,
    ) -> Result<Vec<(FormatName, FormatPath)>, Error> {
        let Some(version) = self.version_row(path)? else {
            return Err(Error::NotFound(path.to_string()));
        };
        let jobs = feeders(&self.snapshot, version.id)?;
        let mut found: Vec<(FormatName, FormatPath)> = Vec::new();
        for feeder in &present(jobs, path)? {
            for (name, _) in self.formats(feeder.job.id)? {
                found.push((name.clone(), feeder.path.clone().format(name)));
            }
        }
        // Of two that are called the same, which cannot be, the older job's one is shown.
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.dedup_by(|a, b| a.0 == b.0);
        Ok(found)
    }

    /// Where a format of a version really is.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn version_format(&self, path: &VersionFormatPath) -> Result<FormatPath, Error> {
        if let Some(version) = self.version_row(&path.version)? {
            for feeder in feeders(&self.snapshot, version.id)? {
                if FORMATS.has(&self.snapshot, &(feeder.job.id, path.format.clone()))? {
                    return Ok(feeder.path.format(path.format.clone()));
                }
            }
        }
        Err(Error::NotFound(path.to_string()))
    }

    /// The version that a URL's segment stands for, among those that `is_readable` says yes to.
    /// Newest by creation; ties by id.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Db`].
    pub fn resolve_version(
        &self,
        path: &ProductBranchPath,
        version: &VersionRef,
        is_readable: impl Fn(&VersionPath) -> bool,
    ) -> Result<VersionName, Error> {
        let (mut skipped, stable_only) = match version {
            VersionRef::Named(name) => return Ok(name.clone()),
            VersionRef::Latest => (0, false),
            VersionRef::Stable => (0, true),
            VersionRef::OldStable => (1, true),
        };
        let mut rows = self.version_rows(path)?;
        rows.sort_by_key(|(_, version)| Reverse((version.created, version.id)));
        for (name, version) in rows {
            let at = VersionPath { branch: path.clone(), version: name };
            let Some(state) = self.state(&version)?.filter(|_| is_readable(&at)) else { continue };
            if stable_only && !state.stable {
                continue;
            }
            if skipped == 0 {
                return Ok(at.version);
            }
            skipped -= 1;
        }
        Err(Error::NotFound(format!("{path}{version}/")))
    }

    /// The names at one level below which a job feeds a version. Of each name, versions are
    /// looked at until one is found that lives.
    fn level<P, N>(&self, above: &P, name: fn(&VersionNames) -> N) -> Result<Vec<N>, Error>
    where
        P: PrefixOf<VersionKey> + Clone,
        N: Key + Clone,
        (P, N): PrefixOf<VersionKey>,
    {
        let mut names = Vec::new();
        let mut span = Span::under(above);
        while let Some((key, _)) = VERSIONS.first(&self.snapshot, span)? {
            let at = (above.clone(), name(&key.names));
            if has_fed(&self.snapshot, Span::under(&at))? {
                names.push(at.1.clone());
            }
            span = Span::under(above).beyond(&at);
        }
        Ok(names)
    }

    fn product_key(&self, path: &ProductPath) -> Result<Option<ProductKey>, Error> {
        let repo = repos::id(&self.snapshot, &path.repo)?;
        Ok(repo.map(|repo| (repo, path.product.clone())))
    }

    fn variant_key(&self, path: &VariantPath) -> Result<Option<VariantKey>, Error> {
        Ok(self.product_key(&path.product)?.map(|key| (key, path.variant.clone())))
    }

    fn branch_key(&self, path: &ProductBranchPath) -> Result<Option<BranchKey>, Error> {
        Ok(self.variant_key(&path.variant)?.map(|key| (key, path.branch.clone())))
    }

    fn version_row(&self, path: &VersionPath) -> Result<Option<Version>, Error> {
        let Some(repo) = repos::id(&self.snapshot, path.repo())? else { return Ok(None) };
        Ok(VERSIONS.get(&self.snapshot, &VersionKey { repo, names: path.names() })?)
    }

    /// All versions of a branch, those that nothing feeds any more included.
    fn version_rows(&self, path: &ProductBranchPath) -> Result<Vec<(VersionName, Version)>, Error> {
        let Some(key) = self.branch_key(path)? else { return Ok(Vec::new()) };
        let rows = VERSIONS.all(&self.snapshot, Span::under(&key))?;
        Ok(rows.into_iter().map(|(key, version)| (key.names.version, version)).collect())
    }

    /// `None` when nothing feeds it.
    fn state(&self, version: &Version) -> Result<Option<VersionState>, Error> {
        let jobs = feeders(&self.snapshot, version.id)?;
        Ok((!jobs.is_empty()).then(|| VersionState {
            created: version.created,
            locked: jobs.iter().any(|feeder| feeder.tag.locked),
            released: jobs.iter().any(|feeder| feeder.job.released),
            stable: jobs.iter().any(|feeder| feeder.tag.stable),
        }))
    }
}

/// A level without anything below is not there.
fn present<T>(found: Vec<T>, path: &impl std::fmt::Display) -> Result<Vec<T>, Error> {
    if found.is_empty() { Err(Error::NotFound(path.to_string())) } else { Ok(found) }
}

/// Whether a job feeds any of the versions.
fn has_fed(rows: &impl Rows, span: Span<VersionKey>) -> Result<bool, Error> {
    let mut found = false;
    VERSIONS.each(rows, span, |_, version| {
        found = is_fed(rows, version.id)?;
        Ok::<_, Error>(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}
