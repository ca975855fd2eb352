//! A load generator that speaks a registry's protocol: many keep-alive connections on one thread.
//!
//! What it sends is what every client sends at least: a POST and a PUT for a blob, a PUT for a
//! manifest. Nothing is asked before, since no server has seen any of it. Defends no invariant.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::content::Content;
use crate::figures::Failure;
use crate::load::{Answer, Load, Outcome};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const BYTES: &str = "application/octet-stream";

/// What a connection does again and again.
#[derive(Clone, Copy)]
pub enum Work<'a> {
    /// Pushes an image with one layer of the load's size; its tag is this and a number.
    Push(&'a str),
    /// Uploads a blob of the load's size.
    Upload,
    /// Fetches a manifest that [`Work::Push`] has pushed under these tags, so many of each
    /// connection.
    Fetch(&'a str, u64),
    /// Deletes those images, by digest.
    Delete(&'a [Vec<String>]),
}

/// The repository of a connection.
pub fn repository(connection: u32) -> String {
    format!("bench/app{connection}")
}

/// What came of it, and the digests of the manifests that each connection has pushed.
pub fn run(load: &Load, work: Work) -> Result<(Outcome, Vec<Vec<String>>), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let clients = (0..load.connections).map(|number| Client::connect(load, number));
        let clients = try_join_all(clients).await?;
        let start = Instant::now();
        let runs = clients.into_iter().map(|client| client.drive(work, start));
        let (latencies, pushed): (Vec<_>, _) = try_join_all(runs).await?.into_iter().unzip();
        Ok((Outcome::new(start.elapsed(), latencies.concat()), pushed))
    })
}

/// Pushes a layer of `chunks` MiB in one PATCH, as most clients do, and gives the time from the
/// first request to the last answer.
pub fn push_large(addr: SocketAddr, chunks: u64) -> Result<Duration, Failure> {
    let content = Chunks::new();
    let digest = content.digest(chunks);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut wire = Wire::connect(addr).await?;
        let start = Instant::now();
        wire.push_chunks(&content, chunks, &digest).await?;
        Ok(start.elapsed())
    })
}

/// Pushes an image with one layer of `chunks` MiB under `tag`; gives the layer's digest.
pub fn push_large_image(addr: SocketAddr, tag: &str, chunks: u64) -> Result<String, Failure> {
    let content = Chunks::new();
    let layer = content.digest(chunks);
    let size = chunks * u64::try_from(content.bytes.len())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut wire = Wire::connect(addr).await?;
        wire.push_chunks(&content, chunks, &layer).await?;
        wire.push_image(&repository(0), tag, &layer, size).await?;
        Ok(layer)
    })
}

/// Different chunks that can be made twice: for the digest, and to be sent.
struct Chunks {
    bytes: Vec<u8>,
}

impl Chunks {
    fn new() -> Self {
        Self { bytes: Content::new(crate::large::CHUNK_BYTES).next().to_vec() }
    }

    fn stamp(bytes: &mut [u8], number: u64) {
        bytes[..8].copy_from_slice(&number.to_le_bytes());
    }

    fn digest(&self, chunks: u64) -> String {
        let (mut bytes, mut hash) = (self.bytes.clone(), Sha256::new());
        for number in 0..chunks {
            Self::stamp(&mut bytes, number);
            hash.update(&bytes);
        }
        named(hash.finalize().as_ref())
    }
}

fn named(hash: &[u8]) -> String {
    hash.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn digest_of(bytes: &[u8]) -> String {
    named(Sha256::digest(bytes).as_ref())
}

fn with_digest(place: &str, digest: &str) -> String {
    let separator = if place.contains('?') { '&' } else { '?' };
    format!("{place}{separator}digest={digest}")
}

struct Client<'a> {
    load: &'a Load,
    number: u32,
    repository: String,
    wire: Wire,
    content: Content,
    pushed: Vec<String>,
}

impl<'a> Client<'a> {
    async fn connect(load: &'a Load, number: u32) -> Result<Self, Failure> {
        let (wire, content) = (Wire::connect(load.addr).await?, Content::new(load.size));
        let repository = repository(number);
        Ok(Self { load, number, repository, wire, content, pushed: Vec::new() })
    }

    async fn drive(
        mut self,
        work: Work<'_>,
        start: Instant,
    ) -> Result<(Vec<Duration>, Vec<String>), Failure> {
        let mut latencies = Vec::new();
        for request in 0.. {
            if self.load.until.is_over(start, request) {
                break;
            }
            let begin = Instant::now();
            self.once(work, request).await.map_err(|error| format!("{request}: {error}"))?;
            latencies.push(begin.elapsed());
        }
        Ok((latencies, self.pushed))
    }

