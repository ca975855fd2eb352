//! Jobs over HTTP (spec dlrepo §7).

use std::sync::Arc;

use http::Method;
use serde::Serialize;
use serde_json::Value;
use warp::reply::Response;

use super::super::failure::Failure;
use super::super::{Request, Server, blocking, body, reply};
use super::fields::{Fields, Members};
use super::python::metadata_text;
use super::tags::with_metadata;
use crate::model::{Caller, JobPath};
use crate::store::detached::Cause;

const REFUSAL: &str = "Invalid parameters";

#[derive(Serialize)]
struct JobPage {
    job: Members,
}

impl Server {
    pub(super) async fn job(
        self: &Arc<Self>,
        request: Request,
        path: JobPath,
    ) -> Result<Response, Failure> {
        match request.method {
            Method::PATCH => self.merge_metadata(request, path).await,
            Method::PUT => self.change_job(request, path).await,
            Method::POST => self.unlock_job(request, path).await,
            Method::DELETE => {
                let cause = Cause::request(request.caller.name());
                self.tree.store().delete_job(path, cause).await?;
                self.reclaim();
                Ok(reply::empty())
            }
            _ => self.show_job(request.caller, path).await,
        }
    }

    async fn show_job(
        self: &Arc<Self>,
        caller: Caller,
        path: JobPath,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let job = view.job(&path)?;
            let formats = view.formats(job.id)?.into_iter().map(|(name, _)| name);
            let formats = formats
                .filter(|name| server.may_read(&caller, &format!("{path}{name}/")))
                .map(|name| Value::String(name.to_string()));
            let digest = job.digest.map(|digest| digest.to_string()).unwrap_or_default();
            let fields = vec![
                ("locked", Value::Bool(job.locked)),
                ("name", Value::String(path.job.to_string())),
                ("released", Value::Bool(job.released)),
                ("internal", Value::Bool(job.internal)),
                ("timestamp", Value::from(job.created.seconds_f64())),
                ("digest", Value::String(digest)),
                ("artifact_formats", Value::Array(formats.collect())),
            ];
            Ok(reply::json(&JobPage { job: with_metadata(job.metadata, fields) }))
        })
        .await
    }

    /// PATCH: merges metadata, creating what is missing.
    async fn merge_metadata(&self, request: Request, path: JobPath) -> Result<Response, Failure> {
        let body = body::json(request.body).await?;
        let fields = Fields::of(body, "job", REFUSAL)?.into_inner();
        let changes = fields.into_iter().map(|(key, value)| (key, metadata_text(&value)));
        self.tree.store().merge_metadata(path, changes.collect()).await?;
        Ok(reply::empty())
    }

    /// PUT: the internal flag first, then the lock.
    async fn change_job(
        self: &Arc<Self>,
        request: Request,
        path: JobPath,
    ) -> Result<Response, Failure> {
        self.tree.store().view()?.job(&path)?;
        let body = body::json(request.body).await?;
        let fields = Fields::of(body, "job", REFUSAL)?;
        let (internal, locked) = (fields.flag("internal")?, fields.flag("locked")?);
        if locked == Some(false) {
            return fields.refuse();
        }
        if let Some(internal) = internal {
            self.tree.store().set_job_internal(path.clone(), internal).await?;
        }
        if locked == Some(true) {
            let server = Arc::clone(self);
            blocking(move || Ok(server.tree.lock_job(&path)?)).await?;
        }
        Ok(reply::empty())
    }

    /// POST: the only thing it can ask for is to unlock.
    async fn unlock_job(&self, request: Request, path: JobPath) -> Result<Response, Failure> {
        self.tree.store().view()?.job(&path)?;
        let body = body::json(request.body).await?;
        let fields = Fields::of(body, "job", REFUSAL)?;
        if fields.flag("locked")? != Some(false) {
            return fields.refuse();
        }
        self.tree.store().unlock_job(path).await?;
        Ok(reply::empty())
    }
}
