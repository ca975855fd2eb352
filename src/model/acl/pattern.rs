//! [`Pattern`]: one word of a line, as a regular expression over the bytes of a path.
//!
//! A login is a name and never a part of the grammar: it is escaped before it goes in, in globs
//! and in regular expressions.

use regex::bytes::Regex;
use regex::escape;

/// What stands for the login.
const USER: &str = "$user";
/// Any login, to see at the start whether a pattern can be read.
const SAMPLE: &str = "user";
/// Names between `/branches/` and the path of a file, and between `/products/` and it.
const TREES: [(&str, usize); 2] = [("branches", 4), ("products", 5)];

/// One word of a line.
#[derive(Clone, Debug)]
pub struct Pattern {
    sense: Sense,
    form: Form,
    /// The word as it was written.
    text: String,
    /// What is behind the signs.
    body: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Grants,
    Excludes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Glob,
    Regex,
}

impl Pattern {
    /// Reads a word.
    ///
    /// # Errors
    /// Why the regular expression cannot be read, as a sentence.
    pub fn parse(word: &str) -> Result<Self, String> {
        let excluded = word.strip_prefix('!');
        let sense = if excluded.is_some() { Sense::Excludes } else { Sense::Grants };
        let rest = excluded.unwrap_or(word);
        let (form, body) = match rest.strip_prefix('~') {
            Some(body) => (Form::Regex, body.to_owned()),
            None => (Form::Glob, rest.to_owned()),
        };
        let body = match (form, sense) {
            (Form::Glob, Sense::Grants) => lower_names(&body),
            _ => body,
        };
        let pattern = Self { sense, form, text: word.to_owned(), body };
        pattern.check().map_err(|why| format!("{word:?} cannot be read: {why}"))?;
        Ok(pattern)
    }

    /// A regular expression must be one by itself, not only within ours.
    fn check(&self) -> Result<(), String> {
        if self.form == Form::Regex {
            compile(&self.body.replace(USER, SAMPLE))?;
        }
        compile(&self.expression(Some(SAMPLE))).map(drop)
    }

    /// The word as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it takes away what the others of its line match.
    #[must_use]
    pub fn excludes(&self) -> bool {
        self.sense == Sense::Excludes
    }

    /// Whether it says something else to each login.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.body.contains(USER)
    }

    /// Whether it begins with `/-/`.
    #[must_use]
    pub fn names_own_pages(&self) -> bool {
        let body = match self.form {
            Form::Glob => self.body.as_str(),
            Form::Regex => self.body.trim_start_matches('^'),
        };
        body.starts_with("/-/")
    }

    /// What every path that it matches begins with, as far as that is plain to see.
    #[must_use]
    pub fn beginning(&self) -> &str {
        match (self.form, self.sense) {
            (Form::Glob, Sense::Grants) => {
                self.body.split(['*', '?', '$']).next().unwrap_or_default()
            }
            _ => "",
        }
    }

    /// Whether it is a regular expression that also matches what begins like its matches.
    #[must_use]
    pub fn is_open_ended(&self) -> bool {
        let closed = ["$", r"\z", ".*"].iter().any(|end| self.body.ends_with(end));
        self.form == Form::Regex && !closed
    }

    /// The regular expression for this login, `None` being nobody.
    ///
    /// A glob holds for the whole path, a regular expression from its start on. What excludes
    /// does so whatever the case, and its dot stands for every character.
    #[must_use]
    pub fn expression(&self, login: Option<&str>) -> String {
        /// Matches nothing at all.
        const NOTHING: &str = "[a&&b]";
        if self.sense == Sense::Grants && self.is_personal() && login.is_none() {
            return NOTHING.to_owned();
        }
        let login = escape(login.unwrap_or_default());
        let flags = if self.excludes() { "(?si)" } else { "" };
        match self.form {
            Form::Regex => format!(r"{flags}\A(?:{})", self.body.replace(USER, &login)),
            Form::Glob => {
                let parts: Vec<_> = self.body.split(USER).map(glob).collect();
                format!(r"{flags}\A{}\z", parts.join(&login))
            }
        }
    }
}

fn compile(expression: &str) -> Result<Regex, String> {
    Regex::new(expression).map_err(|error| {
        let message = error.to_string();
        let verdict = message.lines().last().unwrap_or_default();
        verdict.trim_start_matches("error: ").to_owned()
    })
}

/// `**` any characters, `*` any but a slash, `?` one but a slash, all else itself.
fn glob(text: &str) -> String {
    let mut expression = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, part) = match first {
            '*' if rest.starts_with("**") => (2, "(?s-u:.)*".to_owned()),
            '*' => (1, "(?-u:[^/])*".to_owned()),
            '?' => (1, "[^/]".to_owned()),
            other => (other.len_utf8(), escape(other.encode_utf8(&mut [0; 4]))),
        };
        expression.push_str(&part);
        rest = &rest[length..];
    }
    expression
}

/// Names have no case, so those of a glob are lowered; paths of files have.
fn lower_names(glob: &str) -> String {
    let mut segments: Vec<String> = glob.split('/').map(str::to_owned).collect();
    let home = usize::from(segments.get(1).is_some_and(|segment| segment.starts_with('~')));
    let tree = segments.get(1 + home);
    let names = tree.and_then(|tree| TREES.iter().find(|(name, _)| name == tree));
    let names = names.map_or(0, |(_, names)| names + 1);
    for segment in segments.iter_mut().skip(1).take(home + names) {
        if segment.contains("**") {
            break;
        }
        // What looks like the login in capitals is not to become it.
        if !segment.contains('$') {
            *segment = segment.to_lowercase();
        }
    }
    segments.join("/")
}
