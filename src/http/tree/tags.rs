//! Tags over HTTP (spec dlrepo §6).

use std::sync::Arc;

use http::Method;
use serde::Serialize;
use serde_json::Value;
use warp::reply::Response;

use super::super::failure::Failure;
use super::super::{Request, Server, blocking, body, reply};
use super::fields::{Fields, Members};
use super::python::boolean_text;
use super::query_pairs;
use crate::model::tag::TagChange;
use crate::model::{Job, JobName, TagPath, Wish};
use crate::store::detached::Cause;

#[derive(Serialize)]
struct TagPage {
    tag: TagFields,
}

#[derive(Serialize)]
struct TagFields {
    name: String,
    released: bool,
    locked: bool,
    stable: bool,
    publish_status: Option<String>,
    description: Option<String>,
    jobs: Vec<Members>,
}

impl Server {
    pub(super) async fn tag(
        self: &Arc<Self>,
        request: Request,
        path: TagPath,
    ) -> Result<Response, Failure> {
        match request.method {
            Method::POST => self.change_tag(request, path).await,
            Method::DELETE => {
                let cause = Cause::request(request.caller.name());
                self.tree.store().delete_tag(path, cause).await?;
                self.reclaim();
                Ok(reply::empty())
            }
            _ => self.show_tag(request, path).await,
        }
    }

    async fn show_tag(
        self: &Arc<Self>,
        request: Request,
        path: TagPath,
    ) -> Result<Response, Failure> {
        let filters = query_pairs(&request.query);
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let tag = view.tag(&path)?;
            let jobs = view.jobs(tag.id)?.into_iter();
            let jobs = jobs
                .filter(|(name, _)| server.may_read(&request.caller, &format!("{path}{name}/")));
            let jobs = jobs
                .map(job_members)
                .filter(|job| filters.iter().all(|filter| matches(job, filter)));
            let tag = TagFields {
                name: path.tag.to_string(),
                released: tag.released,
                locked: tag.locked,
                stable: tag.stable,
                publish_status: tag.publish_status,
                description: tag.description,
                jobs: jobs.collect(),
            };
            Ok(reply::json(&TagPage { tag }))
        })
        .await
    }

    async fn change_tag(&self, request: Request, path: TagPath) -> Result<Response, Failure> {
        self.tree.store().view()?.tag(&path)?;
        let body = body::json(request.body).await?;
        let fields = Fields::of(body, "tag", "invalid parameters")?;
        let mut change = TagChange {
            released: fields.flag("released")?,
            locked: fields.flag("locked")?,
            stable: fields.flag("stable")?,
            description: fields.text("description")?,
        };
        let store = self.tree.store();
        match change.released.filter(|_| self.publisher.has_targets()) {
            None => store.change_tag(path, change).await?,
            Some(released) => {
                let wish = if released { Wish::Released } else { Wish::NotReleased };
                let by = request.caller.login().map(ToString::to_string).unwrap_or_default();
                change.released = None;
                store.wish(path, change, wish, by).await?;
                self.publisher.wake();
            }
        }
        Ok(reply::empty())
    }
}

/// Metadata, then the fields that override keys of the same name.
fn job_members((name, job): (JobName, Job)) -> Members {
    let fields = [
        ("locked", Value::Bool(job.locked)),
        ("name", Value::String(name.to_string())),
        ("released", Value::Bool(job.released)),
    ];
    with_metadata(job.metadata, fields.into())
}

pub(super) fn with_metadata(
    metadata: Vec<(String, String)>,
    fields: Vec<(&'static str, Value)>,
) -> Members {
    let is_field = |key: &str| fields.iter().any(|(name, _)| *name == key);
    let mut members: Vec<_> = metadata
        .into_iter()
        .filter(|(key, _)| !is_field(key))
        .map(|(key, value)| (key, Value::String(value)))
        .collect();
    members.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Members(members)
}

/// Whether the job's field has the text form that the filter asks for.
fn matches(job: &Members, (key, wanted): &(String, String)) -> bool {
    let field = job.0.iter().find(|(name, _)| name == key);
    field.is_some_and(|(_, value)| match value {
        Value::String(text) => text == wanted,
        Value::Bool(flag) => boolean_text(*flag) == wanted,
        _ => false,
    })
}
