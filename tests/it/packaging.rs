//! What stands in `packaging/` beside the image: the unit of systemd and the example for nginx.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::harness::client::Request;
use super::harness::{Outcome, TestServer, eventually, needs, noise};

fn packaged(name: &str) -> String {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name);
    fs::read_to_string(place).unwrap()
}

#[test]
fn systemd_understands_the_unit_and_finds_it_tight() {
    let Some(systemd) = needs("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("larder.service");
    let installed = "/usr/local/bin/larder";
    let text = packaged("larder.service");
    assert!(text.contains(&format!("ExecStart={installed} serve\n")));
    fs::write(&unit, text.replace(installed, env!("CARGO_BIN_EXE_larder"))).unwrap();
    let verified = Outcome::of(Command::new(&systemd).arg("verify").arg(&unit)).succeeds();
    assert!(!verified.err.contains("larder.service:"), "{}", verified.err);
    // The scale goes from 0 to 10; 20 stands for 2.0.
    let limits = ["security", "--offline=true", "--threshold=20"];
    Outcome::of(Command::new(&systemd).args(limits).arg(&unit)).succeeds();
}

/// nginx with the packaged example, on loopback and without TLS.
struct Nginx {
    process: Child,
    address: SocketAddr,
}

impl Nginx {
    fn start(nginx: &Path, server: &TestServer, free: SocketAddr) -> Self {
        let folder = server.scratch("nginx");
        fs::create_dir(&folder).unwrap();
        let main = folder.join("main.conf");
        fs::write(&main, configuration(server, free)).unwrap();
        let (folder, main) = (folder.to_str().unwrap(), main.to_str().unwrap());
        let common = ["-p", folder, "-e", "error.log", "-c", main];
        Outcome::of(Command::new(nginx).args(common).arg("-t")).succeeds();
        let mut command = Command::new(nginx);
        let command = command.args(common).stdin(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        eventually("nginx", || TcpStream::connect(free).ok());
        Self { process, address: free }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}

/// A whole configuration around the example, with its addresses replaced.
fn configuration(server: &TestServer, listen: SocketAddr) -> String {
    let example = packaged("nginx.conf");
    let mut block = String::new();
    for line in example.lines().filter(|line| !line.trim_start().starts_with("ssl_")) {
        let line = match line.trim() {
            "listen 443 ssl;" => format!("listen {listen};"),
            "listen [::]:443 ssl;" => continue,
            _ => line.replace("127.0.0.1:1337", &server.address().to_string()),
        };
        block += &line;
        block.push('\n');
    }
    assert!(block.contains(&format!("listen {listen};")) && !block.contains("443 ssl"), "{block}");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|what| format!("{what}_temp_path {what};\n")).concat();
    format!(
        "daemon off;\npid nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n\
         {temporary}{block}}}\n"
    )
}

#[test]
fn nginx_passes_everything_on_as_it_is() {
    let Some(nginx): Option<PathBuf> = needs("nginx") else { return };
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let public = format!("http://larder.example:{}", free.port());
    let server = TestServer::swept_at_once().with("public-url", &public).start();
    let proxy = Nginx::start(&nginx, &server, free);
    let host = format!("larder.example:{}", free.port());
    let ask = |method, path| Request::new(proxy.address, method, path).header("Host", &host);
    // More than nginx lets through by itself, and names that it would like to make simpler.
    let content = noise(1, 3_000_000);
    for path in ["/branches/b/t/j/f/a%20b%25c", "/branches/b/t/j/f/d%2Be"] {
        ask("PUT", path).chunked(content.clone()).expect(201);
        assert!(ask("GET", path).expect(200).body == content);
        server.head(path).expect(200);
        let part = ask("GET", path).header("Range", "bytes=10-19").expect(206);
        assert!(part.body == content[10..20]);
    }
    ask("GET", "/branches/b/t/j/f/a%2F..%2Fb").expect(400);
    let script = ask("GET", "/cli").expect(200).text();
    assert!(script.contains(&format!("DEFAULT_URL = \"{public}\"\n")));
}
