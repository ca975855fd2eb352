//! [`Target`]: one server that speaks this API, as a tag is published to it (spec dlrepo,
//! appendix B). Each function is one request, or a link with the upload that may follow it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::{Method, StatusCode, header};
use serde_json::{Map, Value, json};

use super::body::{self, RequestBody};
use super::client::{Answer, Question};
use super::{Error, Shared, url};
use crate::model::{FilePath, FormatPath, Job, JobPath, TagPath};
use crate::store::publications::Listed;

/// A target with what it takes to ask it.
pub(super) struct Target<'a> {
    shared: &'a Shared,
    base: &'a str,
    /// The header `Authorization`.
    login: Option<String>,
}

/// What a target says of a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Remote {
    /// There is none.
    Absent,
    /// It was never locked there: a publication broke off.
    Begun,
    /// It was locked with this digest, and still is or not.
    Locked {
        /// In hex.
        digest: String,
        /// Whether it is locked now.
        is_closed: bool,
    },
}

impl<'a> Target<'a> {
    /// Reads the login anew each time, so that a new password needs no restart.
    ///
    /// # Errors
    /// [`Error::Login`].
    pub(super) fn new(shared: &'a Shared, base: &'a str) -> Result<Self, Error> {
        let file = shared.settings.auth_file.as_deref();
        Ok(Self { shared, base, login: file.map(login).transpose()? })
    }

    /// Where something is on this target.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// What is known of a job there.
    pub(super) async fn job(&self, path: &JobPath) -> Result<Remote, Error> {
        let url = self.url(&url::job(path));
        let answer = self.ask(Method::GET, &url, Vec::new(), body::empty).await?;
        match answer.status {
            StatusCode::OK => remote(&url, &answer),
            StatusCode::NOT_FOUND => Ok(Remote::Absent),
            _ => Err(refused(Method::GET, url, &answer)),
        }
    }

    /// Removes a job there, whether or not there is one.
    pub(super) async fn delete_job(&self, path: &JobPath) -> Result<(), Error> {
        self.delete(self.url(&url::job(path))).await
    }

    /// Removes the tag there, whether or not there is one.
    pub(super) async fn delete_tag(&self, path: &TagPath) -> Result<(), Error> {
        self.delete(self.url(&url::tag(path))).await
    }

    async fn delete(&self, url: String) -> Result<(), Error> {
        let answer = self.ask(Method::DELETE, &url, Vec::new(), body::empty).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(refused(Method::DELETE, url, &answer))
    }

    /// How many jobs the tag has there; `None`: there is no such tag.
    pub(super) async fn jobs(&self, path: &TagPath) -> Result<Option<usize>, Error> {
        let url = self.url(&url::tag(path));
        let answer = self.ask(Method::GET, &url, Vec::new(), body::empty).await?;
        match answer.status {
            StatusCode::OK => {
                let page = object(&url, &answer)?;
                let jobs = page.get("tag").and_then(|tag| tag.get("jobs")?.as_array());
                let jobs = jobs.ok_or_else(|| nonsense(&url, "it has no tag.jobs"))?;
                Ok(Some(jobs.len()))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused(Method::GET, url, &answer)),
        }
    }

    /// Lets a file be there: linked when the target has its bytes, else sent. `sent` counts its
    /// bytes.
    pub(super) async fn put(
        &self,
        path: &FilePath,
        listed: &Listed,
        sent: &Arc<AtomicU64>,
    ) -> Result<(), Error> {
        let url = self.url(&url::file(path));
        let digest = format!("sha256:{}", listed.digest);
        let claim = || ("digest", digest.clone());
        let known = self.ask(Method::HEAD, &url, vec![claim()], body::empty).await?;
        if known.status == StatusCode::OK {
            let link = ("x-dlrepo-link", digest.clone());
            let headers = vec![claim(), link, ("content-length", "0".to_owned())];
            let answer = self.ask(Method::PUT, &url, headers, body::empty).await?;
            if answer.status.is_success() {
                sent.fetch_add(listed.size, Ordering::Relaxed);
                return Ok(());
            }
            // Collected since it was asked for: it is sent after all.
            if answer.status != StatusCode::NOT_FOUND {
                return Err(refused(Method::PUT, url, &answer));
            }
        } else if known.status != StatusCode::NOT_FOUND {
            return Err(refused(Method::HEAD, url, &known));
        }
        let binary = ("content-type", "application/octet-stream".to_owned());
        let Shared { store, files, .. } = self.shared;
        let bytes = || body::of_file(store, files, listed, Arc::clone(sent));
        self.change(Method::PUT, url, vec![claim(), binary], bytes).await
    }

