//! What publishing sends: a version, or what is said of those that are here.

use std::sync::Arc;

use serde_json::json;
use warp::reply::Response;

use super::super::intake::Arriving;
use super::{Named, failure};
use crate::http::api::ApiError;
use crate::http::body::decode::decoded;
use crate::http::failure::Failure;
use crate::http::route::{PackagesAt, ProjectAt};
use crate::http::{Request, Server, blocking, reply};
use crate::model::Ability;
use crate::packages::npm::{self, Posted};
use crate::store::behalf::Behalf;

/// How npm says what it is about.
const COMMAND: &str = "npm-command";

impl Server {
    pub(super) async fn npm_put(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
        name: String,
    ) -> Result<Response, Failure> {
        let PackagesAt::Project(at) = at else { return Err(ApiError::no_route().into()) };
        let named = Named::read(&name)?;
        let behalf = request.behalf();
        let Request { headers, body, .. } = request;
        let deprecates =
            headers.get(COMMAND).is_some_and(|command| command.as_bytes() == b"deprecate");
        let ability = if deprecates { Ability::DestroyPackage } else { Ability::CreatePackage };
        let put = Put { named, behalf, at, deprecates };
        // Whoever may not is told before the body is taken in.
        let server = Arc::clone(self);
        let put = blocking(move || {
            let view = server.packages.store().view()?;
            server.package_project(&view, &put.behalf.caller, &put.at, ability)?;
            Ok(put)
        })
        .await?;
        let (body, _) = decoded(body, &headers)?;
        let server = Arc::clone(self);
        self.pump_body(body, move |arriving| server.npm_take(put, arriving)).await
    }

    fn npm_take(&self, put: Put, arriving: Arriving) -> Result<Response, Failure> {
        let posted = self.packages.npm_receive(arriving).map_err(failure)?;
        if put.deprecates || (!posted.publishes() && posted.speaks()) {
            self.npm_deprecate(&put, &posted)
        } else {
            self.npm_publish(put, posted)
        }
    }

    fn npm_deprecate(&self, put: &Put, posted: &Posted) -> Result<Response, Failure> {
        let view = self.packages.store().view()?;
        let ability = Ability::DestroyPackage;
        let target = self.package_project(&view, &put.behalf.caller, &put.at, ability)?;
        drop(view);
        let (series, document) = (&put.named.series, &posted.document);
        let packages = self.packages.on_behalf(put.behalf.clone());
        packages.npm_deprecate(target.id, series, document).map_err(failure)?;
        Ok(reply::json(&json!({ "ok": "updated", "success": true })))
    }

    fn npm_publish(&self, put: Put, posted: Posted) -> Result<Response, Failure> {
        let Put { named, behalf, at, .. } = put;
        let caller = &behalf.caller;
        let publication = posted.publication(&named.name).map_err(failure)?;
        // Again, since the body may have taken long.
        let view = self.packages.store().view()?;
        let target = self.package_project(&view, caller, &at, Ability::CreatePackage)?;
        let may = self.still_publishes(&view, caller, target.id)?;
        drop(view);
        let by = caller.name().to_owned();
        let parts = publication.into_parts(target.id, by, may).map_err(failure)?;
        let (new, file) = parts;
        let version = new.key.version.as_ref().map(ToString::to_string);
        let published = self.packages.on_behalf(behalf).publish(new, Some(file));
        let published = published.map_err(|error| failure(npm::Error::from(error)))?;
        Ok(reply::json(&json!({
            "ok": "created",
            "success": true,
            "id": published.package.0,
            "name": named.name.as_str(),
            "version": version,
            "package_type": "npm",
        })))
    }
}

/// What a request to publish says beside its body.
struct Put {
    named: Named,
    behalf: Behalf,
    at: ProjectAt,
    deprecates: bool,
}
