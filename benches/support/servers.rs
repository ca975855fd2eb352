//! The servers under test, each a process of its own that ends with the value that stands for it.
//!
//! Defends no invariant. Unless it is asked to stop, Larder is killed like the others: a bench
//! throws its folder away, and a kill has to be survived anyway.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::content::Content;
use crate::figures::Failure;
use crate::large::CHUNK_BYTES;

const START_SECONDS_MAX: u64 = 10;

/// The path of an upload to Larder: `%c` is the connection, `%n` the name.
pub const LARDER_PATH: &str = "/branches/main/1.0/j%c/f/%n";
const BARE_PATH: &str = "/x/%c-%n";
const NGINX_PATH: &str = "/%c-%n";

/// A server that runs.
pub struct Server {
    /// Its name in the tables.
    pub name: &'static str,
    /// Where it listens.
    pub addr: SocketAddr,
    path: String,
    process: Option<Process>,
}

struct Process {
    child: Child,
    /// What to call before the child is killed, because its own children would outlive it.
    stop: Option<Command>,
}

impl Server {
    /// The path of the file `name` that belongs to a connection.
    pub fn path(&self, connection: u32, name: &str) -> String {
        self.path.replace("%c", &connection.to_string()).replace("%n", name)
    }

    /// A server that somebody else has started.
    pub fn running(addr: SocketAddr, path: &str) -> Self {
        Self { name: "larder", addr, path: path.to_owned(), process: None }
    }

    /// Memory that is resident right now, in KiB.
    pub fn resident_kib(&self) -> Result<u64, Failure> {
        let process = self.process.as_ref().ok_or("the process is not ours")?;
        let status = fs::read_to_string(format!("/proc/{}/status", process.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no VmRSS")?.parse()?)
    }

    /// Ends it in order, and waits for the end. Dropping is a `kill -9` instead.
    pub fn stop(mut self) -> Result<(), Failure> {
        let mut process = self.process.take().ok_or("the process is not ours")?;
        let pid = process.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let status = process.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }

    /// The prototype: this very program with another argument.
    pub fn bare(dir: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(dir)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve-bare").arg(dir);
        Self::announced("bare", command, BARE_PATH)
    }

    /// Larder, from the same build.
    pub fn larder(dir: &Path) -> Result<Self, Failure> {
        Self::larder_with(dir, &[])
    }

    /// Larder with more flags.
    pub fn larder_with(dir: &Path, flags: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        command.arg("serve").arg("--data").arg(dir).args(["--listen", "127.0.0.1:0"]);
        command.env("LARDER_AUTH", "none").args(flags);
        // A log line per request is off on every side.
        command.env("LARDER_LOG", "warn");
        Self::announced("larder", command, LARDER_PATH)
    }

    /// Debian's docker-registry, on data that it may have already.
    pub fn docker_registry(dir: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(dir)?;
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        fs::write(dir.join("config.yml"), docker_registry_config(dir, addr))?;
        let child = docker_registry("serve", dir).spawn()?;
        let process = Some(Process { child, stop: None });
        wait_for(addr)?;
        Ok(Self { name: "docker-registry", addr, path: String::new(), process })
    }

    /// nginx with sendfile, over files named like the uploads to the others.
    pub fn nginx(dir: &Path, files: &Files) -> Result<Self, Failure> {
        files.write(&dir.join("www"))?;
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = dir.join("nginx.conf");
        fs::write(&config, nginx_config(dir, addr)?)?;
        let nginx = |arguments: &[&str]| {
            let mut command = Command::new("nginx");
            command.arg("-p").arg(dir).arg("-c").arg(&config).args(["-e", "stderr"]);
            command.args(arguments);
            command
        };
        let child = nginx(&[]).spawn()?;
        let process = Some(Process { child, stop: Some(nginx(&["-s", "stop"])) });
        wait_for(addr)?;
        Ok(Self { name: "nginx", addr, path: NGINX_PATH.to_owned(), process })
    }

    /// Starts what says `listening on http://ADDR:PORT` in its first line.
    fn announced(name: &'static str, mut command: Command, path: &str) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let process = Process { child, stop: None };
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output).lines();
            // Nobody waits any more when this fails.
            let _ = sender.send(lines.next());
            lines.for_each(drop);
        });
        let line = receiver.recv_timeout(Duration::from_secs(START_SECONDS_MAX))?;
        let line = line.ok_or("it ended without saying where it listens")??;
        let addr = line.strip_prefix("listening on http://").ok_or_else(|| {
            format!("its first line is {line:?}, not `listening on http://ADDR:PORT`")
        })?;
        Ok(Self { name, addr: addr.parse()?, path: path.to_owned(), process: Some(process) })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What is gone already needs no kill.
        if let Some(stop) = &mut self.stop {
            let _ = stop.stderr(Stdio::null()).status();
        } else {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A command of docker-registry on the data in `dir`.
pub fn docker_registry(command: &str, dir: &Path) -> Command {
    let mut registry = Command::new("docker-registry");
    // It takes variables that begin with REGISTRY_ for settings.
    registry.env_clear().arg(command).arg(dir.join("config.yml"));
    registry.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    registry
}

fn docker_registry_config(dir: &Path, addr: SocketAddr) -> String {
    let data = dir.join("data");
    format!(
        "version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {}}}
  delete: {{enabled: true}}
http: {{addr: '{addr}'}}
",
        data.display()
    )
}

/// What nginx serves.
pub struct Files {
    /// Prefixes `0-` to `connections-1-`.
    pub connections: u32,
    /// Small files of each prefix, named by their number.
    pub small: u64,
    /// Bytes of each.
    pub small_bytes: usize,
    /// MiB of the file `0-large`.
    pub chunks: u64,
}

impl Files {
    fn write(&self, dir: &Path) -> Result<(), Failure> {
        fs::create_dir_all(dir)?;
        let mut content = Content::new(self.small_bytes);
        for connection in 0..self.connections {
            for number in 0..self.small {
                fs::write(dir.join(format!("{connection}-{number}")), content.next())?;
            }
        }
        let mut large = fs::File::create(dir.join("0-large"))?;
        let mut content = Content::new(CHUNK_BYTES);
        for _ in 0..self.chunks {
            large.write_all(content.next())?;
        }
        Ok(large.sync_all()?)
    }
}

fn nginx_config(dir: &Path, addr: SocketAddr) -> Result<String, Failure> {
    // Started by root, the workers must be root too, to reach the folder of a bench.
    let user = if fs::metadata(dir)?.uid() == 0 { "user root;" } else { "" };
    let temp = dir.join("temp");
    let (root, temp) = (dir.display(), temp.display());
    Ok(format!(
        "daemon off; worker_processes auto; pid {root}/nginx.pid; {user}
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    client_body_temp_path {temp}; proxy_temp_path {temp}; fastcgi_temp_path {temp};
    uwsgi_temp_path {temp}; scgi_temp_path {temp};
    server {{ listen {addr}; root {root}/www; }}
}}
"
    ))
}

fn wait_for(addr: SocketAddr) -> Result<(), Failure> {
    let begin = Instant::now();
    while let Err(error) = TcpStream::connect(addr) {
        if begin.elapsed() > Duration::from_secs(START_SECONDS_MAX) {
            return Err(format!("{addr} does not answer: {error}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
