//! An upstream that speaks TLS: whose certificate is believed, and what is not said when it sends
//! to where nothing is encrypted.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use larder::model::{ProxyGroup, Upstream};
use larder::proxy::{Error, Patience, Unanswered};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::super::harness::bad_upstream::BadUpstream;
use super::super::harness::{Outcome, needs};
use super::{GROUP, House, digest, image, name, tag, upstream};

/// `ca.pem`, and `cert.pem` with `key.pem` for this machine, signed by it.
fn certificates(openssl: &Path, folder: &Path) {
    fs::write(folder.join("ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for arguments in [
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2",
        "req -newkey rsa:2048 -nodes -keyout key.pem -out csr.pem -subj /CN=upstream",
        "x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out cert.pem",
    ] {
        let mut command = Command::new(openssl);
        Outcome::of(command.args(arguments.split(' ')).current_dir(folder)).succeeds();
    }
}

/// Answers one request on each connection, and keeps what was asked.
struct Encrypted {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Encrypted {
    fn start(folder: &Path, answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        let chain = CertificateDer::pem_slice_iter(&read("cert.pem")).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let (config, asked) = (Arc::new(config), Arc::new(Mutex::new(Vec::new())));
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", door.local_addr().unwrap());
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in door.incoming() {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(session, stream.unwrap());
                if let Some(request) = head(&mut stream) {
                    let said = answer(&request);
                    heard.lock().unwrap().push(request);
                    let _ = stream.write_all(said.as_bytes());
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The head of a request; `None`: whoever connected did not like what it saw.
fn head(stream: &mut StreamOwned<ServerConnection, TcpStream>) -> Option<String> {
    let (mut head, mut block) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut block).ok().filter(|count| *count > 0)?;
        head.extend_from_slice(&block[..count]);
    }
    Some(String::from_utf8(head).unwrap())
}

fn said(status: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn group(url: &str, certificates: Option<String>) -> ProxyGroup {
    let upstream = Some(Upstream { certificates, ..upstream(url) });
    ProxyGroup { upstream, ..ProxyGroup::default() }
}

#[test]
fn the_certificates_of_a_group_are_trusted_for_it() {
    let Some(openssl) = needs("openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    certificates(&openssl, folder.path());
    let peer = Encrypted::start(folder.path(), |_| said("200 OK", "X: y", ""));
    let other = BadUpstream::start();
    let house = House::of(&other);
    let upstreams = house.upstreams();
    let ask = |certificates| {
        let source = upstreams.of(GROUP, &group(&peer.url, certificates)).unwrap();
        let head = house.run(source.head_manifest(&name("a/b"), &tag("v1"), Patience::Long));
        (head.map(|head| head.status.as_u16()), source.origin())
    };
    let (told, origin) = ask(None);
    let said = told.unwrap_err().to_string();
    assert!(said.contains("UnknownIssuer"), "{said}");
    let authority = fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    let (told, other_origin) = ask(Some(authority));
    assert_eq!(told, Ok(200));
    assert_ne!(origin, other_origin);
    let bad = upstreams.of(GROUP, &group(&peer.url, Some("none".to_owned())));
    assert!(matches!(bad, Err(Error::Certificates(_))));
    assert_eq!(peer.asked().len(), 1);
}

#[test]
fn nothing_secret_follows_to_where_nothing_is_encrypted() {
    let Some(openssl) = needs("openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    certificates(&openssl, folder.path());
    let open = BadUpstream::start();
    let image = image(1);
    open.holds("a/b", "v1", &image);
    let elsewhere = open.url();
    let peer = Encrypted::start(folder.path(), move |request| {
        let (has_login, path) =
            (request.contains("uthorization: Bearer good"), request.split(' ').nth(1).unwrap());
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let challenge = format!("WWW-Authenticate: Bearer realm=\"https://{host}/token\"");
        match path {
            path if path.starts_with("/token?") && path.contains("a%2Fb") => {
                said("200 OK", "X: y", "{\"token\":\"good\"}")
            }
            path if path.starts_with("/token?") => {
                said("307 Moved", &format!("Location: {elsewhere}/token"), "")
            }
            path if has_login => said("307 Moved", &format!("Location: {elsewhere}{path}"), ""),
            _ => said("401 No", &challenge, ""),
        }
    });
    let house = House::of(&open);
    let upstreams = house.upstreams();
    let authority = fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    let mut group = group(&peer.url, Some(authority));
    let credentials = upstreams.seal(GROUP, group.upstream.as_ref(), "ann", "s3cret").unwrap();
    group.credentials = Some(credentials);
    let source = upstreams.of(GROUP, &group).unwrap();
    // A blob may come from there, but nobody is told who asks.
    let layer = &image.blobs[1];
    assert_eq!(house.body(source.get_blob(&name("a/b"), &digest(&layer.digest), 0)), *layer.bytes);
    assert_eq!(open.asked().len(), 1);
    assert!(!open.asked()[0].headers.contains_key("authorization"));
    let tokens = |asked: &String| asked.starts_with("GET /token") && asked.contains("Basic ");
    assert_eq!(peer.asked().iter().filter(|asked| tokens(asked)).count(), 1);
    // A token may not.
    let told = house.run(source.head_manifest(&name("c/d"), &tag("v1"), Patience::Long));
    assert!(matches!(told, Err(Unanswered::Cleartext { .. })), "{told:?}");
    assert_eq!(open.asked().len(), 1);
}
