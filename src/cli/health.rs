//! `larder health`: asks the running server whether it is ready, for the health checks of
//! containers and supervisors.
//!
//! It goes the way that requests go, over TCP, and opens no file of the data folder but the one
//! with settings. Exit code 1 is all that a failure says: some supervisors give others a meaning.
//! Deliberately absent: TLS, since the server itself speaks none; and credentials, since everybody
//! may ask for readiness.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use http::Uri;

use super::args::Health;
use super::load;

/// How long connecting, and then each step of the answer, may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 4096;

/// Exit code 0 when the server is ready, 1 and a sentence on standard error when not.
pub(super) fn run(health: &Health) -> ExitCode {
    let asked = match &health.url {
        Some(url) => Target::of_url(url),
        None => load(&health.reach.0)
            .and_then(|loaded| Target::of_listener(loaded.settings.server.listen)),
    };
    match asked.and_then(|target| target.ask()) {
        Ok(()) => {
            // Nobody may be reading: the exit code is the answer.
            let _ = writeln!(io::stdout(), "ready");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("larder: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Whom to ask, and for what.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    /// Host and port to connect to.
    place: String,
    /// What the header `Host` says.
    host: String,
    path: String,
}

impl Target {
    /// The server that listens on `listen`; one that listens everywhere is asked on loopback.
    fn of_listener(listen: SocketAddr) -> Result<Self, String> {
        if listen.port() == 0 {
            return Err("the server takes any free port (`server.listen` ends in :0): give its \
                        address with --url"
                .to_owned());
        }
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let place = SocketAddr::new(ip, listen.port()).to_string();
        Ok(Self { host: place.clone(), place, path: "/-/ready".to_owned() })
    }

    fn of_url(url: &str) -> Result<Self, String> {
        let refuse = || format!("`{url}` is no address to ask: http://HOST:PORT is one");
        let uri: Uri = url.parse().map_err(|_| refuse())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let (Some("http"), Some(authority)) = (uri.scheme_str(), authority) else {
            return Err(refuse());
        };
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self {
            place: format!("{}:{port}", authority.host()),
            host: authority.as_str().to_owned(),
            path: format!("{}/-/ready", uri.path().trim_end_matches('/')),
        })
    }

    fn ask(&self) -> Result<(), String> {
        let answer = self.exchange().map_err(|error| {
            format!("{} does not answer: {error}; is the server running?", self.place)
        })?;
        let line = answer.lines().next().unwrap_or_default();
        match line.split(' ').nth(1) {
            Some("200") => Ok(()),
            _ => Err(format!("{} is not ready: it says {line:?}", self.place)),
        }
    }

    /// The beginning of the answer.
    fn exchange(&self) -> io::Result<String> {
        let mut stream = self.connect()?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Self { path, host, .. } = self;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let until = Instant::now() + PATIENCE;
        let mut answer = Vec::new();
        while answer.len() < ANSWER_BYTES_MAX && !answer.contains(&b'\n') {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            let mut block = [0; 512];
            let count = stream.read(&mut block)?;
            if count == 0 {
                break;
            }
            answer.extend(block.iter().take(count));
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in self.place.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_asked_where_it_can_be_reached() {
        for (listen, place) in [
            ("127.0.0.1:1337", "127.0.0.1:1337"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ] {
            let target = Target::of_listener(listen.parse().unwrap()).unwrap();
            assert_eq!((target.place.as_str(), target.path.as_str()), (place, "/-/ready"));
        }
        let refused = Target::of_listener("127.0.0.1:0".parse().unwrap()).unwrap_err();
        assert!(refused.contains("--url"), "{refused}");
    }

    #[test]
    fn addresses_are_read() {
        for (url, place, path) in [
            ("http://localhost", "localhost:80", "/-/ready"),
            ("http://h:1/", "h:1", "/-/ready"),
            ("http://[::1]:1/files/", "[::1]:1", "/files/-/ready"),
        ] {
            let target = Target::of_url(url).unwrap();
            assert_eq!((target.place.as_str(), target.path.as_str()), (place, path));
        }
        for url in ["", "localhost:80", "https://h", "ftp://h", "http://u:p@h", "/x"] {
            assert!(Target::of_url(url).unwrap_err().contains("http://HOST:PORT"), "{url}");
        }
    }

    /// What is said of a server that answers with this.
    fn told(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = Target::of_listener(listener.local_addr().unwrap()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let told = target.ask();
        server.join().unwrap();
        told
    }

    #[test]
    fn only_200_is_ready() {
        assert_eq!(told("HTTP/1.1 200 OK\r\n\r\nready\n"), Ok(()));
        for answer in ["HTTP/1.1 503 no 200\r\n\r\n", "SSH-2.0 \r\n", "200", ""] {
            assert!(told(answer).unwrap_err().contains("is not ready"), "{answer:?}");
        }
    }
}
