//! The accept loop: connections in, requests to one service, and an orderly end.
//!
//! It is ours because warp's own server can neither set `TCP_NODELAY` nor time out. Limits on
//! everything: heads have a deadline, connections a number, the end a deadline.
//! A connection whose client may still be sending is closed slowly: the answer goes out, then
//! what comes is read and dropped for a while. Otherwise the kernel would reset the connection
//! and the client of a refused upload could lose the answer that says why. So a handler refuses
//! a body by dropping it.
//! Deliberately absent: TLS and HTTP/2 (a proxy's work), routing, the moment to stop.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use warp::reply::Response;

pub use upload::Upload;

mod upload;

/// The longest linger once the server is to stop: idle clients need not notice that we closed.
const LINGER_TIME_AT_END: Duration = Duration::from_millis(500);

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for the head of a request to be complete, from the accept or from the end of the
    /// answer before: so it is also how long an idle connection is kept.
    pub head_time_max: Duration,
    /// Connections open at once; more wait in the kernel.
    pub connections_max: usize,
    /// How long a closing connection reads and drops what its client still sends.
    pub linger_time_max: Duration,
    /// How long requests may go on after the stop before they are cut off.
    pub stop_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_time_max: Duration::from_secs(30),
            connections_max: 1024,
            linger_time_max: Duration::from_secs(10),
            stop_time_max: Duration::from_secs(20),
        }
    }
}

/// Who is at the other end; in the extensions of every request. `None` on a UNIX socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub Option<SocketAddr>);

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A path.
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Finishing,
    Aborting,
}

/// Answers requests until `stop` completes; then the listener is closed, running requests are
/// finished, and those that take longer than the limit are cut off. Returns when no connection
/// is left.
///
/// `service` is usually `TowerToHyperService::new(warp::service(filter))`. The future that it
/// returns can be dropped at any await, when the client goes or the end is forced.
pub async fn serve<S>(
    listener: Listener,
    service: S,
    limits: Limits,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request<Upload>, Response = Response, Error = Infallible>,
    S: Send + Sync + 'static,
    S::Future: Send,
{
    let (phase, seen) = watch::channel(Phase::Serving);
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let service = Arc::new(service);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (Ok(slot), (stream, peer)) = (tokio::select! {
            next = next => next,
            () = &mut stop => break,
        }) else {
            break;
        };
        let service = Prepared { service: Arc::clone(&service), peer };
        let held = Held { limits: limits.clone(), phase: seen.clone(), _slot: slot };
        match stream {
            Stream::Tcp(stream) => drop(tokio::spawn(held.attend(stream, service))),
            Stream::Unix(stream) => drop(tokio::spawn(held.attend(stream, service))),
        }
    }
    drop((listener, seen));
    end(&phase, limits.stop_time_max).await;
}

/// Lets connections finish, then cuts the rest off.
async fn end(phase: &watch::Sender<Phase>, time_max: Duration) {
    phase.send_replace(Phase::Finishing);
    if timeout(time_max, phase.closed()).await.is_err() {
        log::warn!("cutting off {} connections that did not finish", phase.receiver_count());
        phase.send_replace(Phase::Aborting);
        phase.closed().await;
    }
}

impl Listener {
    /// The next connection. A failure to accept is logged and tried again, after a pause if it
    /// is a lack of something (descriptors, memory) and not the fault of one client.
    async fn accept(&self) -> (Stream, Peer) {
        loop {
            let accepted = match self {
                Self::Tcp(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, peer)| (Stream::Tcp(stream), Peer(Some(peer))))
                }
                Self::Unix(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| (Stream::Unix(stream), Peer(None)))
                }
            };
            match accepted {
                Ok((stream, peer)) => {
                    stream.without_delay();
                    return (stream, peer);
                }
                Err(error) => {
                    log::warn!("a connection could not be accepted: {error}");
                    sleep(pause_after(&error)).await;
                }
            }
        }
    }
}

fn pause_after(error: &io::Error) -> Duration {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    match error.kind() {
        ConnectionAborted | ConnectionReset | Interrupted => Duration::ZERO,
        _ => Duration::from_millis(200),
    }
}

impl Stream {
    /// Small answers must not wait for the acknowledgement of the one before.
    fn without_delay(&self) {
        if let Self::Tcp(stream) = self
            && let Err(error) = stream.set_nodelay(true)
        {
            log::debug!("TCP_NODELAY: {error}");
        }
    }
}

/// The service as hyper calls it for one connection: requests are told their peer, and the answer
/// to a refused upload says that the connection ends.
struct Prepared<S> {
    service: Arc<S>,
    peer: Peer,
}

impl<S> Service<Request<Incoming>> for Prepared<S>
where
    S: Service<Request<Upload>, Response = Response, Error = Infallible>,
    S: Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (service, peer) = (Arc::clone(&self.service), self.peer);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let (body, fate) = Upload::new(body);
            let mut request = Request::from_parts(head, body);
            request.extensions_mut().insert(peer);
            let mut response = service.call(request).await?;
            if fate.is_refused() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}

/// What a connection holds while it is open.
struct Held {
    limits: Limits,
    phase: watch::Receiver<Phase>,
    _slot: OwnedSemaphorePermit,
}

impl Held {
    async fn attend<I, S>(mut self, stream: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Unpin,
        S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Unpin,
        S::Future: Unpin,
    {
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time_max)
            .serve_connection(TokioIo::new(stream), service);
        let mut finishing = false;
        let ended = loop {
            let next = if finishing { Phase::Aborting } else { Phase::Finishing };
            tokio::select! {
                biased;
                () = reached(&mut self.phase, next) => {
                    if finishing {
                        return;
                    }
                    finishing = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            }
        };
        match ended {
            Ok(()) => self.close(connection.into_parts().io.into_inner()).await,
            Err(error) => log::debug!("a connection ended: {error}"),
        }
    }

    /// Ends our side, then waits for the client to end its own, for a while.
    async fn close<I: AsyncRead + AsyncWrite + Unpin>(mut self, mut stream: I) {
        let linger = async {
            stream.shutdown().await?;
            let mut dropped = vec![0; 16 << 10];
            while stream.read(&mut dropped).await? > 0 {}
            io::Result::Ok(())
        };
        let hurry = async {
            reached(&mut self.phase, Phase::Finishing).await;
            sleep(LINGER_TIME_AT_END).await;
        };
        tokio::select! {
            ended = timeout(self.limits.linger_time_max, linger) => {
                log::trace!("a connection is closed: {ended:?}");
            }
            () = hurry => {}
        }
    }
}

/// Waits for a phase; for ever, if the sender is gone without it.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
