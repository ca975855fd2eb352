//! [`Network`]: which addresses are asked for others, so that nobody reaches through this server
//! into networks that it can see and he cannot.
//!
//! Every connection of the proxy asks here with the very address that it is then made to, so a
//! name that says something else a moment later changes nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::model::Networks;

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// The policy: public addresses, and what an operator names.
#[derive(Clone, Debug)]
pub struct Network {
    allow: Networks,
}

/// Why a host is not connected to.
#[derive(Debug, thiserror::Error)]
pub enum Barred {
    /// None of its addresses may be asked.
    #[error("{host} is at {address}, which is not asked for others")]
    Forbidden {
        /// The host.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// It has no address.
    #[error("{host} has no address: {source}")]
    Unknown {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
}

impl Network {
    /// A policy that allows these networks besides public ones.
    #[must_use]
    pub fn new(allow: Networks) -> Self {
        Self { allow }
    }

    /// Whether an operator named the network of this address.
    #[must_use]
    pub fn is_named(&self, address: IpAddr) -> bool {
        let inner = embedded(address).map(IpAddr::V4);
        self.allow.contain(Some(address))
            || inner.is_some_and(|inner| self.allow.contain(Some(inner)))
    }

    /// Whether a connection to this address may be made.
    #[must_use]
    pub fn may(&self, address: IpAddr) -> bool {
        is_public(address) || self.is_named(address)
    }

    /// The addresses of a host that may be connected to, as they are now.
    ///
    /// # Errors
    /// [`Barred`].
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Barred> {
        let found = addresses(host, port).await?;
        let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(|to| self.may(to.ip()));
        match (good.is_empty(), bad.first()) {
            (false, _) => Ok(good.into_iter().take(ADDRESSES_MAX).collect()),
            (true, Some(bad)) => {
                Err(Barred::Forbidden { host: host.to_owned(), address: bad.ip() })
            }
            (true, None) => {
                let source = io::Error::from(io::ErrorKind::NotFound);
                Err(Barred::Unknown { host: host.to_owned(), source })
            }
        }
    }

    /// Whether an operator named the networks of all addresses of a host.
    pub async fn names_all(&self, host: &str, port: u16) -> bool {
        let found = addresses(host, port).await.unwrap_or_default();
        !found.is_empty() && found.iter().all(|address| self.is_named(address.ip()))
    }
}

/// All addresses of a host: those of its name, or the one that it is in some notation.
async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Barred> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await;
    let unknown = |source| Barred::Unknown { host: host.to_owned(), source };
    Ok(found.map_err(unknown)?.collect())
}

fn is_public(address: IpAddr) -> bool {
    match (address, embedded(address)) {
        (IpAddr::V4(address), _) | (IpAddr::V6(_), Some(address)) => is_public_v4(address),
        (IpAddr::V6(address), None) => is_public_v6(address),
    }
}

/// Those of which IANA says that they are for a special purpose are not.
fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        // this network, private, loopback, multicast, reserved and broadcast
        [0 | 10 | 127 | 224..=255, ..]
            // shared by customers of a carrier
            | [100, 64..=127, ..]
            // link-local, private
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            // protocol assignments, documentation, 6to4 relays
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            // benchmarks
            | [198, 18 | 19, ..]
            // documentation
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

/// Global unicast, without what is set apart in it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // protocol assignments and Teredo, of which no part is a server's; documentation
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The IPv4 address that one of IPv6 leads to: compatible, mapped, NAT64, 6to4.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => {
            let ([first, second], [third, fourth]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(first, second, third, fourth))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(allow: &str, address: &str) -> bool {
        Network::new(Networks::parse(allow).unwrap()).may(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_asked() {
        for address in [
            "1.1.1.1",
            "44.208.254.194",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
            "64:ff9b::101:101",
            "2002:101:101::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(may("none", address), "{address}");
        }
    }

    #[test]
    fn special_addresses_are_not() {
        for address in [
            "0.0.0.0",
            "10.1.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a01:101::",
            "2001::1",
            "2001:db8::1",
            "3fff:1::1",
            "100::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!may("none", address), "{address}");
        }
    }

    #[test]
    fn what_an_operator_names_is() {
        assert!(may("127.0.0.0/8", "127.0.0.1") && may("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!(may("10.0.0.0/8", "64:ff9b::a00:1") && may("fd00::/8", "fd12::1"));
        assert!(!may("127.0.0.0/8", "10.0.0.1") && !may("127.0.0.0/8", "::1"));
    }

    #[tokio::test]
    async fn any_notation_of_an_address_is_looked_at() {
        let network = Network::new(Networks::parse("none").unwrap());
        for host in ["127.0.0.1", "2130706433", "0x7f000001", "0177.1", "127.1", "[::1]", "0"] {
            let told = network.resolve(host, 80).await;
            assert!(matches!(told, Err(Barred::Forbidden { .. })), "{host}: {told:?}");
        }
        let told = network.resolve("localhost", 80).await;
        assert!(matches!(told, Err(Barred::Forbidden { .. })), "{told:?}");
    }
}