    /// Declares a format complete.
    pub(super) async fn finish(&self, path: &FormatPath) -> Result<(), Error> {
        let url = self.url(&url::format(path));
        let none = vec![("content-length", "0".to_owned())];
        self.change(Method::PATCH, url, none, || Ok(body::empty())).await
    }

    /// Sets a job's metadata.
    pub(super) async fn describe(&self, path: &JobPath, job: &Job) -> Result<(), Error> {
        let text = |(key, value): &(String, String)| (key.clone(), Value::from(value.clone()));
        let metadata: Map<_, _> = job.metadata.iter().map(text).collect();
        self.say(Method::PATCH, path, &json!({ "job": metadata })).await
    }

    /// Locks a job, which lets the target compute its digest.
    pub(super) async fn lock(&self, path: &JobPath) -> Result<(), Error> {
        self.say(Method::PUT, path, &json!({"job": {"locked": true}})).await
    }

    async fn say(&self, method: Method, path: &JobPath, what: &Value) -> Result<(), Error> {
        let url = self.url(&url::job(path));
        let headers = vec![("content-type", "application/json".to_owned())];
        self.change(method, url, headers, || Ok(body::text(what.to_string()))).await
    }

    /// A request that has to succeed.
    async fn change(
        &self,
        method: Method,
        url: String,
        headers: Vec<(&'static str, String)>,
        body: impl FnOnce() -> Result<RequestBody, Error>,
    ) -> Result<(), Error> {
        let answer = self.ask_with(method.clone(), &url, headers, body).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(refused(method, url, &answer))
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: fn() -> RequestBody,
    ) -> Result<Answer, Error> {
        self.ask_with(method, url, headers, || Ok(body())).await
    }

    async fn ask_with(
        &self,
        method: Method,
        url: &str,
        mut headers: Vec<(&'static str, String)>,
        body: impl FnOnce() -> Result<RequestBody, Error>,
    ) -> Result<Answer, Error> {
        headers.extend(self.login.clone().map(|login| (header::AUTHORIZATION.as_str(), login)));
        let question = Question { method, target: self.base, url, headers };
        self.shared.client.ask(question, body).await
    }
}

fn refused(method: Method, url: String, answer: &Answer) -> Error {
    Error::Refused { method, url, status: answer.status, said: answer.said() }
}

fn nonsense(url: &str, why: &str) -> Error {
    Error::Nonsense { url: url.to_owned(), why: why.to_owned() }
}

fn object(url: &str, answer: &Answer) -> Result<Map<String, Value>, Error> {
    let read = serde_json::from_slice(&answer.body);
    read.map_err(|error| nonsense(url, &error.to_string()))
}

fn remote(url: &str, answer: &Answer) -> Result<Remote, Error> {
    let page = object(url, answer)?;
    let job = page.get("job").ok_or_else(|| nonsense(url, "it has no job"))?;
    let digest = job.get("digest").and_then(Value::as_str);
    let digest = digest.ok_or_else(|| nonsense(url, "it has no job.digest"))?;
    let is_closed = job.get("locked").and_then(Value::as_bool).unwrap_or(false);
    if digest.is_empty() {
        return Ok(Remote::Begun);
    }
    Ok(Remote::Locked { digest: digest.to_owned(), is_closed })
}

/// The first line `login:password` of a file as the header `Authorization`.
fn login(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::Login(error.to_string()))?;
    let line = text.lines().map(str::trim_end).find(|line| !line.is_empty()).unwrap_or("");
    match line.split_once(':') {
        Some((login, _)) if !login.is_empty() => Ok(format!("Basic {}", BASE64.encode(line))),
        _ => Err(Error::Login("there is no colon in its first line".to_owned())),
    }
}
