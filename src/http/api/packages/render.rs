//! Packages and their files as GitLab's clients read them (spec gitlab §3.2).

use serde_json::{Value, json};

use crate::http::api::render::moment;
use crate::model::{Package, PackageId, PackageTag, PackageTagName};
use crate::store::package_lists::{
    Direction, Listed, PackageFilter, PackageList, PackageOrder, Part, Place, series_of,
};
use crate::store::{Error, View};

/// Other versions that are told of a package, at most.
const VERSIONS_MAX: usize = 10_000;

/// What lines are read from.
pub(super) struct Lines<'a> {
    pub(super) view: &'a View,
    /// The server's address as people use it.
    pub(super) address: &'a str,
}

impl Lines<'_> {
    /// A package of the project with this path.
    pub(super) fn package(
        &self,
        id: PackageId,
        package: &Package,
        path: &str,
        may_destroy: bool,
    ) -> Result<Value, Error> {
        let mut links = json!({ "web_path": format!("/{path}/-/packages/{}", id.0) });
        if may_destroy {
            let (address, project) = (self.address, package.project.0);
            let path = format!("{address}/api/v4/projects/{project}/packages/{}", id.0);
            links["delete_api_path"] = path.into();
        }
        let downloaded = self.view.package_downloaded(id)?;
        Ok(json!({
            "id": id.0,
            "name": package.title,
            "version": package.version,
            "package_type": package.kind,
            "status": package.status,
            "status_message": package.status_message,
            "_links": links,
            "created_at": moment(package.created),
            "last_downloaded_at": downloaded.map(moment),
            "tags": self.tags(id)?,
            "pipelines": [],
        }))
    }

    /// The other versions of a package that lists show, by version as text.
    pub(super) fn versions(&self, id: PackageId, package: &Package) -> Result<Vec<Value>, Error> {
        let Some(series) = series_of(package) else { return Ok(Vec::new()) };
        let list = PackageList {
            places: vec![Place { project: package.project, path: String::new() }],
            filter: PackageFilter {
                kind: Some(package.kind),
                series: Some(series.name),
                but: Some(id),
                ..PackageFilter::default()
            },
            order: PackageOrder::Version,
            direction: Direction::Ascending,
        };
        let all = Part { take: VERSIONS_MAX, ..Part::default() };
        let page = self.view.list_packages(&list, &all)?;
        page.packages.iter().map(|listed| self.version(listed)).collect()
    }

    fn version(&self, Listed { id, package, .. }: &Listed) -> Result<Value, Error> {
        Ok(json!({
            "id": id.0,
            "version": package.version,
            "created_at": moment(package.created),
            "tags": self.tags(*id)?,
            "pipelines": [],
        }))
    }

    fn tags(&self, id: PackageId) -> Result<Vec<Value>, Error> {
        let tags = self.view.tags_of_package(id)?;
        Ok(tags.into_iter().map(|(name, tag)| tag_line(id, &name, &tag)).collect())
    }
}

fn tag_line(package: PackageId, name: &PackageTagName, tag: &PackageTag) -> Value {
    json!({
        "id": tag.id.0,
        "package_id": package.0,
        "name": name.as_str(),
        "created_at": moment(tag.created),
        "updated_at": moment(tag.updated),
    })
}
