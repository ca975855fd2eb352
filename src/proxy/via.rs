//! [`Via`]: a mark on what this server asks (RFC 9110 §7.6.3), by which it knows a question of its
//! own that comes back, because the upstream of a group is this very server or sends to it. It
//! would ask itself until the time for an answer is over.
//!
//! Deliberately absent: handing on the marks of others. Two servers that are each other's upstream
//! find out by that time.

use http::{HeaderMap, HeaderValue, header};

/// The mark of one server, from its start on.
#[derive(Clone, Debug)]
pub struct Via(HeaderValue);

impl Via {
    pub(super) fn new() -> Self {
        let mark = format!("1.1 larder-{:016x}", rand::random::<u64>());
        // Letters, digits, a point and a hyphen always are a value.
        Self(HeaderValue::from_str(&mark).unwrap_or(HeaderValue::from_static("1.1 larder")))
    }

    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether the question with these headers was asked by this server.
    #[must_use]
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let lines = headers.get_all(header::VIA).iter();
        let mut marks = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        marks.any(|mark| mark.trim_ascii() == self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_knows_its_own_mark_among_others() {
        let (own, other) = (Via::new(), Via::new());
        let mut headers = HeaderMap::new();
        assert!(!own.is_in(&headers));
        headers.append(header::VIA, HeaderValue::from_static("1.1 nginx"));
        headers.append(header::VIA, other.value());
        assert!(other.is_in(&headers) && !own.is_in(&headers));
        let list = [b"1.0 squid , ".as_slice(), own.value().as_bytes(), b",1.1 cdn"].concat();
        headers.append(header::VIA, HeaderValue::from_bytes(&list).unwrap());
        assert!(own.is_in(&headers));
    }
}
