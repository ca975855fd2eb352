//! [`AuthFile`]: a text file of people, `login:password:groups` on each line (spec dlrepo §15).
//!
//! Unlike dlrepo's, lines do not touch each other: blank lines and lines that begin with `#` are
//! skipped, and a line that cannot be read makes nobody able to log in. Passwords may be argon2
//! or bcrypt hashes.
//! Deliberately absent: reading it again by itself (SIGHUP asks for that).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::password::{Secret, digest};
use crate::model::UserName;

/// The file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the auth file {} cannot be read: {source}; name another with --auth-file", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The people of a file.
#[derive(Debug, Default)]
pub struct AuthFile {
    people: HashMap<UserName, Person>,
    /// Sentences for the log, each with the number of its line.
    pub warnings: Vec<String>,
}

/// One line.
#[derive(Debug)]
struct Person {
    secret: Secret,
    groups: Vec<String>,
}

impl AuthFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(|source| Error { path: path.to_owned(), source })?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    /// Reads its text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut file = Self::default();
        let mut plain = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let added = person(line).and_then(|(login, person)| {
                let is_plain = matches!(person.secret, Secret::Plain(_));
                file.add(login, person)?;
                Ok(is_plain)
            });
            match added {
                Ok(is_plain) => plain.extend(is_plain.then(|| number.to_string())),
                Err(why) => file.warnings.push(format!("line {number} is ignored: {why}")),
            }
        }
        if !plain.is_empty() {
            let lines = plain.join(", ");
            file.warnings.push(format!(
                "passwords stand there in plain text (lines {lines}): whoever reads the file has \
                 them; argon2id and bcrypt hashes are taken in their place"
            ));
        }
        file
    }

    /// The groups of `login`, if this is the password.
    #[must_use]
    pub fn login(&self, login: &UserName, password: &str) -> Option<Vec<String>> {
        let person = self.people.get(login)?;
        person.secret.matches(password).then(|| person.groups.clone())
    }

    /// Whether a check of a password of `login` takes the time of a hash.
    #[must_use]
    pub fn hashes(&self, login: &UserName) -> bool {
        let secret = self.people.get(login).map(|person| &person.secret);
        matches!(secret, Some(Secret::Argon2(_) | Secret::Bcrypt(_)))
    }

    /// The groups of `login`, whose password is not asked for.
    #[must_use]
    pub fn groups(&self, login: &UserName) -> Option<&[String]> {
        self.people.get(login).map(|person| person.groups.as_slice())
    }

    /// SHA-256 of the password of `login` as it stands there.
    #[must_use]
    pub(super) fn password(&self, login: &UserName) -> Option<[u8; 32]> {
        let person = self.people.get(login)?;
        let (Secret::Argon2(text) | Secret::Bcrypt(text) | Secret::Plain(text)) = &person.secret;
        Some(digest(text))
    }

    fn add(&mut self, login: UserName, person: Person) -> Result<(), String> {
        if self.people.contains_key(&login) {
            return Err(format!("{login} stands on an earlier line too, which counts"));
        }
        self.people.insert(login, person);
        Ok(())
    }
}

/// One line that is neither blank nor a comment. The password may contain colons.
fn person(line: &str) -> Result<(UserName, Person), String> {
    const FORM: &str = "it is not login:password:groups";
    let (login, rest) = line.split_once(':').ok_or(FORM)?;
    let (password, groups) = rest.rsplit_once(':').ok_or(FORM)?;
    let login = UserName::parse(login.trim()).map_err(|error| error.to_string())?;
    if password.is_empty() {
        return Err("the password is empty".to_owned());
    }
    let secret = Secret::read(password);
    if let Some(flaw) = secret.flaw() {
        return Err(format!("the hash of {login} cannot be used: {flaw}"));
    }
    let groups: Vec<_> = groups.split_whitespace().map(str::to_owned).collect();
    if groups.is_empty() {
        return Err(format!("{login} is in no group, so nobody can log in as {login}"));
    }
    if let Some(bad) = groups.iter().find(|group| !is_group(group)) {
        return Err(format!(
            "{bad:?} is not the name of a group; they have letters, digits, - and _, and white \
             space between them"
        ));
    }
    Ok((login, Person { secret, groups }))
}

/// Whether this can be the name of a group, and so of the file with its rules.
#[must_use]
pub fn is_group(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::super::password;
    use super::*;

    fn groups(file: &AuthFile, login: &str, password: &str) -> Option<String> {
        let login = UserName::parse(login).unwrap();
        file.login(&login, password).map(|groups| groups.join(" "))
    }

    #[test]
    fn each_line_is_somebody() {
        let argon2 = password::hash("argon two").unwrap();
        let bcrypt = bcrypt::hash("b-crypt", 4).unwrap();
        let text = format!(
            "# people\n\nalice:s3cr:et: dev  ops\nBob:pw:dev\n\n  # more\n\
             carol:{argon2}:dev\ndave:{bcrypt}:équipe\n"
        );
        let file = AuthFile::parse(&text);
        assert_eq!(groups(&file, "alice", "s3cr:et").as_deref(), Some("dev ops"));
        assert_eq!(groups(&file, "bob", "pw").as_deref(), Some("dev"));
        assert_eq!(groups(&file, "carol", "argon two").as_deref(), Some("dev"));
        assert_eq!(groups(&file, "dave", "b-crypt").as_deref(), Some("équipe"));
        for (login, wrong) in
            [("alice", "s3cr"), ("bob", ""), ("carol", &argon2), ("dave", &bcrypt), ("x", "pw")]
        {
            assert_eq!(groups(&file, login, wrong), None, "{login}");
        }
        let [warning] = &file.warnings[..] else { panic!("{:?}", file.warnings) };
        assert!(warning.contains("plain text (lines 3, 4)"), "{warning}");
        assert_eq!(file.groups(&UserName::parse("bob").unwrap()).unwrap(), ["dev"]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_and_lets_nobody_in() {
        for (line, why) in [
            ("alice", "login:password:groups"),
            ("alice:pw", "login:password:groups"),
            ("alice:pw:", "in no group"),
            ("alice::dev", "password is empty"),
            ("alice:pw:dev,ops", "\"dev,ops\""),
            ("alice:pw:de.v", "\"de.v\""),
            ("a/b:pw:dev", "a/b"),
            (":pw:dev", "no such name"),
            ("alice:$2y$bad:dev", "cannot be used"),
        ] {
            let file = AuthFile::parse(&format!("root:pw:x\n{line}\n"));
            let told = |w: &String| w.starts_with("line 2 is ignored") && w.contains(why);
            assert!(file.warnings.iter().any(told), "{line}: {:?}", file.warnings);
            assert_eq!(file.people.len(), 1, "{line}");
        }
        let twice = AuthFile::parse("alice:one:dev\nALICE:two:dev\n");
        assert!(
            groups(&twice, "alice", "one").is_some() && groups(&twice, "alice", "two").is_none()
        );
    }

    #[test]
    fn an_absent_file_is_named() {
        let error = AuthFile::load(Path::new("/nonexistent/people")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/people"));
    }
}
