//! One large body over one connection, and the same bytes without any server.
//!
//! The client of a large transfer blocks on a plain socket: nothing is cheaper. Defends no
//! invariant.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::figures::{Failure, float};
use crate::load::Answer;

/// Bytes that are written or read at once.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Writes, hashes and syncs `chunks` MiB in one loop: what a machine needs at least when it does
/// one thing after the other.
pub fn write_in_process(path: &Path, chunks: u64) -> Result<Duration, Failure> {
    let mut content = Content::new(CHUNK_BYTES);
    let begin = Instant::now();
    let mut file = File::create_new(path)?;
    let mut hash = Sha256::new();
    for _ in 0..chunks {
        let chunk = content.next();
        hash.update(chunk);
        file.write_all(chunk)?;
    }
    file.sync_all()?;
    std::hint::black_box(hash.finalize());
    Ok(begin.elapsed())
}

/// Uploads `chunks` MiB that no server has seen and waits for 201.
pub fn put(addr: SocketAddr, path: &str, chunks: u64) -> Result<Duration, Failure> {
    let mut content = Content::new(CHUNK_BYTES);
    let length = chunks * u64::try_from(CHUNK_BYTES)?;
    let mut stream = TcpStream::connect(addr)?;
    let begin = Instant::now();
    write!(stream, "PUT {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {length}\r\n\r\n")?;
    for _ in 0..chunks {
        stream.write_all(content.next())?;
    }
    read_head(&mut stream, 201)?;
    Ok(begin.elapsed())
}

/// Downloads and expects `chunks` MiB.
pub fn get(addr: SocketAddr, path: &str, chunks: u64) -> Result<Duration, Failure> {
    let expected = chunks * u64::try_from(CHUNK_BYTES)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut stream = TcpStream::connect(addr)?;
    let begin = Instant::now();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n")?;
    let (length, mut received) = read_head(&mut stream, 200)?;
    while received < length {
        match stream.read(&mut buffer)? {
            0 => return Err(format!("GET {path} broke off after {received} bytes").into()),
            read => received += u64::try_from(read)?,
        }
    }
    if received != expected {
        return Err(format!("GET {path}: {received} bytes instead of {expected}").into());
    }
    Ok(begin.elapsed())
}

/// MB (10⁶ bytes) per second.
pub fn megabytes_per_second(bytes: u64, time: Duration) -> f64 {
    float(bytes) / 1e6 / time.as_secs_f64()
}

/// The length of the body, and how much of it came with the head.
fn read_head(stream: &mut TcpStream, status: u16) -> Result<(u64, u64), Failure> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        let read = stream.read(&mut buffer)?;
        bytes.extend(&buffer[..read]);
        match Answer::parse(&bytes)? {
            Some(answer) if answer.status == status => {
                let received = u64::try_from(bytes.len() - answer.head)?;
                return Ok((u64::try_from(answer.length)?, received));
            }
            None if read > 0 => {}
            _ => return Err(format!("no {status}: {}", String::from_utf8_lossy(&bytes)).into()),
        }
    }
}
