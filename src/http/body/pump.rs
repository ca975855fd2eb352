//! [`pump`]: a large body goes through a bounded channel to one task that may wait for a disk,
//! while the network goes on receiving.
//!
//! Deliberately absent: what the task does with the bytes.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::RequestBody;
use crate::http::blocking;
use crate::http::failure::Failure;

/// Chunks that wait between the network and the disk.
const CHUNKS_WAITING: usize = 8;

/// What the task gets; no more of them without an end: the body was broken off, and its error is
/// the answer.
#[derive(Debug)]
pub enum Part {
    /// The next bytes.
    Chunk(Bytes),
    /// All came.
    End,
}

/// Sends `head` and then the body to `work`, and answers what that answers, which may be before
/// the body's end. `admit` is asked before each chunk; its refusal breaks the body off.
///
/// The work goes on to its own end when this is dropped, as when the client goes away.
///
/// # Errors
/// What `work` and `admit` say, and the body's own.
pub async fn pump<T: Send + 'static>(
    head: Bytes,
    body: RequestBody,
    admit: impl Fn() -> Result<(), Failure>,
    work: impl FnOnce(mpsc::Receiver<Part>) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (chunks, arriving) = mpsc::channel(CHUNKS_WAITING);
    let worked = tokio::spawn(blocking(move || work(arriving)));
    let fed = feed(head, body, admit, &chunks).await;
    if fed.is_ok() {
        // If the task is gone, its own answer says why.
        let _ = chunks.send(Part::End).await;
    }
    drop(chunks);
    let answer = worked.await.map_err(|error| Failure::Internal(error.to_string()))?;
    fed.and(answer)
}

async fn feed(
    head: Bytes,
    mut body: RequestBody,
    admit: impl Fn() -> Result<(), Failure>,
    chunks: &mpsc::Sender<Part>,
) -> Result<(), Failure> {
    let mut chunk = Some(Ok(head));
    while let Some(next) = chunk {
        admit()?;
        if chunks.send(Part::Chunk(next?)).await.is_err() {
            break;
        }
        chunk = tokio::select! {
            chunk = body.next() => chunk,
            // It has refused already: its client need not send more to be told.
            () = chunks.closed() => break,
        };
    }
    Ok(())
}
