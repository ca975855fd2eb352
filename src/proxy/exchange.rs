//! [`Exchange`]: one question and its answer over the network, redirects followed.
//!
//! Credentials and tokens stay with the scheme, host and port that they were meant for. What the
//! environment says about proxies is not read: they would be a way around the network policy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::time::timeout;
use url::Url;

use super::connect::{Guarded, NoConnection};
use super::network::{Barred, Network};
use super::unanswered::{Unanswered, chain, shown};
use super::via::Via;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a connection that is not used stays open, and how many of one host.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_MAX: usize = 8;

/// Connections to one upstream and wherever it sends.
pub(super) struct Exchange {
    client: Client<HttpsConnector<Guarded>, Empty<Bytes>>,
    silence: Duration,
    via: HeaderValue,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) downgrade: Downgrade,
}

/// What a redirect from https to http means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Downgrade {
    /// It is followed, without credentials as whenever the host is another.
    Followed,
    /// It is not followed: the answer would be a secret.
    Refused,
}

/// The head of an answer, and the address that it came from in the end.
pub(super) struct Reply {
    pub(super) response: Response<Incoming>,
    pub(super) from: Url,
}

impl Exchange {
    /// `silence` is the longest wait for the head of an answer.
    pub(super) fn new(
        network: Arc<Network>,
        tls: ClientConfig,
        silence: Duration,
        via: &Via,
    ) -> Self {
        let guarded = Guarded { network, patience: CONNECT_MAX.min(silence) };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(guarded);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new());
        builder.pool_idle_timeout(IDLE).pool_max_idle_per_host(IDLE_MAX);
        builder.http1_max_buf_size(HEAD_BYTES_MAX);
        Self { client: builder.build(connector), silence, via: via.value() }
    }

    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    /// Asks, there and wherever it sends.
    ///
    /// # Errors
    /// [`Unanswered`], [`Unanswered::Target`] for what an address fails with that was sent to.
    pub(super) async fn ask(&self, mut question: Question) -> Result<Reply, Unanswered> {
        let first = question.url.origin();
        for _ in 0..=REDIRECTS_MAX {
            let is_first = question.url.origin() == first;
            let asked = self.once(&question).await;
            let response = if is_first { asked? } else { asked.map_err(Unanswered::of_target)? };
            let Some(to) = target(&question.url, &response)? else {
                return Ok(Reply { response, from: question.url });
            };
            question = question.moved(to)?;
        }
        let why = format!("{REDIRECTS_MAX} times");
        Err(Unanswered::Redirects { url: shown(&question.url), why })
    }

    async fn once(&self, question: &Question) -> Result<Response<Incoming>, Unanswered> {
        let mut request = question.request()?;
        request.headers_mut().insert(header::VIA, self.via.clone());
        let url = || shown(&question.url);
        match timeout(self.silence, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unanswered(&error, url())),
            Err(_) => Err(Unanswered::Slow { url: url(), waited: self.silence }),
        }
    }
}

impl Question {
    fn request(&self) -> Result<Request<Empty<Bytes>>, Unanswered> {
        let mut request = Request::builder().method(&self.method).uri(self.url.as_str());
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
            let agent = HeaderValue::from_static(concat!("larder/", env!("CARGO_PKG_VERSION")));
            headers.insert(header::USER_AGENT, agent);
            if let Some(authorization) = &self.authorization {
                headers.insert(header::AUTHORIZATION, authorization.clone());
            }
        }
        let unusable = |error: http::Error| Unanswered::Redirects {
            url: shown(&self.url),
            why: error.to_string(),
        };
        request.body(Empty::new()).map_err(unusable)
    }

    /// The same question to where it was sent.
    fn moved(self, to: Url) -> Result<Self, Unanswered> {
        let is_downgrade = self.url.scheme() == "https" && to.scheme() == "http";
        if is_downgrade && self.downgrade == Downgrade::Refused {
            return Err(Unanswered::Cleartext { url: shown(&to) });
        }
        let stays = self.url.origin() == to.origin();
        let authorization = self.authorization.filter(|_| stays);
        Ok(Self { url: to, authorization, ..self })
    }
}

/// Where an answer sends to; `None`: it is no redirect.
fn target(from: &Url, response: &Response<Incoming>) -> Result<Option<Url>, Unanswered> {
    let wrong = |why: &str| Unanswered::Redirects { url: shown(from), why: why.to_owned() };
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION);
    let location = location.ok_or_else(|| wrong("it says not where to"))?;
    let location = location.to_str().map_err(|_| wrong("its Location is no text"))?;
    let mut to = from.join(location).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(wrong("only http and https are followed"));
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err(wrong("there is a user in its Location"));
    }
    to.set_fragment(None);
    Ok(Some(to))
}

/// Why there was no answer, found among the causes.
fn unanswered(error: &(dyn std::error::Error + 'static), url: String) -> Unanswered {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(NoConnection::Barred(Barred::Forbidden { host, address })) =
            inner.downcast_ref()
        {
            return Unanswered::Forbidden { host: host.clone(), address: *address };
        }
        cause = inner.source();
    }
    Unanswered::Unreachable { url, why: chain(error) }
}
