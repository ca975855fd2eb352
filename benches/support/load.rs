//! A load generator for small requests: many keep-alive connections on one thread.
//!
//! It speaks just enough HTTP/1.1 over raw sockets to drive any server (the prototype, Larder,
//! nginx) and to cost little: it shares the processors with the server it measures. Defends no
//! invariant. Deliberately absent: chunked bodies, redirects, retries. Whatever is not the expected
//! answer ends the run with an error.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::content::Content;
use crate::figures::{Failure, float, percentile};

/// What to ask, and how long.
pub struct Load {
    /// The server.
    pub addr: SocketAddr,
    /// Connections, each with one request under way.
    pub connections: u32,
    /// Length of every body in bytes.
    pub size: usize,
    /// When to stop.
    pub until: Until,
}

/// When a connection stops.
#[derive(Clone)]
pub enum Until {
    /// With the first answer after this time.
    Elapsed(Duration),
    /// After so many requests per connection.
    Requests(u64),
    /// With the first answer after somebody has set this.
    Told(Arc<AtomicBool>),
}

impl Until {
    /// Whether a connection that has made so many requests since then stops.
    pub fn is_over(&self, start: Instant, request: u64) -> bool {
        match self {
            Self::Elapsed(time) => start.elapsed() >= *time,
            Self::Requests(count) => request >= *count,
            Self::Told(told) => told.load(Ordering::Relaxed),
        }
    }
}

/// What came of it.
pub struct Outcome {
    elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Outcome {
    /// What so many connections found in this time.
    pub fn new(elapsed: Duration, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self { elapsed, latencies }
    }

    /// Requests per second over all connections.
    pub fn rate(&self) -> f64 {
        float(self.latencies.len().try_into().unwrap_or(0)) / self.elapsed.as_secs_f64()
    }

    /// The latency that `per_mille` of 1,000 requests stay within; 1,000 is the largest.
    pub fn latency(&self, per_mille: usize) -> Duration {
        percentile(&self.latencies, per_mille)
    }
}

/// Uploads a new body with every request and expects 201; `path` gets the connection and the
/// number of the request on it.
pub fn put(load: &Load, path: impl Fn(u32, u64) -> String) -> Result<Outcome, Failure> {
    run(load, Method::Put, &path)
}

/// Downloads and expects 200 and a body of the right length.
pub fn get(load: &Load, path: impl Fn(u32, u64) -> String) -> Result<Outcome, Failure> {
    run(load, Method::Get, &path)
}

#[derive(Clone, Copy)]
enum Method {
    Put,
    Get,
}

type Path<'a> = &'a dyn Fn(u32, u64) -> String;

fn run(load: &Load, method: Method, path: Path) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let clients = (0..load.connections).map(|number| Client::connect(load, number));
        let clients = try_join_all(clients).await?;
        let start = Instant::now();
        let runs = clients.into_iter().map(|client| client.drive(method, path, start));
        let runs = try_join_all(runs).await?;
        Ok(Outcome::new(start.elapsed(), runs.concat()))
    })
}

struct Client<'a> {
    load: &'a Load,
    number: u32,
    stream: TcpStream,
    content: Content,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl<'a> Client<'a> {
    async fn connect(load: &'a Load, number: u32) -> Result<Self, Failure> {
        let stream = TcpStream::connect(load.addr).await?;
        stream.set_nodelay(true)?;
        let content = Content::new(load.size);
        Ok(Self { load, number, stream, content, request: Vec::new(), answer: Vec::new() })
    }

    async fn drive(
        mut self,
        method: Method,
        path: Path<'_>,
        start: Instant,
    ) -> Result<Vec<Duration>, Failure> {
        let mut latencies = Vec::new();
        for request in 0.. {
            if self.load.until.is_over(start, request) {
                break;
            }
            let path = path(self.number, request);
            let begin = Instant::now();
            self.exchange(method, &path).await.map_err(|error| format!("{path}: {error}"))?;
            latencies.push(begin.elapsed());
        }
        Ok(latencies)
    }

    async fn exchange(&mut self, method: Method, path: &str) -> Result<(), Failure> {
        let Load { addr, size, .. } = self.load;
        self.request.clear();
        let (head, status, length) = match method {
            Method::Put => {
                (format!("PUT {path} HTTP/1.1\r\nContent-Length: {size}\r\n"), 201, None)
            }
            Method::Get => (format!("GET {path} HTTP/1.1\r\n"), 200, Some(*size)),
        };
        self.request.extend(head.as_bytes());
        self.request.extend(format!("Host: {addr}\r\n\r\n").as_bytes());
        if matches!(method, Method::Put) {
            self.request.extend(self.content.next());
        }
        self.stream.write_all(&self.request).await?;
        let answer = self.receive().await?;
        if answer.status != status || length.is_some_and(|length| length != answer.length) {
            let text = String::from_utf8_lossy(&self.answer).into_owned();
            return Err(format!("expected {status}, was answered:\n{text}").into());
        }
        Ok(())
    }

    /// Reads one whole answer.
    async fn receive(&mut self) -> Result<Answer, Failure> {
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if let Some(answer) = Answer::parse(&self.answer)?
                && self.answer.len() >= answer.head + answer.length
            {
                return Ok(answer);
            }
        }
    }
}

/// The head of an answer.
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Bytes of the head, with the empty line.
    pub head: usize,
    /// Bytes of the body.
    pub length: usize,
}

impl Answer {
    /// Understands a head, or says that there is more to come.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end])?;
        let status = head.get(9..12).ok_or("an answer without a status")?.parse()?;
        let length =
            head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
                name.eq_ignore_ascii_case("content-length").then_some(value.trim())
            });
        let length = length.ok_or_else(|| format!("an answer without a length:\n{head}"))?;
        Ok(Some(Self { status, head: end + 4, length: length.parse()? }))
    }
}
