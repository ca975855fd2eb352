//! [`Ldap`]: a directory that knows who somebody is and which groups they are in (spec dlrepo
//! §15).
//!
//! One login is one connection: look for the user's entry, bind as it, list its groups. What is
//! wrong with the directory is an [`Error`] and never reads as "wrong password" or "no groups";
//! what is wrong with the credentials is `None`. A certificate is always verified, `StartTLS` is
//! never given up when the directory does not offer it, and everything has an end: the number of
//! connections, the time of a login, the entries of an answer. An answer that the library
//! panics on ends the task that read it, and nothing else.
//! Deliberately absent: remembering who logged in, slowing down who guesses (both are for all
//! kinds of accounts), and a way to skip the password.

mod error;
mod filter;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub use error::Error;
pub use filter::Filter;
pub use settings::{Settings, Url};

use session::Session;
use settings::Scheme;

/// A directory that is asked when somebody logs in.
pub struct Ldap {
    directory: Arc<Directory>,
    /// Taken out to be shut down without waiting, whatever thread that is on.
    runtime: Option<Runtime>,
}

/// Somebody whose password was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The login in the directory's spelling: `ALICE` comes in as `alice`. Whoever writes it
    /// into a path or compares it with one takes this and not what the client sent (I9).
    pub login: String,
    /// Their groups, in the directory's order.
    pub groups: Vec<String>,
}

/// What a login needs to know.
struct Directory {
    url: Url,
    security: Security,
    base_dn: String,
    user_filter: Filter,
    groups_filter: Filter,
    service: Option<Service>,
    connections: u32,
    timeout: Duration,
    /// One permit for each connection that may be open.
    seats: Semaphore,
}

/// How a connection is protected.
enum Security {
    None,
    StartTls(Arc<ClientConfig>),
    Tls(Arc<ClientConfig>),
}

/// The account that looks for users.
struct Service {
    dn: String,
    password: String,
}

impl Ldap {
    /// Reads the files that the settings name; the directory is not asked yet.
    ///
    /// # Errors
    /// A setting is missing or does not fit the others, or a file cannot be used.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let directory = Arc::new(Directory::new(settings)?);
        let threads = usize::try_from(directory.connections).unwrap_or(usize::MAX);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            // They look up the host's address.
            .max_blocking_threads(threads)
            .thread_name("ldap")
            .enable_all()
            .build()
            .map_err(Error::Start)?;
        Ok(Self { directory, runtime: Some(runtime) })
    }

    /// The groups of the user of that name: [`Ldap::person`] for those who want no more.
    ///
    /// # Errors
    /// As there.
    pub fn login(&self, login: &str, password: &str) -> Result<Option<Vec<String>>, Error> {
        Ok(self.person(login, password)?.map(|person| person.groups))
    }

    /// The user of that name, if the password is theirs; `None` if it is not, if there is no
    /// such user, or if either is empty. Waits for the directory, at most for the time that is
    /// set, so it is for threads that may block.
    ///
    /// # Errors
    /// The directory did not say so or so, with what to do about it.
    pub fn person(&self, login: &str, password: &str) -> Result<Option<Person>, Error> {
        // A bind without a password succeeds, as nobody (RFC 4513 §5.1.2), and there may be
        // directories that stop reading at a NUL.
        if login.is_empty() || password.is_empty() || password.contains('\0') {
            return Ok(None);
        }
        let Some(runtime) = &self.runtime else { return Err(self.directory.nonsense()) };
        let work = Arc::clone(&self.directory).person(login.to_owned(), password.to_owned());
        // A task of its own, so that a panic in it becomes a value here.
        runtime.block_on(runtime.spawn(work)).unwrap_or_else(|_| Err(self.directory.nonsense()))
    }
}

