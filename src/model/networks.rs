//! [`Networks`]: a list of addresses and networks, such as those of trusted proxies.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// The word for connections over a Unix socket.
const UNIX: &str = "unix";
/// The word for nobody.
const NOBODY: &str = "none";

/// Addresses, networks and perhaps Unix sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    nets: Vec<IpNet>,
    unix: UnixSockets,
}

/// Whether those who connect over a Unix socket are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnixSockets {
    In,
    Out,
}

impl Networks {
    /// What [`Networks::parse`] takes.
    pub const ALLOWED: &str = "addresses, networks such as 10.0.0.0/8, `loopback` and `unix`, \
                               joined by commas; or `none`";

    /// This machine: loopback and Unix sockets.
    #[must_use]
    pub fn local() -> Self {
        Self { nets: loopback().to_vec(), unix: UnixSockets::In }
    }

    /// Nobody.
    #[must_use]
    pub fn none() -> Self {
        Self { nets: Vec::new(), unix: UnixSockets::Out }
    }

    /// Reads words joined by commas or white space.
    ///
    /// # Errors
    /// Which word is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut found = Self::none();
        let words = text.split(|c: char| c == ',' || c.is_whitespace());
        for word in words.filter(|word| !word.is_empty() && *word != NOBODY) {
            match word {
                UNIX => found.unix = UnixSockets::In,
                "loopback" => found.nets.extend(loopback()),
                word => found.nets.push(net(word)?),
            }
        }
        Ok(found)
    }

    /// Whether this is one of them; `None` is a Unix socket.
    #[must_use]
    pub fn contain(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            None => self.unix == UnixSockets::In,
            // An IPv4 client of a socket for both is still one of IPv4.
            Some(peer) => self.nets.iter().any(|net| net.contains(&peer.to_canonical())),
        }
    }
}

impl Default for Networks {
    fn default() -> Self {
        Self::local()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unix = (self.unix == UnixSockets::In).then(|| UNIX.to_owned());
        let nets = self.nets.iter().map(ToString::to_string);
        let words: Vec<_> = nets.chain(unix).collect();
        f.write_str(if words.is_empty() { NOBODY.to_owned() } else { words.join(",") }.as_str())
    }
}

fn loopback() -> [IpNet; 2] {
    let v4 = std::net::Ipv4Addr::new(127, 0, 0, 0);
    [IpNet::new_assert(v4.into(), 8), IpNet::new_assert(std::net::Ipv6Addr::LOCALHOST.into(), 128)]
}

fn net(word: &str) -> Result<IpNet, String> {
    let one = word.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    one.or_else(|_| word.parse().map(|net: IpNet| net.trunc()))
        .map_err(|_| format!("`{word}` is neither an address nor a network"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(networks: &str, peer: &str) -> bool {
        Networks::parse(networks).unwrap().contain(Some(peer.parse().unwrap()))
    }

    #[test]
    fn who_is_in() {
        assert!(contains("loopback", "127.9.9.9") && contains("loopback", "::1"));
        assert!(contains("10.1.2.3, 192.168.0.0/16", "192.168.7.8"));
        assert!(contains("10.1.2.3", "10.1.2.3") && !contains("10.1.2.3", "10.1.2.4"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
        assert!(!contains("unix", "127.0.0.1") && !contains("none", "127.0.0.1"));
        assert!(Networks::local().contain(None) && !contains("", "::1"));
        assert!(!Networks::parse("loopback").unwrap().contain(None));
        assert!(Networks::parse("10.0.0.0/33").unwrap_err().contains("10.0.0.0/33"));
        assert!(Networks::parse("proxy.example").is_err());
    }

    #[test]
    fn it_prints_what_it_reads() {
        for (given, printed) in [
            ("unix loopback", "127.0.0.0/8,::1/128,unix"),
            ("10.1.1.1/8", "10.0.0.0/8"),
            ("none", "none"),
            ("", "none"),
        ] {
            let read = Networks::parse(given).unwrap();
            assert_eq!(read.to_string(), printed);
            assert_eq!(Networks::parse(printed), Ok(read));
        }
    }
}
