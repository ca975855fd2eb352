//! A real listener on port 0 and clients that write bytes, some of them rudely.

use bytes::Bytes;
use futures_util::stream;
use http::header::IF_NONE_MATCH;
use http::{HeaderMap, StatusCode};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use warp::Filter;
use warp::path::FullPath;

use super::*;
use crate::http::{body, reply};

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// What the bodies of `/echo` came to: their length or their error.
    bodies: mpsc::UnboundedReceiver<Result<usize, String>>,
}

fn quick() -> Limits {
    Limits { stop_time_max: Duration::from_secs(5), ..Limits::default() }
}

async fn start(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, bodies) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = service(tell);
    let task = tokio::spawn(async move {
        serve(Listener::Tcp(listener), service, limits, async { drop(stopped.await) }).await;
    });
    Server { address, stop, task, bodies }
}

fn service(
    tell: mpsc::UnboundedSender<Result<usize, String>>,
) -> impl Service<
    Request<Upload>,
    Response = Response,
    Error = Infallible,
    Future = impl Future<Output = Result<Response, Infallible>> + Send,
> + Clone
+ Send
+ Sync
+ 'static {
    let filter = warp::path::full()
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::body::stream())
        .then(move |path: FullPath, _: HeaderMap, peer, stream| {
            let body = body::boxed(stream, Duration::from_secs(60));
            let tell = tell.clone();
            async move { answer(path.as_str(), peer, body, tell).await }
        })
        .boxed();
    TowerToHyperService::new(warp::service(filter))
}

async fn answer(
    path: &str,
    peer: Option<Peer>,
    content: body::RequestBody,
    tell: mpsc::UnboundedSender<Result<usize, String>>,
) -> Response {
    match path {
        "/echo" => {
            let all = body::collect(content, 1 << 30).await;
            let length = all.as_ref().map(Bytes::len).map_err(ToString::to_string);
            tell.send(length).unwrap();
            all.map_or_else(
                |error| reply::refusal(&error),
                |all| reply::plain(all.len().to_string()),
            )
        }
        "/peer" => reply::plain(format!("{:?}", peer.unwrap().0.unwrap().ip())),
        "/slow" => {
            tell.send(Ok(0)).unwrap();
            sleep(Duration::from_millis(300)).await;
            reply::plain("slow".to_owned())
        }
        "/never" => {
            tell.send(Ok(0)).unwrap();
            std::future::pending().await
        }
        "/short" => {
            let cut = [Ok(Bytes::from("ab")), Err(io::Error::other("cut")), Ok("cde".into())];
            file(reply::Content::Stream(Box::pin(stream::iter(cut))))
        }
        "/head" => file(reply::Content::None),
        "/not-modified" => {
            let etag = format!("\"{}\"", crate::model::Digest([0; 32]));
            let held = (IF_NONE_MATCH, HeaderValue::try_from(etag).unwrap());
            match FILE.decide(&http::Method::GET, &HeaderMap::from_iter([held])) {
                reply::Decision::Answer(response) => response,
                reply::Decision::Send(_) => panic!("it was not modified"),
            }
        }
        _ => reply::text(StatusCode::BAD_REQUEST, "Tag v1 is locked"),
    }
}

const FILE: reply::FileFacts<'static> = reply::FileFacts {
    name: "x",
    digest: crate::model::Digest([0; 32]),
    modified: crate::model::Timestamp(0),
    size: 5,
};

fn file(content: reply::Content) -> Response {
    match FILE.decide(&http::Method::GET, &HeaderMap::new()) {
        reply::Decision::Send(sending) => FILE.send(&sending, content),
        reply::Decision::Answer(_) => panic!("there was no condition"),
    }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

/// Reads up to the end of one answer that has a Content-Length.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.is_none_or(|length| length.parse() == Ok(body.len())) {
                return text;
            }
        }
        assert!(stream.read_buf(&mut all).await.unwrap() > 0, "ended early: {text}");
    }
}

async fn read_rest(stream: &mut TcpStream) -> String {
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    all
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = start(quick()).await;
    let mut stream = server.connect().await;
    for length in [0, 3, 5] {
        let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&b"abcde"[..length]).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{length}")), "{answer}");
    }
    stream.write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut stream).await.ends_with("127.0.0.1"));
    drop(stream);
    server.end().await;
}