    async fn once(&mut self, work: Work<'_>, request: u64) -> Result<(), Failure> {
        match work {
            Work::Push(tag) => self.push(&format!("{tag}{request}")).await,
            Work::Upload => {
                let body = self.content.next();
                self.wire.upload(&self.repository, body, &digest_of(body)).await
            }
            Work::Fetch(tag, count) => {
                let path = self.manifest(&format!("{tag}{}", request % count));
                self.wire.ask("GET", &path, MANIFEST, b"", &[200]).await
            }
            Work::Delete(digests) => {
                let mine = digests.get(usize::try_from(self.number)?);
                let digest = mine.and_then(|mine| mine.get(usize::try_from(request).ok()?));
                let path = self.manifest(digest.ok_or("fewer images than requests")?);
                self.wire.ask("DELETE", &path, BYTES, b"", &[202]).await
            }
        }
    }

    fn manifest(&self, reference: &str) -> String {
        format!("/v2/{}/manifests/{reference}", self.repository)
    }

    async fn push(&mut self, tag: &str) -> Result<(), Failure> {
        let layer = self.content.next();
        let (digest, size) = (digest_of(layer), u64::try_from(layer.len())?);
        self.wire.upload(&self.repository, layer, &digest).await?;
        let pushed = self.wire.push_image(&self.repository, tag, &digest, size).await?;
        self.pushed.push(pushed);
        Ok(())
    }
}

/// One connection.
struct Wire {
    addr: SocketAddr,
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Wire {
    async fn connect(addr: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { addr, stream, request: Vec::new(), answer: Vec::new() })
    }

    async fn push_chunks(
        &mut self,
        content: &Chunks,
        chunks: u64,
        digest: &str,
    ) -> Result<(), Failure> {
        let length = chunks * u64::try_from(content.bytes.len())?;
        let place = self.begin_upload(&repository(0)).await?;
        self.head("PATCH", &place, BYTES, length).await?;
        let mut bytes = content.bytes.clone();
        for number in 0..chunks {
            Chunks::stamp(&mut bytes, number);
            self.stream.write_all(&bytes).await?;
        }
        self.receive(&[202]).await?;
        let place = self.location()?;
        self.ask("PUT", &with_digest(&place, digest), BYTES, b"", &[201]).await
    }

    /// Pushes what makes an image of a layer; gives the digest of the manifest.
    async fn push_image(
        &mut self,
        repository: &str,
        tag: &str,
        digest: &str,
        size: u64,
    ) -> Result<String, Failure> {
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest]},
        });
        let config = config.to_string().into_bytes();
        self.upload(repository, &config, &digest_of(&config)).await?;
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(&config), "size": config.len()},
            "layers": [{"mediaType": LAYER, "digest": digest, "size": size}],
        });
        let manifest = manifest.to_string().into_bytes();
        let path = format!("/v2/{repository}/manifests/{tag}");
        self.ask("PUT", &path, MANIFEST, &manifest, &[201]).await?;
        Ok(digest_of(&manifest))
    }

    async fn upload(&mut self, repository: &str, body: &[u8], digest: &str) -> Result<(), Failure> {
        let place = self.begin_upload(repository).await?;
        self.ask("PUT", &with_digest(&place, digest), BYTES, body, &[201]).await
    }

    async fn begin_upload(&mut self, repository: &str) -> Result<String, Failure> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        self.ask("POST", &path, BYTES, b"", &[202]).await?;
        self.location()
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
        statuses: &[u16],
    ) -> Result<(), Failure> {
        self.write_head(method, path, kind, u64::try_from(body.len())?);
        self.request.extend(body);
        self.stream.write_all(&self.request).await?;
        self.receive(statuses).await.map_err(|error| format!("{method} {path}: {error}").into())
    }

    async fn head(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        length: u64,
    ) -> Result<(), Failure> {
        self.write_head(method, path, kind, length);
        Ok(self.stream.write_all(&self.request).await?)
    }

    fn write_head(&mut self, method: &str, path: &str, kind: &str, length: u64) {
        let addr = self.addr;
        self.request.clear();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: {kind}\r\n");
        self.request.extend(head.as_bytes());
        if method != "GET" {
            let head = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
            self.request.extend(head.as_bytes());
        }
        self.request.extend(b"\r\n");
    }

    /// Reads one whole answer.
    async fn receive(&mut self, statuses: &[u16]) -> Result<(), Failure> {
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let Some(answer) = Answer::parse(&self.answer)? else { continue };
            if self.answer.len() < answer.head + answer.length {
                continue;
            }
            if statuses.contains(&answer.status) {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&self.answer).into_owned();
            return Err(format!("expected {statuses:?}, was answered:\n{text}").into());
        }
    }

    /// The path in the header `Location` of the last answer.
    fn location(&self) -> Result<String, Failure> {
        let text = String::from_utf8_lossy(&self.answer);
        let mut headers = text.lines().filter_map(|line| line.split_once(':'));
        let found = headers.find(|(name, _)| name.eq_ignore_ascii_case("location"));
        let place = found.ok_or("an answer without a location")?.1.trim();
        let path = place.split_once("://").and_then(|(_, rest)| Some(&rest[rest.find('/')?..]));
        Ok(path.unwrap_or(place).to_owned())
    }
}
