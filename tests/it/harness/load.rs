//! Clients that work while the server may die, and remember what they were told: what was
//! acknowledged must be there afterwards, and what was refused or deleted must not (I5).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{PATIENCE, TestServer, digest_of, eventually, noise};

/// Branches, each written by one client alone.
const CLIENTS: u64 = 4;
/// Contents that all clients share.
const SHARED: u64 = 8;
/// Larger than what is kept as a row.
const LARGE: usize = 90_000;

/// How many rounds a test of chance makes: few, or as many as `LARDER_TEST_ROUNDS` says.
pub fn rounds(few: usize) -> usize {
    std::env::var("LARDER_TEST_ROUNDS").map_or(few, |rounds| rounds.parse().expect("a number"))
}

/// A status and a body; `None` when the server went away before its answer was complete.
pub type Answer = Option<(u16, Vec<u8>)>;

/// A connection that is made again when it broke.
pub struct Wire {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Wire {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    pub fn ask(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let answer = self.try_ask(method, target, headers, body);
        if answer.is_none() {
            self.stream = None;
        }
        answer
    }

    fn try_ask(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).ok()?;
            stream.set_nodelay(true).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut()?;
        let (address, length) = (self.address, body.len());
        let length = format!("Content-Length: {length}\r\n");
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\n{length}{headers}\r\n");
        // That the other end does not want the rest is no fault: its answer tells.
        let sent = stream.get_mut().write_all(&[head.as_bytes(), body].concat());
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.is_empty()) {
            let mut line = String::new();
            stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
            lines.push(line.trim_end().to_ascii_lowercase());
        }
        let status = lines[0].split(' ').nth(1)?.parse().ok()?;
        let value = |name| lines.iter().find_map(|line| line.strip_prefix(name));
        let length = value("content-length: ").map_or(Some(0), |length| length.parse().ok())?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        if sent.is_err() || value("connection: close").is_some() {
            self.stream = None;
        }
        Some((status, body))
    }
}

/// What all clients were told.
pub struct Load {
    clients: Vec<Client>,
}

/// One client and its branch.
struct Client {
    number: u64,
    random: u64,
    /// For each path the seeds of the contents that may be found there; `None` is absence.
    told: BTreeMap<String, Vec<Option<u64>>>,
}

impl Load {
    pub fn new() -> Self {
        let client = |number| Client { number, random: number, told: BTreeMap::new() };
        Self { clients: (0..CLIENTS).map(client).collect() }
    }

    /// Works until `answers` were given, then does `end` and waits for the last clients.
    pub fn work(
        &mut self,
        server: &mut TestServer,
        answers: usize,
        end: impl FnOnce(&mut TestServer),
    ) {
        let (count, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let address = server.address();
        std::thread::scope(|scope| {
            for client in &mut self.clients {
                let (count, is_over) = (&count, &is_over);
                scope.spawn(move || {
                    let mut wire = Wire::new(address);
                    while !is_over.load(Ordering::SeqCst) {
                        client.act(&mut wire);
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            eventually("enough answers", || {
                (count.load(Ordering::SeqCst) >= answers).then_some(())
            });
            end(server);
            is_over.store(true, Ordering::SeqCst);
        });
    }

    /// Everything is as the clients were told.
    pub fn verify(&mut self, server: &TestServer, when: &str) {
        let mut wire = Wire::new(server.address());
        for (path, told) in self.clients.iter_mut().flat_map(|client| &mut client.told) {
            let (status, body) = wire.ask("GET", path, "", b"").expect("an answer");
            let found = match status {
                200 => told.iter().flatten().copied().find(|seed| content(*seed) == body),
                404 => None,
                _ => panic!("{when}: {path}: {status}"),
            };
            let is_right = told.contains(&found) && (status == 404) == found.is_none();
            assert!(is_right, "{when}: {path}: {status}, {} bytes, told {told:?}", body.len());
            *told = vec![found];
        }
    }
}

/// The bytes that a seed stands for.
fn content(seed: u64) -> Vec<u8> {
    noise(seed, if seed.is_multiple_of(3) { LARGE } else { 700 })
}

impl Client {
    fn act(&mut self, wire: &mut Wire) {
        let (number, tag) = (self.number, self.below(4));
        let repo = if number.is_multiple_of(2) { "" } else { "/~u" };
        let tag = format!("{repo}/branches/c{number}/t{tag}/");
        let path = format!("{tag}j/f/{}", self.below(6));
        let is_shared = self.below(2) == 0;
        let own = 1000 * (self.number + 1);
        let seed = if is_shared { self.below(SHARED) } else { own + self.below(1000) };
        match self.below(12) {
            0 => self.delete(wire, &tag),
            1..=3 => {
                let digest = digest_of(content(seed));
                let headers = format!("Digest: {digest}\r\nX-Dlrepo-Link: {digest}\r\n");
                let answer = wire.ask("PUT", &path, &headers, b"");
                self.note(path, Some(seed), answer, &[404]);
            }
            _ => {
                let answer = wire.ask("PUT", &path, "", &content(seed));
                self.note(path, Some(seed), answer, &[507]);
            }
        }
    }

    fn delete(&mut self, wire: &mut Wire, tag: &str) {
        let answer = wire.ask("DELETE", tag, "", b"");
        let paths: Vec<_> =
            self.told.keys().filter(|path| path.starts_with(tag)).cloned().collect();
        for path in paths {
            self.note(path, None, answer.clone(), &[404]);
        }
    }

    /// Remembers an answer; with one of the `refusals` nothing has changed, and after any other
    /// failure nobody knows.
    fn note(&mut self, path: String, seed: Option<u64>, answer: Answer, refusals: &[u16]) {
        let told = self.told.entry(path).or_insert_with(|| vec![None]);
        match answer {
            Some((200 | 201, _)) => *told = vec![seed],
            Some((status, _)) if refusals.contains(&status) => {}
            Some((status, body)) if status < 500 => {
                panic!("{status} {}", String::from_utf8_lossy(&body))
            }
            _ => told.push(seed),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.random >> 33) % bound
    }
}