#[tokio::test]
async fn an_upload_may_be_chunked_and_may_wait_for_100() {
    let server = start(quick()).await;
    let mut stream = server.connect().await;
    let head = b"PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
    stream.write_all(head).await.unwrap();
    stream.write_all(b"Expect: 100-continue\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut stream).await.ends_with("\r\n\r\n7"));
    drop(stream);
    server.end().await;
}

#[tokio::test]
async fn the_reason_is_in_the_status_line_too() {
    let server = start(quick()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"DELETE /x HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 Tag v1 is locked\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n400: Tag v1 is locked"), "{answer}");
    drop(stream);
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_can_read_why() {
    const SIZE: usize = 16 << 20;
    let server = start(quick()).await;
    for _ in 0..20 {
        let mut stream = server.connect().await;
        let head = format!("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // As a simple client: send everything, and only then read.
        stream.write_all(&vec![0; SIZE]).await.unwrap();
        let answer = read_rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_refused_upload_that_waits_for_100_is_not_asked_for() {
    let server = start(quick()).await;
    let mut stream = server.connect().await;
    let head = b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let answer = read_rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    drop(stream);
    server.end().await;
}

#[tokio::test]
async fn a_truncated_body_is_an_error() {
    let mut server = start(quick()).await;
    for request in [
        "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ] {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        drop(stream);
        let body = server.bodies.recv().await.unwrap();
        assert!(body.is_err(), "{request}: {body:?}");
    }
    server.end().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_looks_broken() {
    let server = start(quick()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    drop(stream.read_to_end(&mut all).await);
    let answer = String::from_utf8(all).unwrap();
    // Perhaps nothing came at all; what came is less than it promised.
    assert!(answer.is_empty() || answer.contains("\r\ncontent-length: 5\r\n"), "{answer}");
    assert!(!answer.contains("\r\n\r\nabcde"), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn a_length_without_bytes_leaves_the_connection_in_step() {
    let server = start(quick()).await;
    let mut stream = server.connect().await;
    for (request, length) in [("HEAD /head", Some("5")), ("GET /not-modified", None)] {
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
        let answer = String::from_utf8(answer).unwrap();
        let told = answer.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(told, length, "{answer}");
    }
    stream.write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    drop(stream);
    server.end().await;
}

#[tokio::test]
async fn silence_is_ended() {
    let limits = Limits { head_time_max: Duration::from_millis(50), ..quick() };
    let server = start(limits).await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
    let mut idle = server.connect().await;
    idle.write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_answer(&mut idle).await;
    for stream in [&mut silent, &mut half, &mut idle] {
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok());
    }
    server.end().await;
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let server = start(Limits { connections_max: 1, ..quick() }).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    second.write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    first.write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_answer(&mut first).await;
    let early = timeout(Duration::from_millis(50), read_answer(&mut second)).await;
    assert!(early.is_err());
    drop(first);
    assert!(read_answer(&mut second).await.ends_with("127.0.0.1"));
    drop(second);
    server.end().await;
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_idle_clients_go() {
    let mut server = start(quick()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_answer(&mut idle).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.bodies.recv().await.unwrap().unwrap();
    let address = server.address;
    server.stop.send(()).unwrap();
    assert!(read_rest(&mut slow).await.ends_with("\r\n\r\nslow"));
    // The idle client never notices; that must not hold the end up for the whole deadline.
    timeout(Duration::from_secs(4), server.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(read_rest(&mut idle).await, "");
}

#[tokio::test]
async fn a_stop_has_a_deadline() {
    let mut server = start(Limits { stop_time_max: Duration::from_millis(50), ..quick() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.bodies.recv().await.unwrap().unwrap();
    server.stop.send(()).unwrap();
    timeout(Duration::from_secs(4), server.task).await.unwrap().unwrap();
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_unix_socket_serves_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
    let (tell, _bodies) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(listener, service(tell), quick(), async { drop(stopped.await) });
    let task = tokio::spawn(serving);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("400: Tag v1 is locked"), "{answer}");
    drop(stream);
    stop.send(()).unwrap();
    task.await.unwrap();
}

#[test]
fn a_lack_of_descriptors_is_waited_out() {
    let lack = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
    assert!(pause_after(&lack) > Duration::ZERO);
    let gone = io::Error::from(io::ErrorKind::ConnectionAborted);
    assert_eq!(pause_after(&gone), Duration::ZERO);
}
