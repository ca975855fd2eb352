//! Uploads of `PyPI`'s clients (spec gitlab §7.1): a form in parts, one of which is the file.
//!
//! The file's bytes go to a task that may wait for a disk, and are summed while they arrive (I4).
//! What is refused is refused as early as it is known: before the file where the fields come
//! first, as those of all clients do; nothing of a refused upload is kept.
//! Deliberately absent: what fields mean, and where bytes lie.

use std::sync::Arc;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest as _};
use http::StatusCode;
use serde_json::json;
use warp::reply::Response;

use super::multipart::Parts;
use crate::http::api::ApiError;
use crate::http::body::RequestBody;
use crate::http::body::decode::decoded;
use crate::http::failure::Failure;
use crate::http::route::PackagesAt;
use crate::http::{Request, Server, reply};
use crate::model::{Ability, PackageFileId, PackageKind, ProjectId};
use crate::packages::pypi::form::{FIELDS_BYTES_MAX, Field, Form, FormError, PARTS_MAX, Upload};
use crate::packages::pypi::is_taken;
use crate::packages::{Arrived, NamedFile};
use crate::store;
use crate::store::packages::{Again, Publish};
use crate::tree;

/// A file that has arrived, and its `BLAKE2b` with 32 bytes, which clients send too.
struct Received {
    name: String,
    arrived: Arrived,
    blake2: [u8; 32],
}

impl Server {
    /// `POST …/packages/pypi`
    pub(super) async fn upload_to_pypi(
        self: &Arc<Self>,
        request: Request,
        at: PackagesAt,
    ) -> Result<Response, Failure> {
        let PackagesAt::Project(at) = at else { return Err(ApiError::no_route().into()) };
        let behalf = request.behalf();
        let (project, may) = {
            let view = self.packages.store().view()?;
            let caller = &behalf.caller;
            let found = self.package_project(&view, caller, &at, Ability::CreatePackage)?;
            (found.id, self.rule_role(&view, caller, found.id)?)
        };
        let (body, _) = decoded(request.body, &request.headers)?;
        let mut parts = Parts::of(&request.headers, body, PARTS_MAX, FIELDS_BYTES_MAX)?;
        let (form, file) = self.read_form(project, &mut parts).await?;
        let Received { name, arrived, blake2 } = file.ok_or_else(no_content)?;
        let upload = form.read(&name).map_err(told)?;
        upload.claims.check(&arrived.sums, &blake2).map_err(told)?;
        let unseen = self.refuse_taken(project, &upload)?;
        let name = upload.file_name().ok_or_else(no_content)?;
        let file = NamedFile { name, requires_python: upload.requires_python, arrived };
        let new = Publish {
            project,
            key: upload.key,
            title: upload.title,
            by: behalf.caller.name().to_owned(),
            may,
            file: None,
            meta: Some(upload.meta),
            status: None,
            tags: Vec::new(),
            again: Again::NewFileNameOnly(unseen),
        };
        self.publish_package(behalf, new, Some(file)).await.map_err(refused)?;
        let mut response = reply::json(&json!({ "message": "201 Created" }));
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    }

    /// Reads all parts.
    async fn read_form(
        self: &Arc<Self>,
        project: ProjectId,
        parts: &mut Parts,
    ) -> Result<(Form, Option<Received>), Failure> {
        let (mut form, mut file) = (Form::default(), None);
        while let Some(part) = parts.next().await? {
            if part.name() == "content" {
                if file.is_some() {
                    return Err(bad("content is there twice: send one file at a time"));
                }
                let name = part.file_name().ok_or_else(no_content)?.to_owned();
                self.refuse_early(project, &form, &name)?;
                file = Some(self.receive_content(name, part.into_body()).await?);
            } else if let Some(field) = Field::named(part.name()) {
                let bytes = parts.beginning(part, field.bytes_max()).await?;
                form.put(field, bytes).map_err(told)?;
            } else {
                parts.beginning(part, 0).await?;
            }
        }
        Ok((form, file))
    }

    /// What is known to be refused before its bytes need not be sent.
    fn refuse_early(&self, project: ProjectId, form: &Form, file: &str) -> Result<(), Failure> {
        match form.clone().read(file) {
            Ok(upload) => self.refuse_taken(project, &upload).map(drop),
            // It may come yet.
            Err(FormError::Missing(_)) => Ok(()),
            Err(error) => Err(told(error)),
        }
    }

    /// Tells from which number on files were not looked at.
    fn refuse_taken(&self, project: ProjectId, upload: &Upload) -> Result<PackageFileId, Failure> {
        let view = self.packages.store().view()?;
        if is_taken(&view, project, upload)? {
            return Err(taken());
        }
        Ok(view.unseen_package_file()?)
    }

    async fn receive_content(
        self: &Arc<Self>,
        name: String,
        body: RequestBody,
    ) -> Result<Received, Failure> {
        let mut incoming = self.packages.receive(PackageKind::Pypi);
        self.pump_body(body, move |mut arriving| {
            let mut blake2 = Blake2b::<U32>::new();
            while let Some(chunk) = arriving.next_chunk()? {
                blake2.update(&chunk);
                incoming.write(&chunk)?;
            }
            Ok(Received { name, arrived: incoming.finish()?, blake2: blake2.finalize().into() })
        })
        .await
    }
}

/// What the store says, in GitLab's words.
fn refused(failure: Failure) -> Failure {
    match failure {
        Failure::Tree(tree::Error::Store(store::Error::PackageFileExists(_))) => taken(),
        Failure::Tree(tree::Error::Store(store::Error::PackageProtected(_))) => {
            ApiError::message(StatusCode::FORBIDDEN, "403 Forbidden - Package protected.").into()
        }
        other => other,
    }
}

/// `twine --skip-existing` knows it by its words: since version 7 by "already exist", before also
/// by those of GitLab.
fn taken() -> Failure {
    bad("Validation failed: File name has already been taken (it already exists: upload another \
         version)")
}

fn no_content() -> Failure {
    bad("content is missing: send a file under its own name")
}

fn told(error: impl std::fmt::Display) -> Failure {
    bad(&error.to_string())
}

fn bad(why: &str) -> Failure {
    ApiError::bad_request(why).into()
}
