//! [`Challenge`]: what an upstream wants of who asks it: `WWW-Authenticate` (RFC 9110 §11.6).

use http::{HeaderMap, header};
use url::Url;

/// How to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With a login.
    Basic,
    /// With a token.
    Bearer(Bearer),
}

/// Where tokens are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) realm: Url,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

/// One scheme of a header with its parameters.
#[derive(Default)]
struct Scheme {
    name: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The best that an answer offers: tokens, else a login. `None`: none that is known here.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let schemes = lines.filter_map(|line| line.to_str().ok()).flat_map(schemes);
        let offers: Vec<_> = schemes.filter_map(|scheme| Self::read(&scheme)).collect();
        let bearer = offers.iter().find(|offer| matches!(offer, Self::Bearer(_)));
        bearer.or(offers.first()).cloned()
    }

    fn read(scheme: &Scheme) -> Option<Self> {
        if scheme.name.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.name.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let realm = Url::parse(&scheme.parameter("realm")?).ok()?;
        let is_web = matches!(realm.scheme(), "http" | "https") && realm.host().is_some();
        let is_plain = realm.username().is_empty() && realm.password().is_none();
        let (service, scope) = (scheme.parameter("service"), scheme.parameter("scope"));
        (is_web && is_plain).then_some(Self::Bearer(Bearer { realm, service, scope }))
    }
}

impl Scheme {
    fn parameter(&self, name: &str) -> Option<String> {
        let mut found = self.parameters.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    }
}

/// The schemes of one header, as far as it can be read.
fn schemes(line: &str) -> Vec<Scheme> {
    let mut found: Vec<Scheme> = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        let end = rest.find(|c: char| c == '=' || c == ',' || c.is_whitespace());
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        match after.strip_prefix('=') {
            _ if word.is_empty() && !after.starts_with('=') => return found,
            Some(after) => {
                let (value, after) = value(after);
                if let Some(scheme) = found.last_mut() {
                    scheme.parameters.push((word.to_ascii_lowercase(), value));
                }
                rest = after;
            }
            None => {
                found.push(Scheme { name: word.to_owned(), ..Scheme::default() });
                rest = after;
            }
        }
    }
}

/// The value at the beginning, in quotes or up to the next comma, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::WWW_AUTHENTICATE, line.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let (service, scope) = (service.map(str::to_owned), scope.map(str::to_owned));
        Challenge::Bearer(Bearer { realm: Url::parse(realm).unwrap(), service, scope })
    }

    #[test]
    fn what_registries_say_is_understood() {
        let hub = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",\
                   scope=\"repository:library/alpine:pull,push\",error=\"invalid_token\"";
        let scope = Some("repository:library/alpine:pull,push");
        let wanted = bearer("https://auth.docker.io/token", Some("registry.docker.io"), scope);
        assert_eq!(read(&[hub]), Some(wanted));
        assert_eq!(read(&["bearer realm=https://a/t , service=\"x\\\"y\""]), {
            Some(bearer("https://a/t", Some("x\"y"), None))
        });
        assert_eq!(read(&["Basic realm=\"r, s\""]), Some(Challenge::Basic));
        assert_eq!(read(&["Negotiate", "BASIC"]), Some(Challenge::Basic));
        let both = ["Basic realm=\"r\", Bearer realm=\"https://a/t\""];
        assert_eq!(read(&both), Some(bearer("https://a/t", None, None)));
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for line in [
            "",
            "Bearer",
            "Bearer realm=\"\"",
            "Bearer realm=\"/token\"",
            "Bearer realm=\"ftp://a/t\"",
            "Bearer realm=\"https://u:p@a/t\"",
            "Bearer realm=\"https",
            "Digest realm=\"x\"",
            "=,=\"",
            ",,,",
        ] {
            assert_eq!(read(&[line]), None, "{line}");
        }
    }
}
