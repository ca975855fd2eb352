//! Reading and printing the plain values: times, sizes, numbers, addresses.
//!
//! Each `print_*` gives what its reader reads back to the same value.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

/// What [`listen`] takes.
pub const LISTEN_ALLOWED: &str =
    "ADDRESS:PORT, [ADDRESS]:PORT or localhost:PORT; port 0 takes a free one";

/// What [`switch`] takes.
pub const SWITCH_ALLOWED: &str = "true, yes, on or 1; false, no, off or 0";
/// What [`header`] takes.
pub const HEADER_ALLOWED: &str = "the name of an HTTP header, such as X-Sendfile";

/// Units of time with their milliseconds, largest first.
const TIMES: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size with their bytes, largest first.
const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// The name of an HTTP header, in lower case.
pub fn header(given: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(given.trim()).map_err(|error| error.to_string())
}

/// A time: a number of seconds, or a number with one of the units `ms`, `s`, `m`, `h`, `d`.
pub fn duration(given: &str) -> Result<Duration, String> {
    let (number, unit) = split_number(given)?;
    let unit = if unit.is_empty() { "s" } else { unit };
    let factor = TIMES.iter().find(|(name, _)| *name == unit);
    let (_, millis) = factor.ok_or_else(|| format!("`{unit}` is not a unit of time"))?;
    number.checked_mul(*millis).map(Duration::from_millis).ok_or_else(|| "too long".to_owned())
}

/// The time in the largest unit that gives a whole number.
#[must_use]
pub fn print_duration(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let unit = TIMES.iter().find(|(_, factor)| millis != 0 && millis.is_multiple_of(*factor));
    let (name, factor) = unit.unwrap_or(&("s", 1));
    format!("{}{name}", millis / factor)
}

/// A number of bytes, or a number with a unit: `K`, `KiB`, `M`, `MiB` and so on up to `TiB`, of
/// any case, all of them powers of 1024.
pub fn size(given: &str) -> Result<u64, String> {
    let (number, unit) = split_number(given)?;
    let same = |name: &str| {
        name.eq_ignore_ascii_case(unit)
            || name.strip_suffix("iB").is_some_and(|short| short.eq_ignore_ascii_case(unit))
    };
    let factor = SIZES.iter().find(|(name, _)| same(name));
    let (_, bytes) = factor.ok_or_else(|| format!("`{unit}` is not a unit of size"))?;
    number.checked_mul(*bytes).ok_or_else(|| "it is too large".to_owned())
}

/// The bytes in the largest unit that gives a whole number.
pub fn print_size(bytes: u64) -> String {
    let unit = SIZES.iter().find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor));
    let (name, factor) = unit.unwrap_or(&("", 1));
    format!("{}{name}", bytes / factor)
}

/// A plain number.
pub fn count(given: &str) -> Result<u32, String> {
    match split_number(given)? {
        (number, "") => u32::try_from(number).map_err(|_| "it is too large".to_owned()),
        (_, rest) => Err(format!("`{rest}` does not belong to a number")),
    }
}

/// A folder's path; it need not exist yet.
pub fn folder(given: &str) -> Result<PathBuf, String> {
    if given.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(PathBuf::from(given))
}

/// Any text that says something.
pub fn words(given: &str) -> Result<String, String> {
    if given.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(given.to_owned())
}

/// On or off, in the words that people use for it.
pub fn switch(given: &str) -> Result<bool, String> {
    match given.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("it is neither on nor off".to_owned()),
    }
}

/// An address with a port. Which ones may be used depends on other settings.
pub fn listen(given: &str) -> Result<SocketAddr, String> {
    let address = match given.trim().strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => given.trim().parse().ok(),
    };
    address.ok_or_else(|| "it is not an address with a port".to_owned())
}

/// The digits at the start and what follows them, both trimmed.
fn split_number(given: &str) -> Result<(u64, &str), String> {
    let given = given.trim();
    let end = given.find(|c: char| !c.is_ascii_digit()).unwrap_or(given.len());
    let (digits, unit) = given.split_at(end);
    if digits.is_empty() {
        return Err("it does not start with a number".to_owned());
    }
    let number = digits.parse().map_err(|_| "it is too large".to_owned())?;
    Ok((number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let ms = Duration::from_millis;
        for (given, time, printed) in [
            ("0", ms(0), "0s"),
            ("600", ms(600_000), "10m"),
            (" 600 ", ms(600_000), "10m"),
            ("600s", ms(600_000), "10m"),
            ("10m", ms(600_000), "10m"),
            ("90m", ms(5_400_000), "90m"),
            ("24h", ms(86_400_000), "1d"),
            ("1d", ms(86_400_000), "1d"),
            ("5ms", ms(5), "5ms"),
            ("1500ms", ms(1500), "1500ms"),
        ] {
            assert_eq!(duration(given), Ok(time), "{given}");
            assert_eq!(print_duration(time), printed);
            assert_eq!(duration(printed), Ok(time), "{printed}");
        }
        for bad in ["", "s", "-1", "1.5h", "10 m", "1h30m", "10M", "10x", "99999999999999999999"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("18446744073709551615d").is_err());
    }

    #[test]
    fn sizes() {
        for (given, bytes, printed) in [
            ("0", 0, "0"),
            ("16320", 16320, "16320"),
            ("16384", 16384, "16KiB"),
            ("16KiB", 16384, "16KiB"),
            ("16k", 16384, "16KiB"),
            ("64MiB", 64 << 20, "64MiB"),
            ("64mib", 64 << 20, "64MiB"),
            ("1G", 1 << 30, "1GiB"),
            ("3T", 3 << 40, "3TiB"),
            ("1025K", 1025 << 10, "1025KiB"),
        ] {
            assert_eq!(size(given), Ok(bytes), "{given}");
            assert_eq!(print_size(bytes), printed);
            assert_eq!(size(printed), Ok(bytes), "{printed}");
        }
        for bad in ["", "K", "-1", "1.5G", "1KB", "1 K", "1P", "99999999999T"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!((count("0"), count(" 12 ")), (Ok(0), Ok(12)));
        for bad in ["", "two", "-1", "1.0", "1k", "4294967296"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn switches() {
        for on in ["true", "True", " yes", "on", "1"] {
            assert_eq!(switch(on), Ok(true), "{on}");
        }
        for off in ["false", "no", "OFF", "0"] {
            assert_eq!(switch(off), Ok(false), "{off}");
        }
        for bad in ["", "2", "maybe", "tru"] {
            assert!(switch(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        for (given, address) in [
            ("127.0.0.1:1337", "127.0.0.1:1337"),
            ("127.9.9.9:0", "127.9.9.9:0"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("0.0.0.0:1337", "0.0.0.0:1337"),
        ] {
            assert_eq!(listen(given).map(|a| a.to_string()), Ok(address.to_owned()));
        }
        for bad in ["", "127.0.0.1", ":80", "localhost:", "localhost:99999", "example.org:80"] {
            assert!(listen(bad).unwrap_err().contains("not an address"), "{bad}");
        }
    }
}
