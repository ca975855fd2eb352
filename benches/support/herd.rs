//! Many clients that pull one image at the same time, and what goes over the wire to the registry
//! behind.
//!
//! Defends no invariant. A client reads a layer as fast as it comes and throws it away; what it
//! waits for is counted from its first request on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::figures::{Failure, percentile};
use crate::load::Answer;

const BUFFER_BYTES: usize = 256 << 10;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Where an image is.
pub struct Image<'a> {
    /// The server.
    pub addr: SocketAddr,
    /// Its repository, as it stands behind `/v2/`.
    pub repository: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// The digest of its layer.
    pub layer: &'a str,
}

/// What one client saw.
#[derive(Clone, Copy)]
pub struct Pull {
    /// From its first request to the first byte of the layer.
    pub first: Duration,
    /// Bytes of the layer.
    pub bytes: u64,
}

/// What all of them saw.
pub struct Herd {
    /// Each of them.
    pub pulls: Vec<Pull>,
    /// From the first request to the last byte of all.
    pub elapsed: Duration,
}

impl Herd {
    /// The median of what clients waited for the first byte.
    pub fn first_median(&self) -> Duration {
        let mut first: Vec<_> = self.pulls.iter().map(|pull| pull.first).collect();
        first.sort_unstable();
        percentile(&first, 500)
    }
}

/// Lets so many clients pull at once.
pub fn pull(image: &Image, clients: usize) -> Result<Herd, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let start = Instant::now();
    let pulls = runtime.block_on(async {
        let tasks = (0..clients).map(|_| {
            let (manifest, layer) = paths(image);
            tokio::spawn(pull_one(image.addr, manifest, layer))
        });
        let mut pulls = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            pulls.push(task.await??);
        }
        Ok::<_, Failure>(pulls)
    })?;
    Ok(Herd { pulls, elapsed: start.elapsed() })
}

fn paths(image: &Image) -> (String, String) {
    let Image { repository, tag, layer, .. } = image;
    (format!("/v2/{repository}/manifests/{tag}"), format!("/v2/{repository}/blobs/{layer}"))
}

async fn pull_one(addr: SocketAddr, manifest: String, layer: String) -> Result<Pull, Failure> {
    let start = Instant::now();
    let mut stream = tokio::net::TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    read(&mut stream, addr, &manifest, &mut buffer).await?;
    let (begun, bytes) = read(&mut stream, addr, &layer, &mut buffer).await?;
    Ok(Pull { first: begun - start, bytes })
}

/// Asks and reads; tells when the first byte of the body came, and how many came.
async fn read(
    stream: &mut tokio::net::TcpStream,
    addr: SocketAddr,
    path: &str,
    buffer: &mut [u8],
) -> Result<(Instant, u64), Failure> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: {MANIFEST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let (answer, mut received) = loop {
        let read = stream.read(buffer).await?;
        head.extend_from_slice(&buffer[..read]);
        match Answer::parse(&head)? {
            Some(answer) if answer.status == 200 => {
                let received = head.len() - answer.head;
                break (answer, received);
            }
            None if read > 0 => {}
            _ => return Err(format!("{path}: {}", String::from_utf8_lossy(&head)).into()),
        }
    };
    let mut begun = (received > 0).then(Instant::now);
    while received < answer.length {
        match stream.read(buffer).await? {
            0 => return Err(format!("{path} broke off after {received} bytes").into()),
            read => received += read,
        }
        begun.get_or_insert_with(Instant::now);
    }
    Ok((begun.unwrap_or_else(Instant::now), u64::try_from(received)?))
}

/// Stands before a registry and counts what is asked of it.
pub struct Gauge {
    /// Where it listens.
    pub addr: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    blobs: AtomicU64,
    bytes: AtomicU64,
}

impl Gauge {
    /// Passes all connections on to `to`, as long as the process lives.
    pub fn before(to: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (addr, counts) = (listener.local_addr()?, Arc::<Counts>::default());
        let gauge = Self { addr, counts: Arc::clone(&counts) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that cannot be passed on is closed: whoever asked sees it.
                let _ = pass_on(stream, to, &counts);
            }
        });
        Ok(gauge)
    }

    /// GETs of blobs, and bytes that the registry sent, since the last time that was asked.
    pub fn take(&self) -> (u64, u64) {
        let Counts { blobs, bytes } = &*self.counts;
        (blobs.swap(0, Ordering::Relaxed), bytes.swap(0, Ordering::Relaxed))
    }
}

fn pass_on(client: TcpStream, to: SocketAddr, counts: &Arc<Counts>) -> std::io::Result<()> {
    let server = TcpStream::connect(to)?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (mut from, mut into) = (client.try_clone()?, server.try_clone()?);
    let counted = Arc::clone(counts);
    std::thread::spawn(move || {
        copy(&mut from, &mut into, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let is_blob = text.starts_with("GET ") && text.contains("/blobs/");
            counted.blobs.fetch_add(u64::from(is_blob), Ordering::Relaxed);
        });
    });
    let (mut from, mut into, counted) = (server, client, Arc::clone(counts));
    std::thread::spawn(move || {
        copy(&mut from, &mut into, |bytes| {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            counted.bytes.fetch_add(length, Ordering::Relaxed);
        });
    });
    Ok(())
}

fn copy(from: &mut TcpStream, into: &mut TcpStream, count: impl Fn(&[u8])) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        count(&buffer[..read]);
        if into.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // The other half ends with it, whichever comes first.
    let _ = into.shutdown(std::net::Shutdown::Write);
}
