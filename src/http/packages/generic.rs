//! Generic packages over HTTP (spec gitlab §4): a file is PUT as it is, and got by the same URL.
//!
//! Who asks comes first, then the names, then what the rules say, and the body last. Each accepted
//! PUT adds a file; the newest one of a name is served.
//! Deliberately absent: lists and deletion.

use std::sync::Arc;

use http::{Method, StatusCode};
use warp::reply::Response;

use super::file_json;
use super::gate::Target;
use crate::http::api::params::{Params, no_value};
use crate::http::api::{ApiError, answer};
use crate::http::failure::Failure;
use crate::http::route::{PackagesAt, PackagesThing};
use crate::http::{Request, Server};
use crate::model::generic_package::GenericFile;
use crate::model::{Ability, PackageKind, PackageStatus, RuleRole};
use crate::packages::{NamedFile, generic};
use crate::store;
use crate::store::packages::{Again, Publish};

/// What a request says besides its names.
struct Wish {
    status: Option<PackageStatus>,
    shows_file: bool,
}

impl Server {
    /// PUT, GET or HEAD of a file.
    pub(super) async fn generic(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        thing: PackagesThing,
    ) -> Result<Response, Failure> {
        let (PackagesAt::Project(at), PackagesThing::Generic { name, version, path, file }) =
            (at, thing)
        else {
            return Err(ApiError::no_route().into());
        };
        let writes = request.method == Method::PUT;
        let ability = if writes { Ability::CreatePackage } else { Ability::ReadPackages };
        let view = self.packages.store().view()?;
        let target = self.package_project(&view, &request.caller, &at, ability)?;
        drop(view);
        let what = GenericFile::parse(&name, &version, &path, &file);
        let what = what.map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            ApiError::parameters(&faults)
        })?;
        if writes {
            return self.put_generic(request, target, what).await;
        }
        let opened = self.packages.open_generic(target.id, &what)?;
        let opened = opened.ok_or_else(|| ApiError::not_found("Package"))?;
        Ok(self.send_package_file(&request, opened))
    }

    async fn put_generic(
        self: &Arc<Self>,
        request: Request,
        target: Target,
        what: GenericFile,
    ) -> Result<Response, Failure> {
        let behalf = request.behalf();
        let Request { caller, query, headers, body, .. } = request;
        let wish = Wish::read(&query).await?;
        let may = self.may_publish_generic(&caller, &target, &what)?;
        let arrived = self.receive_file(PackageKind::Generic, &headers, body).await?;
        let new = Publish {
            project: target.id,
            title: what.package.series.name.to_string(),
            key: what.package,
            by: caller.name().to_owned(),
            may,
            file: None,
            meta: None,
            status: wish.status,
            tags: Vec::new(),
            again: Again::Settings,
        };
        let file = NamedFile { name: what.name, requires_python: None, arrived };
        let published = self.publish_package(behalf, new, Some(file)).await;
        let published = published.map_err(super::refused)?;
        let shown = published.file.filter(|_| wish.shows_file);
        let Some(id) = shown else { return Ok(super::created()) };
        let file = self.packages.store().view()?.package_file(id)?;
        let file = file.ok_or_else(|| ApiError::not_found("Package File"))?;
        Ok(answer(StatusCode::OK, &file_json(id, &file)))
    }

    /// Refuses what can be refused before the bytes come; else what the caller is there.
    fn may_publish_generic(
        &self,
        caller: &crate::model::Caller,
        target: &Target,
        what: &GenericFile,
    ) -> Result<Option<RuleRole>, Failure> {
        let view = self.packages.store().view()?;
        let may = self.rule_role(&view, caller, target.id)?;
        let name = &what.package.series.name;
        if !view.protection_of(target.id, PackageKind::Generic, name)?.may_push(may) {
            let why = store::Error::PackageProtected(name.to_string());
            return Err(super::refused(why.into()));
        }
        if generic::is_refused_again(&view, target.id, what)? {
            let why = store::Error::DuplicateNotAllowed(name.to_string());
            return Err(super::refused(why.into()));
        }
        Ok(may)
    }
}

impl Wish {
    async fn read(query: &str) -> Result<Self, Failure> {
        let nothing = Box::pin(futures_util::stream::empty());
        let params = Params::read(query, &http::HeaderMap::new(), nothing).await?;
        let status = match params.text("status")?.as_deref() {
            None => None,
            Some("default") => Some(PackageStatus::Default),
            Some("hidden") => Some(PackageStatus::Hidden),
            Some(_) => return Err(no_value("status").into()),
        };
        let shows_file = match params.text("select")?.as_deref() {
            None => false,
            Some("package_file") => true,
            Some(_) => return Err(no_value("select").into()),
        };
        Ok(Self { status, shows_file })
    }
}
