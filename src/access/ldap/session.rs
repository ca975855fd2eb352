//! [`Session`]: one connection to the directory, and what is asked over it.
//!
//! Deliberately absent: time limits, which are for all of a login.

use std::collections::HashSet;
use std::io;

use ldap3::{LdapConnAsync, LdapConnSettings, LdapError, LdapResult, StdStream};
use ldap3::{Scope, SearchEntry, SearchOptions};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Directory, Error, Security, Service};

/// Most groups of one user that are taken from a directory.
const GROUPS_MAX: i32 = 10_000;
/// Enough entries to see that there is more than one.
const USERS_MAX: i32 = 2;
/// The attribute that a group is named by.
const NAME: &str = "cn";
/// "No attributes", as an attribute (RFC 4511 §4.5.1.8).
const NOTHING: &str = "1.1";

/// Result codes (RFC 4511 appendix A) that mean something of their own here.
mod code {
    pub const SUCCESS: u32 = 0;
    pub const SIZE_LIMIT: u32 = 4;
    pub const CONSTRAINT_VIOLATION: u32 = 19;
    pub const NO_SUCH_OBJECT: u32 = 32;
    pub const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
    pub const INVALID_CREDENTIALS: u32 = 49;
    pub const UNWILLING: u32 = 53;
}

/// Who a login is.
pub struct User {
    /// The entry's name.
    pub dn: String,
    /// The login in the directory's spelling.
    pub login: String,
}

/// An open connection. Dropping it closes it too, a little later.
pub struct Session<'a> {
    directory: &'a Directory,
    ldap: ldap3::Ldap,
    /// What reads and writes.
    driver: JoinSet<()>,
}

impl<'a> Session<'a> {
    /// Connects, and encrypts as the settings say: a directory that refuses `StartTLS` is refused.
    pub async fn open(directory: &'a Directory) -> Result<Self, Error> {
        let stream = connect(directory.url.host_and_port()).await;
        let stream = stream.map_err(|error| unreachable(directory, &error))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Tcp(stream));
        let settings = match &directory.security {
            Security::None => settings,
            Security::Tls(config) => settings.set_config(config.clone()),
            Security::StartTls(config) => settings.set_config(config.clone()).set_starttls(true),
        };
        let opened = LdapConnAsync::with_settings(settings, directory.url.as_str()).await;
        let (connection, ldap) = opened.map_err(|error| Error::Untrusted {
            url: directory.url.to_string(),
            why: describe(&error),
        })?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Whoever waits for an answer is told that there will be none.
            if let Err(error) = connection.drive().await {
                log::debug!("a connection to the directory ended: {error}");
            }
        });
        Ok(Self { directory, ldap, driver })
    }

    /// Says goodbye and waits until the connection is closed.
    pub async fn close(self) {
        let Self { mut ldap, mut driver, .. } = self;
        // A directory that has closed already need not hear it.
        let _ = ldap.unbind().await;
        drop(ldap);
        driver.shutdown().await;
    }

    /// Logs in as the account that looks for users.
    pub async fn bind_service(&mut self, service: &Service) -> Result<(), Error> {
        let step = "let the account of ldap.bind_dn in";
        let result = self.ldap.simple_bind(&service.dn, &service.password).await;
        let result = result.map_err(|error| self.broken(step, &error))?;
        if result.rc == code::SUCCESS {
            return Ok(());
        }
        Err(self.refused(step, &result, "check ldap.bind_dn and the password in its file"))
    }

    /// The one entry of a login.
    pub async fn find_user(&mut self, login: &str) -> Result<Option<User>, Error> {
        let step = "look for a user";
        let filter = &self.directory.user_filter;
        let mut spellings = filter.login_attributes();
        if spellings.is_empty() {
            spellings.push(NOTHING);
        }
        let filled = filter.fill(login, "");
        let (mut entries, result) = self.search(step, &filled, &spellings, USERS_MAX).await?;
        if entries.len() > 1 || result.rc == code::SIZE_LIMIT {
            return Err(Error::Several { login: login.to_owned() });
        }
        if result.rc != code::SUCCESS {
            let help = "check ldap.base_dn, and set ldap.bind_dn if not everybody may look";
            return Err(self.refused(step, &result, help));
        }
        match entries.pop() {
            // Binding without a name succeeds, as nobody (RFC 4513 §5.1.1).
            Some(entry) if entry.dn.is_empty() => Err(Error::Nameless { login: login.to_owned() }),
            Some(entry) => Ok(Some(user(entry, &spellings, login))),
            None => Ok(None),
        }
    }

    /// Whether `password` is that of `dn`. An account that may not come in for another reason
    /// is one more wrong password to the client; the log has the reason.
    pub async fn bind_user(&mut self, user: &User, password: &str) -> Result<bool, Error> {
        let step = "check a password";
        let result = self.ldap.simple_bind(&user.dn, password).await;
        let result = result.map_err(|error| self.broken(step, &error))?;
        match result.rc {
            code::SUCCESS => Ok(true),
            code::INVALID_CREDENTIALS => Ok(false),
            code::CONSTRAINT_VIOLATION
            | code::NO_SUCH_OBJECT
            | code::INAPPROPRIATE_AUTHENTICATION
            | code::UNWILLING => {
                log::info!("the directory does not let {:?} in: {}", user.login, answer(&result));
                Ok(false)
            }
            _ => Err(self.refused(step, &result, "see its log")),
        }
    }

    /// The names of a user's groups, each once, in the directory's order.
    pub async fn groups(&mut self, user: &User) -> Result<Vec<String>, Error> {
        let step = "list a user's groups";
        let filter = self.directory.groups_filter.fill(&user.login, &user.dn);
        let (entries, result) = self.search(step, &filter, &[NAME], GROUPS_MAX).await?;
        if result.rc != code::SUCCESS {
            let help = "check ldap.groups_filter, and that users may read all of their groups";
            return Err(self.refused(step, &result, help));
        }
        let mut seen = HashSet::new();
        let names = entries.into_iter().filter_map(first_name);
        Ok(names.filter(|name| seen.insert(name.clone())).collect())
    }

    async fn search(
        &mut self,
        step: &'static str,
        filter: &str,
        attributes: &[&str],
        most: i32,
    ) -> Result<(Vec<SearchEntry>, LdapResult), Error> {
        let base = &self.directory.base_dn;
        let options = SearchOptions::new().sizelimit(most);
        let search = self.ldap.with_search_options(options);
        let found = search.search(base, Scope::Subtree, filter, attributes).await;
        let found = found.map_err(|error| self.broken(step, &error))?;
        Ok((found.0.into_iter().map(SearchEntry::construct).collect(), found.1))
    }

    fn broken(&self, step: &'static str, error: &LdapError) -> Error {
        Error::Broken { url: self.directory.url.to_string(), step, why: describe(error) }
    }

    fn refused(&self, step: &'static str, result: &LdapResult, help: &'static str) -> Error {
        let url = self.directory.url.to_string();
        Error::Refused { url, step, answer: answer(result), help }
    }
}

