//! Floor 5: views over HTTP. `route` (pure) → handler → service or view → `reply`.
//!
//! Defends I9 at the door: a path becomes names once, here, and only the canonical names go on.
//! Deliberately absent: transactions, file names, and any rule about what may be done to a tag.

pub mod api;
pub mod archive_body;
pub mod body;
mod client_script;
pub mod conditional;
mod download;
pub mod error;
pub mod failure;
pub mod file_body;
mod graphql;
pub mod guard;
pub mod host;
pub mod listen;
pub mod login;
mod own;
mod package_page;
mod package_rights;
mod packages;
mod proxy;
mod proxy_door;
mod publications;
pub mod range;
mod registry;
pub mod reply;
pub mod route;
pub mod sendfile;
pub mod token_service;
mod tree;
mod user_home;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf;
use futures_util::Stream;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, Method};
use hyper::body::Body as _;
use tokio::sync::Semaphore;
use warp::Filter;
use warp::path::FullPath;
use warp::reply::Response;

use crate::access::Access;
use crate::model::Caller;
use crate::store::behalf::Behalf;
use crate::sweeper::Handle;
use body::RequestBody;
pub use error::HttpError;
use failure::Failure;
use listen::Peer;
use login::{Door, Head, Pass};
use route::{ApiRoute, Route, Routed, Spelling};

/// The target of the line that is logged for each request.
const ACCESS: &str = "larder::access";

/// What the handlers work on.
pub struct Server {
    /// Who may do what.
    pub access: Access,
    /// What browsers show when they ask who somebody is.
    pub realm: String,
    /// Who is asking.
    pub door: Door,
    /// How long a token of the registry lives.
    pub token_lifetime: Duration,
    /// The artifact tree, and the store below it.
    pub tree: crate::tree::Tree,
    /// The container registry, over the same store.
    pub registry: crate::registry::Registry,
    /// The dependency proxy, over the same store.
    pub proxy: crate::proxy::Proxy,
    /// The package registry, over the same store.
    pub packages: crate::packages::Packages,
    /// Who gives the space back.
    pub sweeper: Handle,
    /// Who brings released tags to other servers.
    pub publisher: crate::publish::Handle,
    /// How long a client may send nothing in the middle of a body.
    pub stall_max: Duration,
    /// Most bytes of an upload.
    pub upload_bytes_max: Option<u64>,
    /// The address that people use, and its host and port, when there is a proxy in front.
    pub public_url: Option<(String, String)>,
    /// The proxy in front that sends files itself, if there is one.
    pub sendfile: Option<sendfile::Sendfile>,
    /// Figures for `/-/stats`: made by the roof, which knows all the floors.
    pub stats: Box<dyn Fn() -> Result<serde_json::Value, String> + Send + Sync>,
}

/// A request, taken apart.
pub(crate) struct Request {
    caller: Caller,
    /// What the caller came in with.
    pass: Pass,
    method: Method,
    query: String,
    headers: HeaderMap,
    body: RequestBody,
}

impl Request {
    /// For whom it changes anything, which is looked at again where that is done.
    fn behalf(&self) -> Behalf {
        Behalf { caller: self.caller.clone(), basis: self.pass.basis.clone() }
    }
}

/// The whole server as one warp filter: it takes every request and rejects none, since warp reads
/// a rejection as "try the next route".
pub fn filter(
    server: Arc<Server>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let parts = warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::body::stream());
    let answers =
        parts.then(move |method, path: FullPath, query, headers, peer: Option<Peer>, body| {
            let server = Arc::clone(&server);
            let (caller, pass) = (Caller::Anonymous, Pass::default());
            let body = boxed(&server, body);
            let request = Request { caller, pass, method, query, headers, body };
            let peer = peer.and_then(|Peer(address)| address);
            async move { server.answer(request, path.as_str(), peer).await }
        });
    let refused = || reply::text(http::StatusCode::BAD_REQUEST, "Bad Request");
    answers.boxed().or_else(move |_| async move { Ok::<_, Infallible>((refused(),)) })
}

fn boxed<S, B>(server: &Server, body: S) -> RequestBody
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    body::boxed(body, server.stall_max)
}

impl Server {
    async fn answer(
        self: Arc<Self>,
        request: Request,
        path: &str,
        peer: Option<SocketAddr>,
    ) -> Response {
        let started = Instant::now();
        let method = request.method.clone();
        let asked = self.asked(&request, path, peer.map(|peer| peer.ip()));
        let (caller, response) = self.admit(request, path, peer).await;
        let response = api::errors::in_form(&method, path, response);
        let response = graphql::errors::in_form(&method, path, response);
        let mut response = self.conclude(asked, &caller, response);
        if caller.is_known() {
            // A cache on the way sees neither a token in a header of its own nor a proxy's login.
            let whose = HeaderValue::from_static("private");
            let headers = response.headers_mut();
            if headers.get(CACHE_CONTROL).is_none_or(|known| known != "no-store") {
                headers.insert(CACHE_CONTROL, whose);
            }
        }
        log_request(&method, path, &response, started.elapsed(), peer, &caller);
        response
    }

