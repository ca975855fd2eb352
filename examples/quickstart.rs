//! The whole story in one process: start, upload, overwrite, tag, set a policy, sweep; and what
//! that gave back.
//!
//!     cargo run --release --example quickstart
//!
//! Larder is embedded here as a library; the uploads go over HTTP like everybody's. The data
//! folder is a temporary one. The lease is zero, so that space comes back at once: a server for
//! real clients keeps the default of ten minutes.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use larder::app::Running;
use larder::config::{AuthMode, Settings};
use larder::model::{Run, Scope, Trigger};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MIB: usize = 1 << 20;
const SWEEP_MAX: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let larder = Running::start(&settings(folder.path()))?;
    let client = Client { address: larder.address() };
    println!("Larder listens on http://{}", larder.address());

    println!("\nThree nightly builds: a package of 4 MiB each, and a log that is always the same.");
    for (tag, content) in [("n1", b'1'), ("n2", b'2'), ("n3", b'3')] {
        client.put(&format!("main/{tag}/build/deb/app.deb"), &vec![content; 4 * MIB])?;
        client.put(&format!("main/{tag}/build/deb/build.log"), b"all is well\n")?;
    }
    client.report()?;

    println!("\nThe last package was wrong; it is uploaded again.");
    client.put("main/n3/build/deb/app.deb", &vec![b'4'; 5 * MIB])?;

    println!("The first build is what customers got: its tag is released.");
    client.ask("POST", "main/n1/", br#"{"tag": {"released": true}}"#)?;

    println!("Of the others, the branch keeps the newest one.");
    client.ask("POST", "main/", br#"{"branch": {"max_daily_tags": 1}}"#)?;

    println!("\nA sweep:");
    let ticket = larder.sweeper().ask(Scope::Full, Trigger::Request);
    let run = larder.sweeper().wait(ticket, SWEEP_MAX).ok_or("the sweep takes too long")?;
    print_run(&run);
    println!("Left are: {}", client.tags("main")?.join(", "));
    client.report()?;

    larder.stop();
    Ok(())
}

fn settings(folder: &std::path::Path) -> Settings {
    let mut settings = Settings::default();
    settings.server.data = folder.join("data");
    settings.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    settings.store.lease = Duration::ZERO;
    settings.auth.auth = AuthMode::None;
    settings
}

/// What a sweep did, stage by stage.
fn print_run(run: &Run) {
    for stage in run.stages.iter().filter(|stage| stage.items > 0) {
        println!("  {:<9} {:>3} things, {:>8} bytes", stage.name, stage.items, stage.bytes);
    }
    let freed = run.stages.iter().find(|stage| stage.name == "unlink");
    println!("It freed {} bytes.", freed.map_or(0, |stage| stage.bytes));
}

/// Anything that speaks HTTP would do.
struct Client {
    address: SocketAddr,
}

impl Client {
    fn put(&self, path: &str, body: &[u8]) -> Result<()> {
        self.ask("PUT", path, body)?;
        println!("  PUT {path}: {} bytes", body.len());
        Ok(())
    }

    fn tags(&self, branch: &str) -> Result<Vec<String>> {
        let answer: Value =
            serde_json::from_slice(&self.ask("GET", &format!("{branch}/"), b"")?)?;
        let tags = answer["branch"]["tags"].as_array().ok_or("no list of tags")?;
        let names = tags.iter().filter_map(|tag| tag["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Prints what is stored.
    fn report(&self) -> Result<()> {
        let stats: Value = serde_json::from_slice(&self.send("GET", "/-/stats", b"")?)?;
        let number = |of: &str, what: &str| {
            stats[of][what].as_u64().ok_or_else(|| format!("no {of}.{what} in {stats}"))
        };
        for (what, of) in [("names", "logical"), ("files on the disk", "files")] {
            println!("  {what}: {} of {} bytes", number(of, "files")?, number(of, "bytes")?);
        }
        Ok(())
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.send(method, &format!("/branches/{path}"), body)
    }

    /// One request over one connection; gives the body of the answer.
    fn send(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        let Self { address } = self;
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let body = answer.split_off(end.ok_or("no whole answer")? + 4);
        let head = String::from_utf8_lossy(&answer);
        let status = head.lines().next().unwrap_or_default();
        if !status.starts_with("HTTP/1.1 2") {
            let why = String::from_utf8_lossy(&body);
            return Err(format!("{method} {path}: {status}\n{why}").into());
        }
        Ok(body)
    }
}
