//! [`MavenOrder`]: which of two versions Maven takes for the newer one.
//!
//! The rules are those of Maven's "Version Order Specification", as versions 3.9 and later apply
//! them: before those, three versions could each be newer than the next. Here the order is total
//! whatever the texts are, because a version becomes a list of tokens that are compared one by one.
//! Deliberately absent: what a version may look like ([`super::maven_package`]).

/// A version as Maven compares it. Versions that Maven takes for the same one are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MavenOrder(Vec<Token>);

/// Parts of a version from the oldest to the newest. What a version ends with stands among them:
/// `1-rc` is older than `1`, and `1-sp` is newer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Alpha,
    Beta,
    Milestone,
    Candidate,
    Snapshot,
    End,
    ServicePack,
    Other(String),
    /// A number after a hyphen, or where letters end.
    Dashed(Number),
    /// A number after a dot.
    Dotted(Number),
}

/// Digits without zeros before them, of any length: the longer one is the larger one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Number {
    length: usize,
    digits: String,
}

/// What stands between two hyphens.
#[derive(Default)]
struct Segment {
    qualifier: Option<Token>,
    numbers: Vec<Number>,
}

impl MavenOrder {
    /// Reads any text.
    #[must_use]
    pub fn of(version: &str) -> Self {
        let version = version.to_ascii_lowercase();
        let mut segments = Vec::new();
        for part in version.split('-') {
            segments.push(Segment::default());
            for word in part.split('.') {
                read_word(word, &mut segments);
            }
        }
        let mut tokens: Vec<_> = segments.into_iter().flat_map(Segment::tokens).collect();
        tokens.push(Token::End);
        Self(tokens)
    }
}

/// Reads what stands between two dots: digits and letters take turns, each change is a hyphen.
fn read_word(word: &str, segments: &mut Vec<Segment>) {
    if word.is_empty() {
        add(segments, Number::read("0"));
    }
    let mut rest = word;
    while let Some(first) = rest.bytes().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if is_digit {
            if rest.len() < word.len() {
                segments.push(Segment::default());
            }
            add(segments, Number::read(run));
        } else {
            let qualifier = qualifier(run, after);
            segments.push(Segment { qualifier, numbers: Vec::new() });
        }
        rest = after;
    }
}

fn add(segments: &mut Vec<Segment>, number: Number) {
    match segments.last_mut() {
        Some(segment) => segment.numbers.push(number),
        None => segments.push(Segment { qualifier: None, numbers: vec![number] }),
    }
}

/// What letters stand for; `None`: a release, which is as good as nothing.
fn qualifier(text: &str, after: &str) -> Option<Token> {
    Some(match text {
        "a" if !after.is_empty() => Token::Alpha,
        "b" if !after.is_empty() => Token::Beta,
        "m" if !after.is_empty() => Token::Milestone,
        "alpha" => Token::Alpha,
        "beta" => Token::Beta,
        "milestone" => Token::Milestone,
        "rc" | "cr" => Token::Candidate,
        "snapshot" => Token::Snapshot,
        "ga" | "final" | "release" => return None,
        "sp" => Token::ServicePack,
        other => Token::Other(other.to_owned()),
    })
}

impl Segment {
    /// Its tokens, without the zeros at its end.
    fn tokens(self) -> impl Iterator<Item = Token> {
        let Self { qualifier, mut numbers } = self;
        while numbers.last().is_some_and(Number::is_zero) {
            numbers.pop();
        }
        let follows = qualifier.is_some();
        let numbers = numbers.into_iter().enumerate().map(move |(at, number)| {
            if at == 0 && !follows { Token::Dashed(number) } else { Token::Dotted(number) }
        });
        qualifier.into_iter().chain(numbers)
    }
}

impl Number {
    fn read(digits: &str) -> Self {
        let digits = digits.trim_start_matches('0').to_owned();
        Self { length: digits.len(), digits }
    }

    fn is_zero(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is older than the next one, and so than all after it.
    #[test]
    fn versions_stand_in_the_order_of_maven() {
        for row in [
            "1-alpha-1-snapshot 1-alpha-1 1-alpha-12 1-beta-2 1-beta-10 1-m3 1-m20 1-rc 1-cr1 \
             1-SNAPSHOT 1 1-sp 1-sp4 1-abc 1-xyz 1-xyz-1 1-1-snapshot 1-1 1-3 1-20",
            "3.0 3.0.x 3-1 3.0.4 3.0.10 3.1 3.1-x 3.1-1 3.1.0.1 3.2 3.11",
            "7.a3 7.a10 7.b1 7.m4 7 7.a 7b 7m",
            "1.9.9 1.10 1.10.1-SNAPSHOT 1.10.1 2.0-alpha1 2.0-beta1 2.0-RC1 2.0 10.0",
            "2.0.0.M1 2.0.0.RC1 2.0.0.RELEASE 2.0.1.RELEASE",
            "20181107 20190101 99999999999999999998 99999999999999999999 100000000000000000000",
            "0.9 1.0-alpha.beta 1.0-alpha 1.0",
        ] {
            let versions: Vec<&str> = row.split_whitespace().collect();
            for (at, older) in versions.iter().enumerate() {
                for newer in &versions[at + 1..] {
                    assert!(MavenOrder::of(older) < MavenOrder::of(newer), "{older} < {newer}");
                }
            }
        }
    }

    #[test]
    fn what_changes_nothing_is_the_same_version() {
        for row in [
            "1 1.0 1.0.0 1.0-0 1-0 1.0-0.0 1-ga 1.0.Final 1-RELEASE 1.0-ga 01",
            "1-rc1 1.0-CR1 1.0.rc1 1-rc-1",
            "1-1 1.0-1 1-ga-1 1-final-1",
            "2-a1 2.0-alpha1 2-ALPHA-1 2.0.0.a1",
            "1.0.1 1..1",
        ] {
            let orders: Vec<_> = row.split_whitespace().map(MavenOrder::of).collect();
            assert!(orders.iter().all(|order| *order == orders[0]), "{row}: {orders:?}");
        }
    }

    #[test]
    fn any_text_has_its_place_and_the_order_is_total() {
        let parts = ["", "1", "0", "-", ".", "a", "sp", "final", "99", "x1", "+", "_"];
        let mut texts = Vec::new();
        for a in parts {
            for b in parts {
                for c in ["", "1", "-1", ".0", "-rc"] {
                    texts.push(format!("{a}{b}{c}"));
                }
            }
        }
        let mut orders: Vec<_> = texts.iter().map(|text| MavenOrder::of(text)).collect();
        orders.sort();
        for (at, older) in orders.iter().enumerate() {
            assert!(orders[at..].iter().all(|newer| older <= newer));
        }
    }
}