    /// Finds out who is asking, then answers.
    async fn admit(
        self: &Arc<Self>,
        mut request: Request,
        path: &str,
        peer: Option<SocketAddr>,
    ) -> (Caller, Result<Response, Failure>) {
        let Request { method, query, headers, .. } = &request;
        let peer = peer.map(|peer| peer.ip());
        match self.door.identify(Head { method, path, query, headers, peer }).await {
            Ok((caller, pass)) => {
                request.caller = caller.clone();
                request.pass = pass;
                (caller, self.dispatch(request, path).await)
            }
            Err(failure) => (Caller::Anonymous, Err(failure)),
        }
    }

    async fn dispatch(self: &Arc<Self>, request: Request, path: &str) -> Result<Response, Failure> {
        let public = self.public_url.as_ref().map(|(_, authority)| authority.as_str());
        host::check(&request.method, &request.headers, public, self.door.hosts())?;
        let routed = route::route(&request.method, path);
        self.guard(&request, path, &routed)?;
        match routed {
            Routed::Found(route, spelling) => self.handle(request, route, spelling).await,
            Routed::NotFound(reason) => Err(Failure::NotFound(reason)),
            Routed::BadRequest(reason) => Err(Failure::BadRequest(reason)),
            Routed::MethodNotAllowed(allow) => Err(Failure::MethodNotAllowed(allow)),
        }
    }

    /// The address to show to people.
    fn address(&self, headers: &HeaderMap) -> String {
        let host = || headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        match &self.public_url {
            Some((url, _)) => url.clone(),
            None => format!("http://{}", host().unwrap_or("HOST:PORT")),
        }
    }

    async fn handle(
        self: &Arc<Self>,
        request: Request,
        route: Route,
        spelling: Spelling,
    ) -> Result<Response, Failure> {
        match route {
            Route::Home => self.home(request).await,
            Route::ClientScript => Ok(client_script::answer(&self.address(&request.headers))),
            Route::UserHome(user) => self.user_home(request, user, spelling).await,
            Route::Health => Ok(own::health()),
            Route::Ready => Ok(self.ready()),
            Route::Stats => self.stats().await,
            Route::Publications => self.publications(request).await,
            Route::PackagePage(path, id) => self.package_page(request, path, id).await,
            Route::Sweeps if request.method == Method::POST => self.ask_sweep(request).await,
            Route::Sweeps => self.sweeps(request).await,
            Route::TokenService => self.token_service(request).await,
            Route::Registry(route) => self.registry(request, route).await,
            Route::Proxy(route) => self.proxied(request, route).await,
            Route::Api(ApiRoute::Packages(route)) => self.package(request, route).await,
            Route::Api(route) => self.api(request, route).await,
            Route::NoProxy(none) => Err(none.refusal().into()),
            Route::GraphQl => self.graphql(request).await,
            route => self.tree(request, route, spelling).await,
        }
    }
}

/// Runs what may have to wait for a disk or for a commit away from the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Failure::Internal(format!("a task did not end well: {error}"))),
    }
}

/// The same for what may come to many times the bytes that were sent, so many at once as there
/// are turns. A turn ends with the work, also when nobody waits for it any more.
async fn in_turn<T: Send + 'static>(
    turns: &'static Semaphore,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let turn = turns.acquire().await.map_err(|error| Failure::Internal(error.to_string()))?;
    blocking(move || {
        let _turn = turn;
        work()
    })
    .await
}

/// Bytes of an answer's body: known by the body itself when it is in memory, else announced.
fn body_size(response: &Response) -> Option<u64> {
    let announced = || {
        let length = response.headers().get(http::header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    };
    response.body().size_hint().exact().or_else(announced)
}

fn log_request(
    method: &Method,
    path: &str,
    response: &Response,
    took: Duration,
    peer: Option<SocketAddr>,
    caller: &Caller,
) {
    if !log::log_enabled!(target: ACCESS, log::Level::Info) {
        return;
    }
    let bytes = body_size(response).map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
    let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.ip().to_string());
    let user = if caller.is_known() { caller.name() } else { "-" };
    log::info!(
        target: ACCESS,
        "{method} {} {} {bytes} {took:.1?} {peer} {}",
        path.escape_default(),
        response.status().as_u16(),
        user.escape_default(),
    );
}
