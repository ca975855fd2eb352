//! Lists of packages of a project and of a group: what is asked for, and the page of it.

use std::collections::HashMap;

use serde_json::Value;
use warp::reply::Response;

use super::render::Lines;
use crate::http::Server;
use crate::http::api::pages::{Page, TOTAL_MAX, Total};
use crate::http::api::params::{Params, no_value};
use crate::http::api::{ApiError, Asked};
use crate::http::failure::Failure;
use crate::http::route::{GroupAt, ProjectAt};
use crate::model::{Ability, PackageKind, PackageStatus, ProjectId};
use crate::store::View;
use crate::store::package_lists::{
    Depth, Direction, LOOKS_MAX, Listed, PackageFilter, PackageList, PackageOrder, Part, Place,
    Versionless,
};

/// Of what the list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Project,
    Group,
}

impl Server {
    pub(super) fn list_of_project(
        &self,
        asked: &Asked,
        at: &ProjectAt,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let found = self.project_to_read(&view, asked, at)?;
        let place = Place { project: found.id, path: found.path.to_string() };
        self.list_of(asked, &view, Of::Project, vec![place])
    }

    pub(super) fn list_of_group(&self, asked: &Asked, at: &GroupAt) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let group = self.package_group(&view, &asked.caller, at)?;
        let is_direct = asked.params.flag("exclude_subgroups")?.unwrap_or_default();
        let depth = if is_direct { Depth::Direct } else { Depth::All };
        let mut looks = LOOKS_MAX;
        let caller = &asked.caller;
        let places = self.package_places(&view, caller, group.id, depth, &mut looks)?;
        self.list_of(asked, &view, Of::Group, places)
    }

    fn list_of(
        &self,
        asked: &Asked,
        view: &View,
        of: Of,
        places: Vec<Place>,
    ) -> Result<Response, Failure> {
        let page = Page::read(&asked.params)?;
        let order = order(&asked.params, of)?;
        let direction = direction(&asked.params)?;
        let Some(filter) = filter(&asked.params)? else {
            return Ok(page.answer(asked, &[], 0));
        };
        let paths = match of {
            Of::Project => HashMap::new(),
            Of::Group => places.iter().map(|at| (at.project, at.path.clone())).collect(),
        };
        let path = places.first().map(|place| place.path.clone()).unwrap_or_default();
        let list = PackageList { places, filter, order, direction };
        let (skip, take) = (page.before(), page.lines());
        let behind = skip.saturating_add(take);
        let is_counted = list.filter.is_narrow() || is_short(view, &list.places)?;
        let count_max = if is_counted { TOTAL_MAX.max(behind) } else { behind };
        let part = Part { skip, take, count_max, ..Part::default() };
        let found = view.list_packages(&list, &part)?;
        let mut rights = HashMap::new();
        let mut lines = Vec::with_capacity(found.packages.len());
        for listed in &found.packages {
            let path = paths.get(&listed.package.project).unwrap_or(&path);
            lines.push(self.line(asked, view, of, path, listed, &mut rights)?);
        }
        Ok(page.answer_of(asked, &lines, found.total.map_or(Total::More, Total::Known)))
    }

    fn line(
        &self,
        asked: &Asked,
        view: &View,
        of: Of,
        path: &str,
        Listed { id, package, .. }: &Listed,
        rights: &mut HashMap<ProjectId, bool>,
    ) -> Result<Value, Failure> {
        let project = package.project;
        let may_destroy = if let Some(may) = rights.get(&project) {
            *may
        } else {
            let destroy = Ability::DestroyPackage;
            let may = self.may_in(view, &asked.caller, project.governed(), destroy)?;
            rights.insert(project, may);
            may
        };
        let lines = Lines { view, address: &asked.address };
        let mut line = lines.package(*id, package, path, may_destroy)?;
        if of == Of::Group {
            line["project_id"] = project.0.into();
            line["project_path"] = path.into();
        }
        Ok(line)
    }
}

