//! [`Filter`]: an LDAP filter with places for a login and a DN.
//!
//! Whoever logs in chooses the login, so what is put in is escaped (RFC 4515 §3), and a filter
//! that would read an escaped value as anything but a value is refused when it is read.
//! Deliberately absent: what a filter matches, which is the directory's to know.

use std::fmt;

use ldap3::{ldap_escape, parse_filter};

/// A filter in which `{login}` and `{dn}` stand for values; `{{` and `}}` are plain braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Login,
    Dn,
}

/// A value that ends the filter or widens it where it is not escaped or cannot be.
const HOSTILE: &str = "*)(\\\0|";

impl Filter {
    /// What [`Filter::parse`] takes.
    pub const ALLOWED: &str = "an LDAP filter such as (&(uid={login})(objectClass=inetOrgPerson)) \
                               or (&(objectClass=groupOfNames)(member={dn}))";

    /// Reads a filter; it must name `{login}` or `{dn}`, as values only.
    pub fn parse(given: &str) -> Result<Self, String> {
        let given = given.trim();
        let filter = Self { text: given.to_owned(), parts: parts(&compact(given))? };
        if parse_filter(filter.fill("login", "cn=dn")).is_err() {
            return Err("it is not an LDAP filter; look at its parentheses".to_owned());
        }
        if !filter.names_login() && !filter.names_dn() {
            return Err("it names neither {login} nor {dn}, so it means everybody".to_owned());
        }
        if parse_filter(filter.fill(HOSTILE, HOSTILE)).is_err() {
            return Err("{login} and {dn} may stand only where a value stands".to_owned());
        }
        Ok(filter)
    }

    /// The filter with these values.
    #[must_use]
    pub fn fill(&self, login: &str, dn: &str) -> String {
        let put = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Login => ldap_escape(login).into_owned(),
            Part::Dn => ldap_escape(dn).into_owned(),
        };
        self.parts.iter().map(put).collect()
    }

    /// The attributes that `{login}` is the whole value of.
    pub(super) fn login_attributes(&self) -> Vec<&str> {
        let spells = |window: &[Part]| match window {
            [Part::Text(_), Part::Login, Part::Text(after)] => after.starts_with(')'),
            _ => false,
        };
        let windows = self.parts.windows(3).filter(|window| spells(window));
        windows.filter_map(|window| window.first().and_then(compared)).collect()
    }

    /// Whether `{login}` is in it.
    #[must_use]
    pub fn names_login(&self) -> bool {
        self.parts.contains(&Part::Login)
    }

    /// Whether `{dn}` is in it.
    #[must_use]
    pub fn names_dn(&self) -> bool {
        self.parts.contains(&Part::Dn)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The filter without white space between its parentheses: other clients read over it.
fn compact(given: &str) -> String {
    let mut compact = String::new();
    for c in given.chars() {
        let is_between = [")", "(", "(&", "(|", "(!"].iter().any(|end| compact.ends_with(end));
        if !(is_between && c.is_whitespace()) {
            compact.push(c);
        }
    }
    compact
}

/// The attribute that the value after this piece is compared with, as in `(&(uid=`.
fn compared(part: &Part) -> Option<&str> {
    let Part::Text(text) = part else { return None };
    let (_, item) = text.rsplit_once('(')?;
    let name = item.strip_suffix('=')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_name.then_some(name)
}

/// The pieces of a template.
fn parts(given: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = given;
    while let Some(at) = rest.find(['{', '}']) {
        let (text, brace) = rest.split_at(at);
        parts.push(Part::Text(text.to_owned()));
        let (part, length) = placeholder(brace)?;
        parts.push(part);
        rest = &brace[length..];
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

/// What the brace at the start of `text` begins, and its length in bytes.
fn placeholder(text: &str) -> Result<(Part, usize), String> {
    const KNOWN: [(&str, Part); 2] = [("{login}", Part::Login), ("{dn}", Part::Dn)];
    for brace in ["{", "}"] {
        if text.starts_with(&brace.repeat(2)) {
            return Ok((Part::Text(brace.to_owned()), 2));
        }
    }
    let found = KNOWN.into_iter().find(|(name, _)| text.starts_with(name));
    found.map(|(name, part)| (part, name.len())).ok_or_else(|| {
        let end = text.find('}').map_or(text.len(), |end| end + 1);
        let shown = &text[..end];
        format!("`{shown}` is neither {{login}} nor {{dn}}; a brace itself is {{{{ or }}}}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_and_escaped() {
        for (filter, login, dn, filled) in [
            ("(uid={login})", "alice", "", "(uid=alice)"),
            ("(uid={login})", "*", "", r"(uid=\2a)"),
            ("(uid={login})", "alice)(uid=*", "", r"(uid=alice\29\28uid=\2a)"),
            ("(cn={login})", "a\\b\0", "", r"(cn=a\5cb\00)"),
            ("(cn={login})", "{dn}", "x", "(cn={dn})"),
            ("(cn={login})", "Ünal", "", "(cn=Ünal)"),
            ("(member={dn})", "x", r"cn=A\, (B),dc=x", r"(member=cn=A\5c, \28B\29,dc=x)"),
            ("(&(a={login})(b={dn})(c={{x}}))", "l", "d", "(&(a=l)(b=d)(c={x}))"),
            ("(uid={login}*)", "a*", "", r"(uid=a\2a*)"),
            ("uid={login}", "a", "", "uid=a"),
            (" (& (uid={login})\n ( ! (cn=a b )) ) ", "a", "", "(&(uid=a)(!(cn=a b )))"),
        ] {
            let filter = Filter::parse(filter).unwrap();
            assert_eq!(filter.fill(login, dn), filled);
            assert!(parse_filter(filter.fill(login, dn)).is_ok(), "{filled}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (given, why) in [
            ("", "not an LDAP filter"),
            ("(uid={login}", "not an LDAP filter"),
            ("(uid={login}))", "not an LDAP filter"),
            ("(uid={user})", "`{user}` is neither"),
            ("(uid={})", "`{}` is neither"),
            ("(uid={login)", "`{login)` is neither"),
            ("(uid=login})", "`}` is neither"),
            ("(uid={login!r})", "`{login!r}` is neither"),
            ("(objectClass=person)", "means everybody"),
            ("({login}=x)", "where a value stands"),
            ("(&(uid=a){login})", "not an LDAP filter"),
        ] {
            let refused = Filter::parse(given).unwrap_err();
            assert!(refused.contains(why), "{given}: {refused}");
        }
    }

    #[test]
    fn which_attributes_spell_a_login() {
        for (filter, attributes) in [
            ("(uid={login})", &["uid"][..]),
            ("(&(objectClass=person)(|(uid={login})(mail={login})))", &["uid", "mail"]),
            ("(&(member={dn})(!(cn={login})))", &["cn"]),
            ("(sAMAccountName={login})", &["sAMAccountName"]),
            ("(uid={login}*)", &[]),
            ("(uid=x{login})", &[]),
            ("(uid~={login})", &[]),
            ("(uid:caseExactMatch:={login})", &[]),
            ("(uid={login}{login})", &[]),
            ("(member={dn})", &[]),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().login_attributes(), attributes, "{filter}");
        }
    }

    #[test]
    fn it_prints_as_given() {
        let given = "(&(uid={login})(x={{}}))";
        let filter = Filter::parse(given).unwrap();
        assert_eq!(filter.to_string(), given);
        assert!(filter.names_login() && !filter.names_dn());
    }
}
