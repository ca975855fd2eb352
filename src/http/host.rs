//! Protects a server on the loopback address from pages in the browser of the same machine.
//!
//! A page may make its own name point to 127.0.0.1 (DNS rebinding) or post across origins; the
//! first shows in `Host`, the second in `Origin`. Clients that are no browsers send neither lie.
//! Deliberately absent: servers for other machines, which access rules protect.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Method};

use super::HttpError;

/// For which hosts a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// This machine only: whoever can connect may do everything, so a page that a browser shows
    /// must not lend itself to somebody else's name for this machine.
    ThisMachine,
    /// Any: people log in.
    Any,
}

/// Tests the `Host` and, for methods other than GET and HEAD, the `Origin` of a request. `public`
/// is the host that a proxy in front passes on, if there is one.
///
/// # Errors
/// [`HttpError::Host`] (421) and [`HttpError::Origin`] (403).
pub fn check(
    method: &Method,
    headers: &HeaderMap,
    public: Option<&str>,
    served: Hosts,
) -> Result<(), HttpError> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().map(text).unwrap_or_default();
    let is_public = public.is_some_and(|public| public.eq_ignore_ascii_case(&host));
    let is_served = served == Hosts::Any || is_loopback(&host) || is_public;
    if hosts.next().is_some() || !is_served {
        return Err(HttpError::Host(host));
    }
    let changes = *method != Method::GET && *method != Method::HEAD;
    match headers.get(ORIGIN).map(text) {
        Some(origin) if changes && !is_own(&origin, &host, public) => {
            Err(HttpError::Origin { origin, host })
        }
        _ => Ok(()),
    }
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    };
    if !port.bytes().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    let v6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || v6.is_some_and(|ip| ip.parse() == Ok(Ipv6Addr::LOCALHOST))
}

/// Whether an origin is the host itself, or the one that a proxy in front stands for.
fn is_own(origin: &str, host: &str, public: Option<&str>) -> bool {
    same_place(origin, host) || public.is_some_and(|public| same_place(origin, public))
}

/// Whether an origin is the host itself; a port that its scheme implies may be left out.
fn same_place(origin: &str, host: &str) -> bool {
    let Some((scheme, place)) = origin.split_once("://") else { return false };
    let implied = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let bare = |text: &str| text.strip_suffix(implied).unwrap_or(text).to_ascii_lowercase();
    bare(place) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &Method, headers: &[(http::HeaderName, &str)]) -> u16 {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        let headers = headers.collect();
        let checked = check(method, &headers, Some("larder.example"), Hosts::ThisMachine);
        checked.err().map_or(200, |error| error.status().as_u16())
    }

    #[test]
    fn only_names_of_this_machine_are_served() {
        for host in
            ["localhost", "LocalHost:80", "127.0.0.1:1337", "[::1]", "[::1]:8", "larder.example"]
        {
            assert_eq!(status(&Method::GET, &[(HOST, host)]), 200, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:80",
            "10.0.0.1",
            "0.0.0.0",
            "[::2]",
            "::1",
            "127.1:80",
            "localhost:x",
            "evil.example:80@localhost",
        ] {
            assert_eq!(status(&Method::GET, &[(HOST, host)]), 421, "{host}");
        }
        assert_eq!(status(&Method::GET, &[]), 421);
        let mut two = HeaderMap::new();
        two.append(HOST, "localhost".parse().unwrap());
        two.append(HOST, "evil.example".parse().unwrap());
        for hosts in [Hosts::ThisMachine, Hosts::Any] {
            assert!(check(&Method::GET, &two, None, hosts).is_err());
        }
    }

    #[test]
    fn where_people_log_in_every_name_is_served() {
        let host = |host: &str| [(HOST, host.parse().unwrap())].into_iter().collect();
        for name in ["repo.example", "10.0.0.1:80", "localhost"] {
            assert!(check(&Method::GET, &host(name), None, Hosts::Any).is_ok(), "{name}");
        }
        let mut headers: HeaderMap = host("repo.example");
        headers.insert(ORIGIN, "https://evil.example".parse().unwrap());
        assert!(check(&Method::POST, &headers, None, Hosts::Any).is_err());
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        let ask = |method, origin, host| status(&method, &[(HOST, host), (ORIGIN, origin)]);
        assert_eq!(ask(Method::POST, "http://localhost:1337", "localhost:1337"), 200);
        assert_eq!(ask(Method::POST, "http://localhost", "LOCALHOST:80"), 200);
        assert_eq!(ask(Method::POST, "https://localhost:443", "localhost"), 200);
        assert_eq!(ask(Method::POST, "https://larder.example", "localhost:1337"), 200);
        assert_eq!(ask(Method::GET, "https://evil.example", "localhost"), 200);
        assert_eq!(ask(Method::HEAD, "null", "localhost"), 200);
        for origin in ["null", "http://evil.example", "http://localhost:81", "localhost"] {
            assert_eq!(ask(Method::DELETE, origin, "localhost"), 403, "{origin}");
        }
    }
}