/// Small questions and answers follow each other, and none should wait for another packet.
async fn connect(address: (&str, u16)) -> io::Result<std::net::TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.into_std()
}

fn unreachable(directory: &Directory, error: &io::Error) -> Error {
    Error::Unreachable { url: directory.url.to_string(), why: error.to_string() }
}

/// The first value of a group's name, however the directory spells the attribute.
fn first_name(entry: SearchEntry) -> Option<String> {
    let mut attributes = entry.attrs.into_iter();
    let names = attributes.find(|(attribute, _)| attribute.eq_ignore_ascii_case(NAME));
    names.and_then(|(_, names)| names.into_iter().next())
}

/// The user of an entry that `login` has found. A directory takes `ALICE` and ` alice` for
/// `alice`; of the values of the attributes in `spellings` one is what it means.
fn user(entry: SearchEntry, spellings: &[&str], login: &str) -> User {
    let is_asked = |name: &str| spellings.iter().any(|asked| asked.eq_ignore_ascii_case(name));
    let attributes = entry.attrs.into_iter().filter(|(name, _)| is_asked(name));
    let values: Vec<_> = attributes.flat_map(|(_, values)| values).collect();
    let is_exact = values.iter().any(|value| value == login);
    let alike = values.into_iter().find(|value| !is_exact && fold(value) == fold(login));
    User { dn: entry.dn, login: alike.unwrap_or_else(|| login.to_owned()) }
}

/// What most directories compare of a name (RFC 4518): neither case nor more than one space.
fn fold(name: &str) -> String {
    name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the directory said, on one line.
fn answer(result: &LdapResult) -> String {
    result.to_string().replace(char::is_control, " ")
}

/// An error in words for an operator.
fn describe(error: &LdapError) -> String {
    match error {
        LdapError::Io { source } => source.to_string(),
        LdapError::ResultRecv { .. } | LdapError::OpSend { .. } | LdapError::EndOfStream => {
            "it closed the connection".to_owned()
        }
        LdapError::LdapResult { result } => answer(result),
        other => other.to_string(),
    }
}