impl Drop for Ldap {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Directory {
    fn new(settings: Settings) -> Result<Self, Error> {
        let service = service(&settings)?;
        let url = settings.url.ok_or_else(|| missing("ldap.url"))?;
        let security = match (url.scheme(), settings.start_tls) {
            (Scheme::Ldaps, _) => Security::Tls(tls::config(settings.ca.as_deref())?),
            (Scheme::Ldap, true) => Security::StartTls(tls::config(settings.ca.as_deref())?),
            (Scheme::Ldap, false) => {
                log::warn!("ldap.start_tls is off: passwords travel to {url} for all to read");
                Security::None
            }
        };
        let user_filter = settings.user_filter.ok_or_else(|| missing("ldap.user_filter"))?;
        if !user_filter.names_login() || user_filter.names_dn() {
            let what = "must name {login} and not {dn}: it is how the DN of a login is found";
            return Err(Error::Setting { key: "ldap.user_filter", what });
        }
        let connections = settings.max_connections.max(1);
        let seats = usize::try_from(connections).unwrap_or(usize::MAX);
        Ok(Self {
            url,
            security,
            base_dn: settings.base_dn.ok_or_else(|| missing("ldap.base_dn"))?,
            user_filter,
            groups_filter: settings.groups_filter.ok_or_else(|| missing("ldap.groups_filter"))?,
            service,
            connections,
            timeout: settings.timeout,
            seats: Semaphore::new(seats.min(Semaphore::MAX_PERMITS)),
        })
    }

    /// [`Ldap::person`] within the time that is set.
    async fn person(
        self: Arc<Self>,
        login: String,
        password: String,
    ) -> Result<Option<Person>, Error> {
        let deadline = Instant::now() + self.timeout;
        let seat = timeout_at(deadline, self.seats.acquire()).await;
        let _seat = seat.map_err(|_| self.busy())?.map_err(|_| self.nonsense())?;
        let answer = timeout_at(deadline, self.ask(&login, &password)).await;
        answer.unwrap_or_else(|_| Err(self.late()))
    }

    async fn ask(&self, login: &str, password: &str) -> Result<Option<Person>, Error> {
        let mut session = Session::open(self).await?;
        let person = self.converse(&mut session, login, password).await;
        // The seat is free when the connection is closed, not before.
        session.close().await;
        person
    }

    async fn converse(
        &self,
        session: &mut Session<'_>,
        login: &str,
        password: &str,
    ) -> Result<Option<Person>, Error> {
        if let Some(service) = &self.service {
            session.bind_service(service).await?;
        }
        let Some(user) = session.find_user(login).await? else { return Ok(None) };
        if !session.bind_user(&user, password).await? {
            return Ok(None);
        }
        let groups = session.groups(&user).await?;
        Ok(Some(Person { login: user.login, groups }))
    }

    fn busy(&self) -> Error {
        let (connections, timeout) = (self.connections, self.timeout);
        Error::Busy { url: self.url.to_string(), connections, timeout }
    }

    fn late(&self) -> Error {
        Error::Timeout { url: self.url.to_string(), timeout: self.timeout }
    }

    fn nonsense(&self) -> Error {
        Error::Nonsense { url: self.url.to_string() }
    }
}

fn missing(key: &'static str) -> Error {
    let what = "is not set; a directory is asked only with ldap.url, ldap.base_dn, \
                ldap.user_filter and ldap.groups_filter";
    Error::Setting { key, what }
}

/// The account that looks for users, with its password.
fn service(settings: &Settings) -> Result<Option<Service>, Error> {
    match (&settings.bind_dn, &settings.bind_password_file) {
        (None, None) => Ok(None),
        (Some(dn), Some(file)) => {
            let password = password(file)?;
            Ok(Some(Service { dn: dn.clone(), password }))
        }
        (Some(_), None) => {
            let what = "is not set, but ldap.bind_dn is; name the file with its password";
            Err(Error::Setting { key: "ldap.bind_password_file", what })
        }
        (None, Some(_)) => {
            let what = "is not set, but ldap.bind_password_file is; name the account";
            Err(Error::Setting { key: "ldap.bind_dn", what })
        }
    }
}

/// The password in a file: its first line.
fn password(file: &Path) -> Result<String, Error> {
    let key = "ldap.bind_password_file";
    let text = std::fs::read_to_string(file).map_err(|source| Error::File {
        key,
        path: file.to_owned(),
        source,
    })?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(Error::Setting { key, what: "names a file whose first line has no password" }),
    }
}
