//! Bodies of [`super::BadUpstream`]: whole, cut, slow, endless, counted as they go out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::{Shared, lock};

/// Bytes of one piece.
const PIECE: usize = 64 << 10;

type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
type Frames = Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>;
pub(super) type Body = StreamBody<Frames>;

/// How it goes on after its bytes.
pub(super) enum End {
    Well,
    Reset,
    Hang,
}

pub(super) fn whole(bytes: Bytes, end: &End) -> Pieces {
    let pieces = stream::iter(split(bytes, PIECE)).map(Ok);
    match end {
        End::Well => pieces.boxed(),
        End::Reset => {
            let broken = async {
                // What came before is on its way.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            };
            pieces.chain(stream::once(broken)).boxed()
        }
        End::Hang => pieces.chain(stream::pending()).boxed(),
    }
}

pub(super) fn trickle(bytes: Bytes, piece: usize, pause: Duration) -> Pieces {
    let slowly = move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok(piece)
    };
    stream::iter(split(bytes, piece.max(1))).then(slowly).boxed()
}

pub(super) fn huge(length: u64) -> Pieces {
    let zeros = Bytes::from(vec![0; PIECE]);
    stream::unfold(length, move |left| {
        let most = u64::try_from(PIECE).unwrap().min(left);
        let piece = zeros.slice(..usize::try_from(most).unwrap());
        async move { (left > 0).then_some((Ok(piece), left - most)) }
    })
    .boxed()
}

/// The body, whose bytes are counted for this path as they are sent.
pub(super) fn counted(state: &Shared, path: &str, pieces: Pieces) -> Body {
    let (state, path) = (Arc::clone(state), path.to_owned());
    let count = move |piece: io::Result<Bytes>| {
        let piece = piece?;
        let mut state = lock(&state);
        *state.sent.entry(path.clone()).or_default() += u64::try_from(piece.len()).unwrap();
        Ok(Frame::data(piece))
    };
    StreamBody::new(Box::pin(pieces.map(count)))
}

fn split(bytes: Bytes, piece: usize) -> impl Iterator<Item = Bytes> + Send {
    let mut left = bytes;
    std::iter::from_fn(move || (!left.is_empty()).then(|| left.split_to(piece.min(left.len()))))
}
