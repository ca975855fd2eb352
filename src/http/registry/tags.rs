//! The tags of a repository, those that the caller may pull, in the order of their bytes.
//!
//! `latest` is among them where it is an alias (spec dlrepo §11). An answer looks at a bounded
//! number of tags: where very many were just deleted, parts may be short, even empty, each with a
//! `Link` to go on. Deliberately absent: rights to the list, which the guard asked about before.

use std::sync::Arc;

use serde::Serialize;
use warp::reply::Response;

use super::manifests::{exists, name_unknown};
use super::paging::{Wanted, linked};
use crate::http::failure::Failure;
use crate::http::{Request, Server, blocking, reply};
use crate::model::image::IMAGE_TAG_LENGTH_MAX;
use crate::model::{Caller, ImageName, ImageTagName, ProductBranchPath, TagRef};
use crate::registry::resolve::{container_of, product_of};
use crate::store::image_tags::{TagPage, TagsMax};
use crate::store::{self, View};

/// The alias that is listed.
const LATEST: &str = "latest";
/// Tags that one answer looks at.
const LOOKS_MAX: usize = 10_000;

#[derive(Serialize)]
struct TagList<'a> {
    name: &'a str,
    tags: Vec<&'a str>,
}

impl Server {
    pub(super) async fn image_tags(
        self: &Arc<Self>,
        request: Request,
        name: ImageName,
    ) -> Result<Response, Failure> {
        let wanted = Wanted::read(&request.query)?;
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.registry.store().view()?;
            if !exists(&view, &name)? {
                return Err(name_unknown(&name).into());
            }
            let list =
                Listing { server: &server, caller: &request.caller, view: &view, name: &name };
            list.page(&wanted)
        })
        .await
    }
}

struct Listing<'a> {
    server: &'a Server,
    caller: &'a Caller,
    view: &'a View,
    name: &'a ImageName,
}

impl Listing<'_> {
    fn page(&self, wanted: &Wanted) -> Result<Response, Failure> {
        let mut page = TagPage::default();
        if wanted.count > 0 {
            // One more tells whether there is more.
            let (last, limit) = (wanted.last.as_deref(), wanted.count + 1);
            page = match product_of(self.view, self.name)? {
                Some(product) => {
                    let tags = self.versions(&product, last, limit)?;
                    TagPage { tags, stopped: None }
                }
                None => self.pushed(last, limit)?,
            };
        }
        let TagPage { mut tags, stopped } = page;
        let more = tags.len() > wanted.count;
        tags.truncate(wanted.count);
        let lines = tags.iter().map(ImageTagName::as_str).collect();
        let response = reply::json(&TagList { name: self.name.as_str(), tags: lines });
        let next = if more { tags.last() } else { stopped.as_ref() };
        let Some(next) = next else { return Ok(response) };
        let (path, count) = (format!("/v2/{}/tags/list", self.name), wanted.count.to_string());
        Ok(linked(response, &path, &[("n", &count), ("last", next.as_str())]))
    }

    fn pushed(&self, last: Option<&str>, limit: usize) -> Result<TagPage, Failure> {
        let keep = |tag: &ImageTagName| is_behind(tag, last) && self.may_pull(tag);
        let max = TagsMax { tags: limit, looks: limit.max(LOOKS_MAX) };
        let after = last.and_then(beginning);
        let mut page = self.view.image_tags(self.name, after.as_ref(), max, keep)?;
        let may_pull = |tag: &ImageTagName| self.may_pull(tag);
        let Ok(latest) = ImageTagName::parse(LATEST) else { return Ok(page) };
        let is_alias = is_behind(&latest, last)
            && page.stopped.as_ref().is_none_or(|stopped| latest <= *stopped)
            && self.may_pull(&latest)
            && self.view.image_tag(self.name, &latest)?.is_none()
            && self.view.image_alias(self.name, &TagRef::Latest, may_pull)?.is_some();
        if is_alias {
            insert(&mut page.tags, latest, limit);
        }
        Ok(page)
    }

    /// The versions of a product that have a container.
    fn versions(
        &self,
        product: &ProductBranchPath,
        last: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ImageTagName>, Failure> {
        let mut versions = match self.view.versions(product) {
            Err(store::Error::NotFound(_)) => Vec::new(),
            versions => versions?,
        };
        versions.sort_unstable_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        let (mut tags, mut has_any) = (Vec::new(), false);
        for (version, _) in versions {
            let Ok(tag) = ImageTagName::parse(version.as_str()) else { continue };
            // Behind the end only `latest` can be missing, for which one version is enough.
            let is_wanted = is_behind(&tag, last) && tags.len() < limit;
            if (!is_wanted && has_any) || !self.may_pull(&tag) {
                continue;
            }
            if container_of(self.view, product, &version)?.is_some() {
                has_any = true;
                tags.extend(is_wanted.then_some(tag));
            }
        }
        if let Ok(latest) = ImageTagName::parse(LATEST)
            && has_any
            && is_behind(&latest, last)
            && self.may_pull(&latest)
        {
            insert(&mut tags, latest, limit);
        }
        Ok(tags)
    }

    fn may_pull(&self, tag: &ImageTagName) -> bool {
        self.server.may_pull(self.caller, self.name, tag)
    }
}

/// The longest beginning of a text that can be a tag: nothing behind the text is before it.
fn beginning(text: &str) -> Option<ImageTagName> {
    let ends = (1..=text.len().min(IMAGE_TAG_LENGTH_MAX)).rev();
    ends.filter_map(|end| text.get(..end)).find_map(|text| ImageTagName::parse(text).ok())
}

fn is_behind(tag: &ImageTagName, last: Option<&str>) -> bool {
    last.is_none_or(|last| tag.as_str() > last)
}

/// At its place in the order, if that is within the part.
fn insert(tags: &mut Vec<ImageTagName>, tag: ImageTagName, limit: usize) {
    if let Err(at) = tags.binary_search(&tag) {
        tags.insert(at, tag);
        tags.truncate(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_near_any_text() {
        let long = "x".repeat(300);
        for (text, found) in [
            ("v1", Some("v1")),
            ("v1/x", Some("v1")),
            ("v1é", Some("v1")),
            ("-", None),
            ("é", None),
            ("", None),
            (long.as_str(), Some(&long[..IMAGE_TAG_LENGTH_MAX])),
        ] {
            assert_eq!(beginning(text).as_ref().map(ImageTagName::as_str), found, "{text}");
        }
    }
}