/// Whether there are so few packages in all that their number is told.
fn is_short(view: &View, places: &[Place]) -> Result<bool, Failure> {
    let mut number = 0_u64;
    for place in places {
        number = number.saturating_add(view.project_usage(place.project)?.packages);
        if usize::try_from(number).is_ok_and(|number| number > TOTAL_MAX) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn order(params: &Params, of: Of) -> Result<PackageOrder, ApiError> {
    match (params.text("order_by")?.as_deref(), of) {
        (None | Some("created_at"), _) => Ok(PackageOrder::Created),
        (Some("name"), _) => Ok(PackageOrder::Name),
        (Some("version"), _) => Ok(PackageOrder::Version),
        (Some("type"), _) => Ok(PackageOrder::Kind),
        (Some("project_path"), Of::Group) => Ok(PackageOrder::ProjectPath),
        _ => Err(no_value("order_by")),
    }
}

pub(super) fn direction(params: &Params) -> Result<Direction, ApiError> {
    match params.text("sort")?.as_deref() {
        None | Some("asc") => Ok(Direction::Ascending),
        Some("desc") => Ok(Direction::Descending),
        _ => Err(no_value("sort")),
    }
}

/// What is asked for; `None`: a kind that nothing here is of.
fn filter(params: &Params) -> Result<Option<PackageFilter>, ApiError> {
    let kind = match params.given("package_type")?.as_deref() {
        None => None,
        Some(text) => match PackageKind::parse(text) {
            Some(kind) => Some(kind),
            None if PackageKind::OTHERS.contains(&text) => return Ok(None),
            None => return Err(no_value("package_type")),
        },
    };
    let status = match params.given("status")?.as_deref() {
        None => None,
        Some(text) => Some(PackageStatus::parse(text).ok_or_else(|| no_value("status"))?),
    };
    let versionless = match params.flag("include_versionless")? {
        Some(true) => Versionless::Shown,
        _ => Versionless::Hidden,
    };
    Ok(Some(PackageFilter {
        kind,
        words: PackageFilter::words_of(&params.given("package_name")?.unwrap_or_default()),
        version: params.given("package_version")?,
        versionless,
        status,
        ..PackageFilter::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Option<PackageFilter>, ApiError> {
        filter(&Asked::of_query(query).params)
    }

    #[test]
    fn parameters_say_what_is_listed() {
        let all = "package_type=npm&package_name=Foo+bar&package_version=1.0\
                   &include_versionless=true&status=hidden";
        let wanted = PackageFilter {
            kind: Some(PackageKind::Npm),
            words: vec!["foo".to_owned(), "bar".to_owned()],
            version: Some("1.0".to_owned()),
            versionless: Versionless::Shown,
            status: Some(PackageStatus::Hidden),
            ..PackageFilter::default()
        };
        assert_eq!(read(all), Ok(Some(wanted)));
        assert_eq!(read(""), Ok(Some(PackageFilter::default())));
        assert_eq!(read("package_type=conan"), Ok(None));
        for (query, name) in [("package_type=x", "package_type"), ("status=x", "status")] {
            assert_eq!(read(query), Err(no_value(name)));
        }
    }

    #[test]
    fn an_order_is_one_that_there_is() {
        let read = |query: &str, of| order(&Asked::of_query(query).params, of);
        assert_eq!(read("order_by=type", Of::Project), Ok(PackageOrder::Kind));
        assert_eq!(read("order_by=project_path", Of::Group), Ok(PackageOrder::ProjectPath));
        assert_eq!(read("order_by=project_path", Of::Project), Err(no_value("order_by")));
        let read = |query: &str| direction(&Asked::of_query(query).params);
        assert_eq!(read("sort=desc"), Ok(Direction::Descending));
        assert_eq!(read("sort=DESC"), Err(no_value("sort")));
    }
}
