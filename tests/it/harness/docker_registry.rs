//! [`DockerRegistry`]: Debian's registry, the peer that our tests of clients are held against.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::eventually;

/// Cheap on purpose: it guards nothing.
const BCRYPT_COST: u32 = 4;

/// A running one, with its data in a folder of the caller.
pub struct DockerRegistry {
    pub address: SocketAddr,
    process: Child,
}

impl DockerRegistry {
    /// Starts it, open or behind this login and password.
    pub fn start(folder: &Path, login: Option<(&str, &str)>) -> Self {
        fs::create_dir_all(folder).unwrap();
        let address = free_address();
        let config = folder.join("config.yml");
        fs::write(&config, configuration(folder, address, login)).unwrap();
        let mut command = Command::new("docker-registry");
        // It takes variables that begin with REGISTRY_ for settings.
        command.env_clear().arg("serve").arg(&config);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = quiet.spawn().expect("docker-registry can be run");
        eventually("docker-registry", || TcpStream::connect(address).ok());
        Self { address, process }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(folder: &Path, address: SocketAddr, login: Option<(&str, &str)>) -> String {
    let access = login.map_or_else(String::new, |(login, password)| {
        let users = folder.join("users");
        let hash = bcrypt::hash(password, BCRYPT_COST).unwrap();
        fs::write(&users, format!("{login}:{hash}\n")).unwrap();
        format!("auth: {{htpasswd: {{realm: peer, path: {}}}}}\n", users.display())
    });
    format!(
        "version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {}}}
  delete: {{enabled: true}}
http: {{addr: '{address}'}}
{access}",
        folder.join("data").display()
    )
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
