//! The bare prototype that Larder is measured against: the height of the bar.
//!
//! warp filters, an accept loop of its own with `TCP_NODELAY`, group commit, small blobs inline,
//! large ones streamed to a file, hashed on the way, synced. It keeps I1, I4 and I5 and nothing
//! else. Deliberately absent: a tree of names (names live in memory and die with the process),
//! rights, references, collection, ranges, limits, an orderly stop.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use redb::{Database, ReadableDatabase};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use warp::http::StatusCode;
use warp::reply::{Reply, Response};
use warp::{Filter, Rejection};

use crate::figures::Failure;
use crate::group::{DIGESTS, Group, INLINE, Mode, Place, Put, ROWS};

const INLINE_BYTES_MAX: u64 = 16 * 1024;
const CHUNK_BYTES: usize = 1 << 20;
const BATCH_MAX: usize = 256;

struct Bare {
    db: Arc<Database>,
    group: Group,
    dir: PathBuf,
    files: AtomicU64,
    names: Mutex<HashMap<String, [u8; 32]>>,
}

/// Serves `PUT` and `GET /x/NAME` from `dir` until standard input ends; the first line on standard
/// output is `listening on http://ADDR:PORT`.
pub fn serve(dir: &Path) -> Result<(), Failure> {
    let db = Arc::new(Database::create(dir.join("bare.redb"))?);
    let group = Group::start(Arc::clone(&db), Mode::Default, BATCH_MAX)?;
    let (files, names) = (AtomicU64::new(0), Mutex::default());
    let bare = Arc::new(Bare { db, group, dir: dir.to_owned(), files, names });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))))?;
    println!("listening on http://{}", listener.local_addr()?);
    runtime.spawn(accept(listener, bare));
    // The parent's end of the pipe closes with the parent, however that ends.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    runtime.shutdown_background();
    Ok(())
}

async fn accept(listener: TcpListener, bare: Arc<Bare>) {
    let service = TowerToHyperService::new(warp::service(routes(bare)));
    while let Ok((socket, _)) = listener.accept().await {
        // Without it every small answer waits for the client's delayed acknowledgement.
        let _ = socket.set_nodelay(true);
        let service = service.clone();
        tokio::spawn(async move {
            let http = http1::Builder::new();
            if let Err(error) = http.serve_connection(TokioIo::new(socket), service).await {
                eprintln!("bare: connection: {error}");
            }
        });
    }
}

fn routes(bare: Arc<Bare>) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let name = warp::any().map(move || Arc::clone(&bare)).and(warp::path!("x" / String));
    let put = warp::put()
        .and(name.clone())
        .and(warp::header("content-length"))
        .and(warp::body::stream())
        .then(
            |bare, name, length, body| async move { reply(upload(bare, name, length, body).await) },
        );
    let get = warp::get()
        .and(name)
        .then(|bare: Arc<Bare>, name: String| async move { reply(download(&bare, &name)) });
    put.or(get).unify()
}

fn reply(result: Result<Response, Failure>) -> Response {
    result.unwrap_or_else(|error| {
        eprintln!("bare: {error}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })
}

async fn upload<B: Buf>(
    bare: Arc<Bare>,
    name: String,
    length: u64,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Failure> {
    let put = if length <= INLINE_BYTES_MAX {
        collect(length, body).await?
    } else {
        store_file(&bare, body).await?
    };
    let digest = put.digest;
    bare.group.put(put).await??;
    bare.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name, digest);
    Ok(StatusCode::CREATED.into_response())
}

async fn collect<B: Buf>(
    length: u64,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Put, Failure> {
    let mut body = pin!(body);
    let mut bytes = BytesMut::with_capacity(usize::try_from(length)?);
    while let Some(chunk) = body.next().await {
        bytes.put(chunk?);
    }
    let digest = Sha256::digest(&bytes).into();
    Ok(Put { digest, length, place: Place::Inline(bytes.freeze()) })
}

/// Receives here while a blocking task hashes and writes.
async fn store_file<B: Buf>(
    bare: &Bare,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Put, Failure> {
    let (chunks, received) = mpsc::channel(16);
    let (dir, number) = (bare.dir.clone(), bare.files.fetch_add(1, Ordering::Relaxed));
    let writer = spawn_blocking(move || write_file(&dir, number, received));
    let mut body = pin!(body);
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk?;
        if chunks.send(chunk.copy_to_bytes(chunk.remaining())).await.is_err() {
            break; // the writer has failed and says below why
        }
    }
    drop(chunks);
    Ok(writer.await??)
}

fn write_file(dir: &Path, number: u64, mut chunks: mpsc::Receiver<Bytes>) -> io::Result<Put> {
    let name = format!("{number}.blob");
    let mut file = File::create_new(dir.join(&name))?;
    let (mut hash, mut length) = (Sha256::new(), 0);
    while let Some(chunk) = chunks.blocking_recv() {
        hash.update(&chunk);
        file.write_all(&chunk)?;
        length += u64::try_from(chunk.len()).map_err(io::Error::other)?;
    }
    file.sync_all()?;
    File::open(dir)?.sync_all()?;
    Ok(Put { digest: hash.finalize().into(), length, place: Place::File(name) })
}

fn download(bare: &Bare, name: &str) -> Result<Response, Failure> {
    let names = bare.names.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(digest) = names.get(name).copied() else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    drop(names);
    let txn = bare.db.begin_read()?;
    let id = txn.open_table(DIGESTS)?.get(digest.as_slice())?.ok_or("a digest is gone")?.value();
    if let Some(bytes) = txn.open_table(INLINE)?.get(id)? {
        return Ok(Response::new(Bytes::copy_from_slice(bytes.value()).into()));
    }
    let rows = txn.open_table(ROWS)?;
    let row = rows.get(id)?.ok_or("a row is gone")?;
    let (length, file) = row.value().split_at_checked(8).ok_or("a row is too short")?;
    let length = u64::from_be_bytes(length.try_into()?);
    stream_file(&bare.dir.join(std::str::from_utf8(file)?), length)
}

/// One blocking reader with chunks of 1 MiB, a few ahead of the socket.
fn stream_file(path: &Path, length: u64) -> Result<Response, Failure> {
    let file = File::open(path)?;
    let (chunks, mut ready) = mpsc::channel(2);
    spawn_blocking(move || read_file(file, &chunks));
    let body = stream::poll_fn(move |context| ready.poll_recv(context));
    let mut response = warp::reply::stream(body).into_response();
    response.headers_mut().insert(warp::http::header::CONTENT_LENGTH, length.into());
    Ok(response)
}

fn read_file(mut file: File, chunks: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut buffer = vec![0; CHUNK_BYTES];
        let chunk = file.read(&mut buffer).map(|length| {
            buffer.truncate(length);
            Bytes::from(buffer)
        });
        let more = chunk.as_ref().is_ok_and(|chunk| !chunk.is_empty());
        // A client that went away ends the reading; an empty chunk is nothing to hyper.
        if chunks.blocking_send(chunk).is_err() || !more {
            return;
        }
    }
}
