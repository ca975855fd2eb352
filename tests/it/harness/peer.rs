//! [`Peer`]: a server that says what a test wrote down for it, right or wrong.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Gives one prepared answer to each connection, and closes it. When there are no more answers,
/// nobody listens.
pub struct Peer {
    address: SocketAddr,
    asked: Receiver<String>,
    count: usize,
}

impl Peer {
    pub fn start(answers: &[String]) -> Self {
        Self::in_waves(answers.iter().map(|answer| vec![answer.clone()]).collect())
    }

    /// All connections of a wave are open before any of them gets its answer.
    pub fn in_waves(waves: Vec<Vec<String>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, asked) = channel();
        let count = waves.iter().map(Vec::len).sum();
        std::thread::spawn(move || {
            for wave in waves {
                let open: Vec<_> = wave.iter().map(|_| listener.accept().unwrap().0).collect();
                for (mut stream, answer) in open.into_iter().zip(wave) {
                    let request = head(&mut stream);
                    // The client may have enough before the end.
                    let _ = stream.write_all(answer.as_bytes());
                    let _ = heard.send(request);
                }
            }
        });
        Self { address, asked, count }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests, one for each answer, without their bodies.
    #[track_caller]
    pub fn asked(&self) -> Vec<String> {
        let next = |n| {
            let request = self.asked.recv_timeout(Duration::from_secs(5));
            request.unwrap_or_else(|_| panic!("request {n} of {} did not come", self.count))
        };
        (0..self.count).map(next).collect()
    }
}

/// Reads a request whole, and keeps it until the empty line.
fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut block = [0; 4096];
    loop {
        let count = stream.read(&mut block).unwrap();
        bytes.extend_from_slice(&block[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return format!("{head}\r\n");
            }
        }
        if count == 0 {
            return text;
        }
    }
}
