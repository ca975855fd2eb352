//! [`RateLimit`]: what an upstream says about how many more pulls it allows: the headers of
//! Docker Hub.

use std::time::Duration;

use http::HeaderMap;

use crate::model::Timestamp;

/// The limit as an upstream last told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Pulls within the window.
    pub limit: u64,
    /// Pulls that are left.
    pub remaining: u64,
    /// How long the window is.
    pub window: Option<Duration>,
    /// When this was told.
    pub told: Timestamp,
}

impl RateLimit {
    /// What an answer tells; `None`: nothing.
    pub(super) fn of(headers: &HeaderMap, told: Timestamp) -> Option<Self> {
        let read = |name: &str| parse(headers.get(name)?.to_str().ok()?);
        let (limit, window) = read("ratelimit-limit")?;
        let (remaining, other) = read("ratelimit-remaining")?;
        Some(Self { limit, remaining, window: window.or(other), told })
    }
}

/// `100;w=21600`: a number, and perhaps the seconds of a window.
fn parse(text: &str) -> Option<(u64, Option<Duration>)> {
    let mut parts = text.split(';').map(str::trim);
    let number = parts.next()?.parse().ok()?;
    let window = parts.find_map(|part| part.strip_prefix("w=")?.trim().parse().ok());
    Some((number, window.map(Duration::from_secs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(limit: &str, remaining: &str) -> Option<(u64, u64, Option<u64>)> {
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit-limit", limit.parse().unwrap());
        headers.insert("ratelimit-remaining", remaining.parse().unwrap());
        let rate = RateLimit::of(&headers, Timestamp(1))?;
        Some((rate.limit, rate.remaining, rate.window.map(|window| window.as_secs())))
    }

    #[test]
    fn what_is_told_is_read() {
        assert_eq!(told("100;w=21600", "76;w=21600"), Some((100, 76, Some(21600))));
        assert_eq!(told("100", "76"), Some((100, 76, None)));
        assert_eq!(told("100 ; x=1; w=5", "7"), Some((100, 7, Some(5))));
        assert_eq!(told("many", "7"), None);
        assert_eq!(told("100", "-1"), None);
        assert_eq!(RateLimit::of(&HeaderMap::new(), Timestamp(1)), None);
    }
}
