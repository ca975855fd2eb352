//! The client: connections that are used again, TLS, a limit on time and on requests in flight.
//!
//! The client of hyper, which serves already, with rustls: redirects are not followed (a PUT
//! would become a GET), proxies of the environment are not asked.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;

use super::body::RequestBody;
use super::{Error, Settings};

/// Bytes of an answer that are read: a tag with very many jobs.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Characters of a refusal that are shown.
const SAID_MAX: usize = 300;
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// The client of all targets.
pub(super) struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector>, RequestBody>,
    agent: String,
    timeout: Duration,
    /// For each target, its free places for requests.
    places: HashMap<String, Arc<Semaphore>>,
}

/// An answer with its body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
    /// The start of the body, on one line.
    pub(super) fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        words.chars().take(SAID_MAX).collect()
    }
}

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    /// The target, for its limit of requests.
    pub(super) target: &'a str,
    /// The whole address.
    pub(super) url: &'a str,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Client {
    /// # Errors
    /// [`Error::Certificates`].
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_MAX.min(settings.timeout)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(settings)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let requests_max = settings.requests_max.max(1);
        let place = |url: &String| (url.clone(), Arc::new(Semaphore::new(requests_max)));
        Ok(Self {
            inner: legacy::Client::builder(TokioExecutor::new()).build(connector),
            agent: format!("dlrepo-server/{}", host_name()),
            timeout: settings.timeout,
            places: settings.urls.iter().map(place).collect(),
        })
    }

    /// Asks, and reads the whole answer, all within the time of one request. `body` is made once
    /// there is a place for the request.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Unanswered`], and that of `body`.
    pub(super) async fn ask(
        &self,
        question: Question<'_>,
        body: impl FnOnce() -> Result<RequestBody, Error>,
    ) -> Result<Answer, Error> {
        let Question { method, target, url, headers } = question;
        let unanswered = |why| Error::Unanswered { method: method.clone(), url: url.into(), why };
        let _place = match self.places.get(target) {
            // It is never closed, and without a place a request goes out all the same.
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        let mut request = Request::builder().method(method.clone()).uri(url);
        request = request.header(header::USER_AGENT, &self.agent);
        request = request.header(header::ACCEPT, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(body()?);
        let request =
            request.map_err(|e| Error::Address { url: url.into(), why: e.to_string() })?;
        let asking = async {
            let response = self.inner.request(request).await;
            let response = response.map_err(|error| Error::chain(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| Error::chain(&*error))?;
            Ok(Answer { status: head.status, body: body.to_bytes() })
        };
        match tokio::time::timeout(self.timeout, asking).await {
            Ok(answer) => answer.map_err(unanswered),
            Err(_) => Err(unanswered(format!(
                "no answer within {:?}, which is the setting publish.timeout",
                self.timeout
            ))),
        }
    }
}

/// The certificates of the system, as far as they can be read, and those of the file.
fn tls(settings: &Settings) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        log::debug!("certificates of the system: {error}");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = &settings.ca_file {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| bad_certificates(Path::new("TLS"), &error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Error> {
    let found = CertificateDer::pem_file_iter(path).map_err(|e| bad_certificates(path, &e))?;
    let mut added = 0;
    for certificate in found {
        let certificate = certificate.map_err(|error| bad_certificates(path, &error))?;
        roots.add(certificate).map_err(|error| bad_certificates(path, &error))?;
        added += 1;
    }
    if added == 0 {
        let why = "there is none in it".to_owned();
        return Err(Error::Certificates { path: path.to_owned(), why });
    }
    Ok(())
}

fn bad_certificates(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Certificates { path: path.to_owned(), why: error.to_string() }
}

/// The name of this machine as it can stand in a header.
fn host_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect()
}
