//! The list of repositories: those that were pushed to and those of products, as far as the
//! caller may read them, in the order of their bytes.
//!
//! An answer looks at a bounded number of repositories. Whoever may read few of many gets short
//! parts, even empty ones, each with a `Link` to go on; the place where it goes on is told as a
//! number, so that no name is told that the caller may not read. A user's repositories are listed
//! to whoever may read them, products of users are not: they can be pulled all the same.

use std::sync::Arc;

use serde_json::json;
use warp::reply::Response;

use super::paging::{Wanted, linked};
use crate::http::failure::Failure;
use crate::http::{Request, Server, blocking, reply};
use crate::model::{Caller, ImageId, ImageName, ProductBranchPath, ProductPath, Repo, VariantPath};
use crate::registry::resolve::{container_of, product_of};
use crate::store::{self, View};

/// Repositories that one answer looks at.
const LOOKS_MAX: usize = 10_000;
/// Repositories that are read at once.
const BATCH: usize = 500;
/// Versions of a product that are looked through for a container.
const VERSIONS_MAX: usize = 256;
/// Where the list is.
const PATH: &str = "/v2/_catalog";

impl Server {
    pub(super) async fn catalog(self: &Arc<Self>, request: Request) -> Result<Response, Failure> {
        let wanted = Wanted::read(&request.query)?;
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.registry.store().view()?;
            let catalog = Catalog { server: &server, caller: &request.caller, view: &view };
            catalog.page(&wanted)
        })
        .await
    }
}

struct Catalog<'a> {
    server: &'a Server,
    caller: &'a Caller,
    view: &'a View,
}

/// Pushed repositories behind some place.
struct Pushed {
    names: Vec<String>,
    /// The last one that was looked at, when there may be more.
    stopped: Option<(ImageId, ImageName)>,
}

impl Catalog<'_> {
    fn page(&self, wanted: &Wanted) -> Result<Response, Failure> {
        let none: [&str; 0] = [];
        if wanted.count == 0 {
            return Ok(reply::json(&json!({ "repositories": none })));
        }
        let last = self.place(wanted)?;
        let Pushed { mut names, stopped } = self.pushed(&last, wanted.count + 1)?;
        let limit = wanted.count + 1;
        let end = stopped.as_ref().map(|(_, name)| name.as_str());
        names.extend(self.products(&last, end, limit)?);
        names.sort_unstable();
        names.dedup();
        let more = names.len() > wanted.count;
        names.truncate(wanted.count);
        let response = reply::json(&json!({ "repositories": names }));
        let count = wanted.count.to_string();
        let shown = names.last().or(wanted.last.as_ref()).map_or("", String::as_str);
        let pairs = [("n", count.as_str()), ("last", shown)];
        Ok(match stopped {
            _ if more => linked(response, PATH, &pairs),
            Some((id, _)) => {
                let from = id.0.to_string();
                linked(response, PATH, &[pairs[0], pairs[1], ("from", from.as_str())])
            }
            None => response,
        })
    }

    /// Behind which name the part begins.
    fn place(&self, wanted: &Wanted) -> Result<String, Failure> {
        let last = wanted.last.clone().unwrap_or_default();
        let from = wanted.other("from").and_then(|id| id.parse().ok()).map(ImageId);
        let name = from.map(|id| self.view.image_name(id)).transpose()?.flatten();
        Ok(name.map_or_else(|| last.clone(), |name| last.clone().max(name.as_str().to_owned())))
    }

    fn pushed(&self, last: &str, limit: usize) -> Result<Pushed, Failure> {
        let mut names = Vec::new();
        let mut after = ImageName::parse(last).ok();
        let mut looks = 0;
        loop {
            let batch = self.view.images(after.as_ref(), BATCH)?;
            if batch.is_empty() {
                return Ok(Pushed { names, stopped: None });
            }
            for (name, image) in batch {
                looks += 1;
                let is_shown = name.as_str() > last
                    && self.may_read(&name)
                    && self.view.has_live_content(image.id)?;
                if is_shown {
                    names.push(name.as_str().to_owned());
                }
                if names.len() >= limit || looks >= LOOKS_MAX {
                    return Ok(Pushed { names, stopped: Some((image.id, name)) });
                }
                after = Some(name);
            }
        }
    }

    /// Products behind `last` and not behind `end`. Of each level only what may lie there is
    /// looked at: below a name, all names begin with it and a slash.
    fn products(
        &self,
        last: &str,
        end: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        let repo = Repo::Shared;
        let products = self.view.products(&repo)?.into_iter();
        for (above, product) in level("", products, last, end) {
            let path = ProductPath { repo: repo.clone(), product };
            let variants = present(self.view.variants(&path))?.into_iter();
            for (above, variant) in level(&above, variants, last, end) {
                let path = VariantPath { product: path.clone(), variant };
                let branches = present(self.view.product_branches(&path))?.into_iter();
                for (name, branch) in level(&above, branches, last, end) {
                    let path = ProductBranchPath { variant: path.clone(), branch };
                    names.extend(self.product(name.trim_end_matches('/'), &path, last, end)?);
                    if names.len() >= limit {
                        return Ok(names);
                    }
                }
            }
        }
        Ok(names)
    }

    fn product(
        &self,
        name: &str,
        path: &ProductBranchPath,
        last: &str,
        end: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let Ok(image) = ImageName::parse(name) else { return Ok(None) };
        let is_within = name > last && end.is_none_or(|end| name <= end);
        if !is_within || !self.may_read(&image) || product_of(self.view, &image)?.is_none() {
            return Ok(None);
        }
        for (version, _) in present(self.view.versions(path))?.into_iter().take(VERSIONS_MAX) {
            if container_of(self.view, path, &version)?.is_some() {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }

    fn may_read(&self, name: &ImageName) -> bool {
        self.server.may_read(self.caller, &format!("/v2/{name}/"))
    }
}

/// The names of a level with what they are below, each with a slash behind, in the order that
/// what lies below has; only those below which there may be something behind `last` and not
/// behind `end`.
fn level<N: ToString>(
    above: &str,
    names: impl Iterator<Item = N>,
    last: &str,
    end: Option<&str>,
) -> Vec<(String, N)> {
    let mut found: Vec<_> = names
        .map(|name| (format!("{above}{}/", name.to_string()), name))
        .filter(|(path, _)| {
            let ends_before = path.as_str() < last && !last.starts_with(path.as_str());
            let is_name = last == path.trim_end_matches('/');
            (is_name || !ends_before) && end.is_none_or(|end| path.trim_end_matches('/') <= end)
        })
        .collect();
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Nothing is below what is not there.
fn present<T>(found: Result<Vec<T>, store::Error>) -> Result<Vec<T>, store::Error> {
    match found {
        Err(store::Error::NotFound(_)) => Ok(Vec::new()),
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_level_only_what_may_hold_the_part_is_looked_at() {
        let names = || ["a", "a-b", "b", "c"].into_iter();
        let of = |last, end| {
            level("", names(), last, end).into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        };
        assert_eq!(of("", None), ["a-b/", "a/", "b/", "c/"]);
        assert_eq!(of("a/x/y", None), ["a/", "b/", "c/"]);
        assert_eq!(of("b/x/y", None), ["b/", "c/"]);
        assert_eq!(of("", Some("b/x/y")), ["a-b/", "a/", "b/"]);
        assert_eq!(of("c/x/y", Some("c/x/z")), ["c/"]);
        assert!(of("d", None).is_empty());
    }
}
