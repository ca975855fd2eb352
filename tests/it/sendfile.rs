//! Files that a proxy in front sends itself (spec §9, X-Sendfile): what the proxy is told, and
//! that a real one makes the same answer of it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::harness::client::Request;
use super::harness::{TestServer, digest_of, eventually, needs, noise, sha256};

const FILE: &str = "/branches/b/t/j/f/large.tgz";
const SMALL: &str = "/branches/b/t/j/f/small.txt";

#[test]
fn the_proxy_is_told_the_file_of_a_blob() {
    let server = TestServer::with("sendfile-header", "X-Sendfile").start();
    let content = noise(1, 100_000);
    server.holds(FILE, content.clone());
    server.holds(SMALL, "small");
    let etag = format!("\"{}\"", sha256(&content));
    let whole = server.get(FILE).expect(200).body_is("").has("content-length", "0");
    let whole = whole.has("digest", &digest_of(&content)).has("etag", &etag);
    let whole = whole.has("content-type", "application/x-compressed");
    let file = Path::new(whole.header("x-sendfile").unwrap());
    assert!(file.is_absolute() && file.starts_with(server.data()), "{file:?}");
    assert_eq!(fs::read(file).unwrap(), content);
    // The proxy looks after ranges; what needs no bytes we answer.
    let part = server.get(FILE).header("Range", "bytes=1-2").expect(200).lacks("content-range");
    assert!(part.header("x-sendfile").is_some());
    server.get(FILE).header("If-None-Match", &etag).expect(304).lacks("x-sendfile");
    server.head(FILE).expect(200).has("content-length", "100000").lacks("x-sendfile");
    server.get(SMALL).expect(200).lacks("x-sendfile").body_is("small");
    server.get("/branches/b/t/j/f.sha256").expect(200).lacks("x-sendfile");
}

#[test]
fn the_proxy_is_told_a_url_where_it_wants_one() {
    let server = TestServer::with("sendfile-header", "X-Accel-Redirect");
    let server = server.with("sendfile-prefix", "/-files").start();
    let content = noise(1, 100_000);
    server.holds(FILE, content.clone());
    let told = server.get(FILE).expect(200);
    let below = told.header("x-accel-redirect").unwrap().strip_prefix("/-files/").unwrap();
    assert_eq!(fs::read(server.data().join(below)).unwrap(), content);
}

#[test]
fn a_file_stays_for_the_proxy_although_it_is_deleted_at_once() {
    let server = TestServer::swept_at_once().with("sendfile-header", "X-Sendfile").start();
    server.holds(FILE, noise(1, 100_000));
    let told = server.get(FILE).expect(200);
    server.delete("/branches/b/t/").expect(200);
    server.sweep_and_wait();
    assert!(Path::new(told.header("x-sendfile").unwrap()).exists(), "the lease is zero");
}

/// A proxy of its own, which ends with this value.
struct Nginx {
    process: Child,
    address: SocketAddr,
}

impl Nginx {
    fn start(program: &Path, server: &TestServer) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = server.scratch("nginx");
        fs::create_dir(&folder).unwrap();
        let text = include_str!("sendfile.conf")
            .replace("@USER@", if rustix::process::geteuid().is_root() { "user root;" } else { "" })
            .replace("@DIR@", folder.to_str().unwrap())
            .replace("@DATA@", server.data().to_str().unwrap())
            .replace("@LISTEN@", &address.to_string())
            .replace("@LARDER@", &server.address().to_string());
        let file = folder.join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        command.arg("-p").arg(&folder).arg("-e").arg(folder.join("log")).arg("-c").arg(&file);
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        let nginx = Self { process, address };
        eventually("the proxy", || TcpStream::connect(address).ok());
        nginx
    }

    fn get(&self, target: &str) -> Request {
        Request::new(self.address, "GET", target)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_real_proxy_sends_what_we_would_have_sent() {
    let Some(program) = needs("nginx") else { return };
    let server = TestServer::with("sendfile-header", "X-Accel-Redirect");
    let server = server.with("sendfile-prefix", "/-files").start();
    let content = noise(1, 300_000);
    server.holds(FILE, content.clone());
    server.holds(SMALL, "small");
    let nginx = Nginx::start(&program, &server);
    let etag = format!("\"{}\"", sha256(&content));
    let whole = nginx.get(FILE).expect(200).has("digest", &digest_of(&content)).has("etag", &etag);
    let whole = whole.has("content-type", "application/x-compressed").lacks("x-accel-redirect");
    let whole = whole.has("content-security-policy", "sandbox");
    whole.has("x-content-type-options", "nosniff").body_is(&content);
    let part = nginx.get(FILE).header("Range", "bytes=100000-100004").expect(206);
    part.has("content-range", "bytes 100000-100004/300000").body_is(&content[100_000..100_005]);
    nginx.get(FILE).header("If-None-Match", &etag).expect(304).has("etag", &etag);
    nginx.get(SMALL).expect(200).has("digest", &digest_of("small")).body_is("small");
    nginx.get("/branches/b/t/j/f/none").expect(404);
    // Nobody gets at the files but by way of us.
    nginx.get("/-files/larder.redb").expect(404);
}
