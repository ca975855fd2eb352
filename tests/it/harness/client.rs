//! A small HTTP/1.1 client that sends exactly what a test says: odd paths, lying lengths, bodies
//! that break off. One request per connection, unless a test holds a [`Connection`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde_json::Value;

use super::{PATIENCE, Response, digest_of};

/// Pieces that a body is sent in.
const PIECE: usize = 64 << 10;

/// A request that is not sent yet.
#[derive(Clone)]
#[must_use]
pub struct Request {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone)]
enum Body {
    None,
    Sized(Vec<u8>),
    Chunked(Vec<u8>),
}

impl Request {
    pub fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { address, method, target, headers: Vec::new(), body: Body::None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With HTTP Basic.
    pub fn by(self, login: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{login}:{password}"));
        self.header("Authorization", &format!("Basic {pair}"))
    }

    /// A body with `Content-Length`.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Sized(bytes.into());
        self
    }

    /// A body in chunks.
    pub fn chunked(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Chunked(bytes.into());
        self
    }

    pub fn json(self, value: &Value) -> Self {
        self.body(value.to_string())
    }

    /// The header `Digest` with the SHA-256 of these bytes.
    pub fn digest_of(self, bytes: impl AsRef<[u8]>) -> Self {
        self.header("Digest", &digest_of(bytes))
    }

    /// Asks for the content of `bytes` to be linked instead of sent.
    pub fn linking(self, bytes: impl AsRef<[u8]>) -> Self {
        let digest = digest_of(bytes);
        self.header("Digest", &digest).header("X-Dlrepo-Link", &digest)
    }

    pub fn send(self) -> Response {
        let mut connection = Connection::open(self.address);
        connection.write(self.head("close").as_bytes());
        match &self.body {
            Body::None => {}
            Body::Sized(bytes) => connection.write_in_pieces(bytes),
            Body::Chunked(bytes) => connection.write_chunks(bytes),
        }
        connection.answer_to(&self.method).asked_by(&format!("{} {}", self.method, self.target))
    }

    /// Sends it and insists on the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Response {
        self.send().with_status(status)
    }

    fn head(&self, connection: &str) -> String {
        let length = match &self.body {
            Body::None if self.method == "GET" || self.method == "HEAD" => String::new(),
            Body::None => "Content-Length: 0\r\n".to_owned(),
            Body::Sized(bytes) => format!("Content-Length: {}\r\n", bytes.len()),
            Body::Chunked(_) => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        let defaults = [("Host", self.address.to_string()), ("Connection", connection.to_owned())];
        let defaults = defaults.into_iter().filter(|(name, _)| !self.names(name));
        let mut head = format!("{} {} HTTP/1.1\r\n{length}", self.method, self.target);
        for (name, value) in defaults.chain(self.own()) {
            head.extend([name, ": ", &value, "\r\n"]);
        }
        head + "\r\n"
    }

    fn own(&self) -> impl Iterator<Item = (&str, String)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.clone()))
    }

    fn names(&self, wanted: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    }
}

/// An open connection, written to and read from by hand.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server takes connections");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes. That the other end does not want them any more is no fault: its answer tells.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    fn write_in_pieces(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            if self.stream.get_mut().write_all(piece).is_err() {
                return;
            }
        }
    }

    /// Sends a chunked body, the last chunk included.
    pub fn write_chunks(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            self.write_chunk(piece);
        }
        self.write(b"0\r\n\r\n");
    }

    pub fn write_chunk(&mut self, bytes: &[u8]) {
        self.write(format!("{:x}\r\n", bytes.len()).as_bytes());
        self.write(bytes);
        self.write(b"\r\n");
    }

    /// Says that nothing more will be sent.
    pub fn end_writing(&mut self) {
        let _ = self.stream.get_mut().shutdown(Shutdown::Write);
    }

    /// Reads the answer to a request of this method, `100 Continue` and the like among it.
    pub fn answer_to(&mut self, method: &str) -> Response {
        let mut interim = Vec::new();
        loop {
            let mut response = self.read_head();
            if (100..200).contains(&response.status) {
                interim.push(response.status);
                continue;
            }
            let bodiless = method == "HEAD" || matches!(response.status, 204 | 304);
            if !bodiless {
                response.body = self.read_body(&response);
            }
            response.interim = interim;
            return response;
        }
    }

    /// Reads the head of an answer and leaves its body where it is.
    pub fn head_of_answer(&mut self) -> Response {
        self.read_head()
    }

    /// The same, unless the connection ends before it.
    pub fn head_if_any(&mut self) -> Option<Response> {
        let has_more = self.stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        has_more.then(|| self.read_head())
    }

    /// The number of bytes that still come until the connection ends, well or not.
    pub fn rest(&mut self) -> u64 {
        let mut buffer = vec![0; PIECE];
        let mut count = 0;
        while let Ok(length @ 1..) = self.stream.read(&mut buffer) {
            count += u64::try_from(length).unwrap();
        }
        count
    }

    /// Whether the server has closed the connection, once it has.
    pub fn is_at_end(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte), Ok(0) | Err(_))
    }

    fn read_head(&mut self) -> Response {
        let line = self.read_line();
        let mut parts = line.splitn(3, ' ');
        assert_eq!(parts.next(), Some("HTTP/1.1"), "not a status line: {line:?}");
        let status = parts.next().and_then(|status| status.parse().ok()).expect("a status");
        let reason = parts.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let line = self.read_line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Response::new(status, reason, headers)
    }

    fn read_body(&mut self, response: &Response) -> Vec<u8> {
        let mut body = Vec::new();
        if response.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.read_chunk() {
                body.extend(chunk);
            }
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().expect("a length");
            (&mut self.stream).take(length).read_to_end(&mut body).expect("the body");
            let got = u64::try_from(body.len()).unwrap();
            assert_eq!(got, length, "the body broke off");
        } else {
            self.stream.read_to_end(&mut body).expect("the body");
        }
        body
    }

    fn read_chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.read_line(), 16).expect("a chunk's length");
        let mut chunk = vec![0; length];
        self.stream.read_exact(&mut chunk).expect("a chunk");
        self.read_line();
        (length > 0).then_some(chunk)
    }

    fn read_line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("a line of the answer");
        assert!(line.ends_with(b"\r\n"), "the answer broke off at {line:?}");
        String::from_utf8(line[..line.len() - 2].to_vec()).expect("ASCII")
    }
}
