//! [`Guarded`]: makes the connections of the proxy's client, after asking [`Network`].
//!
//! The client has no other way to the network, so a redirect, a token realm or a name that changes
//! its address cannot lead around the policy.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use super::network::{Barred, Network};

/// Head start of an address before the next one is tried too.
const HEAD_START: Duration = Duration::from_millis(250);

/// The connector.
#[derive(Clone)]
pub(super) struct Guarded {
    pub(super) network: Arc<Network>,
    /// Longest wait for a connection.
    pub(super) patience: Duration,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoConnection {
    #[error(transparent)]
    Barred(#[from] Barred),
    #[error("no connection to {host}: {source}")]
    Io { host: String, source: io::Error },
    #[error("{0} is no address of a server")]
    NoHost(Uri),
}

impl Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = NoConnection;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { network, patience } = self.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().to_owned();
            let connected = timeout(patience, connect(&network, &uri)).await;
            connected.unwrap_or_else(|_| {
                Err(NoConnection::Io { host, source: io::ErrorKind::TimedOut.into() })
            })
        })
    }
}

async fn connect(network: &Network, uri: &Uri) -> Result<TokioIo<TcpStream>, NoConnection> {
    let host = uri.host().ok_or_else(|| NoConnection::NoHost(uri.clone()))?;
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let addresses = network.resolve(host, uri.port_u16().unwrap_or(usual)).await?;
    let connected = first(&addresses).await;
    let stream = connected.map_err(|source| NoConnection::Io { host: host.to_owned(), source })?;
    // A connection without it works, too.
    let _ = stream.set_nodelay(true);
    Ok(TokioIo::new(stream))
}

/// The first connection that one of the addresses takes.
async fn first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut wait = Duration::ZERO;
    let mut tries = FuturesUnordered::new();
    for address in addresses {
        let after = wait;
        wait += HEAD_START;
        tries.push(async move {
            sleep(after).await;
            TcpStream::connect(*address).await
        });
    }
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    while let Some(tried) = tries.next().await {
        match tried {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
