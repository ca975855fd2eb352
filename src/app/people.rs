//! People from the start to the end of a server: the first administrator, the door, and when
//! tokens were used last.
//!
//! A server where people log in always has an administrator: the first start makes one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::{Error, House};
use crate::access::backend::{ProxyHeaders, Sources};
use crate::access::login::{Logins, Options};
use crate::access::password;
use crate::config::{AuthMode, Settings};
use crate::http::host::Hosts;
use crate::http::login::Door;
use crate::model::UserName;

/// The login of the first administrator.
pub const FIRST_ADMIN: &str = "admin";
/// The file in the data folder that has the first password.
const PASSWORD_FILE: &str = "admin-password";
/// How often last uses of tokens are written down.
const USES_PERIOD: Duration = Duration::from_secs(60);

/// The account that a first start made.
pub struct FirstAdmin {
    /// The password, which is stored nowhere else but in the file.
    pub password: String,
    /// The file.
    pub file: PathBuf,
}

/// What people need while a server runs.
pub(super) struct People {
    logins: Option<Arc<Logins>>,
    uses: JoinHandle<()>,
    /// Only after the start that made it.
    pub(super) first_admin: Option<FirstAdmin>,
}

impl People {
    /// Reads the auth file, and makes the first administrator if there is none.
    ///
    /// Called in the runtime that is to write down last uses.
    pub(super) fn start(house: &Arc<House>, settings: &Settings) -> Result<Self, Error> {
        let is_guarded = settings.auth.auth == AuthMode::On;
        // First what may fail: the password is shown by a start that succeeds.
        let logins = is_guarded.then(|| logins(house, settings)).transpose()?;
        let first_admin = if is_guarded { first_admin(house)? } else { None };
        let house = Arc::clone(house);
        let uses = tokio::spawn(async move {
            loop {
                tokio::time::sleep(USES_PERIOD).await;
                let house = Arc::clone(&house);
                // A panic there is not the end of writing them down.
                let _ = tokio::task::spawn_blocking(move || flush(&house)).await;
            }
        });
        Ok(Self { logins, uses, first_admin })
    }

    /// The door of the server.
    pub(super) fn door(&self, settings: &Settings) -> Door {
        match &self.logins {
            Some(logins) => Door::guarded(Arc::clone(logins), settings.auth.auth_realm.to_string()),
            None if settings.auth.open_to_everybody => Door::Open(Hosts::Any),
            None => Door::Open(Hosts::ThisMachine),
        }
    }

    /// Whether people log in.
    pub(super) fn are_asked(&self) -> bool {
        self.logins.is_some()
    }

    /// Reads the auth file again; the log tells how that went.
    pub(super) fn reload(&self) {
        match self.logins.as_ref().map(|logins| logins.reload()) {
            Some(Ok(())) => log::info!("SIGHUP: the people are read again, all logins forgotten"),
            Some(Err(error)) => log::error!("SIGHUP: everything stays as it was: {error}"),
            None => log::info!("SIGHUP: nobody logs in here, so there is nothing to read again"),
        }
    }

    /// Stops what is done from time to time, and does it once more.
    pub(super) fn stop(self, house: &House) {
        self.uses.abort();
        flush(house);
    }
}

fn flush(house: &House) {
    if let Err(error) = house.uses().flush(house.store()) {
        log::warn!("when tokens were used last is not written down yet: {error}");
    }
}

fn logins(house: &House, settings: &Settings) -> Result<Arc<Logins>, Error> {
    let auth = &settings.auth;
    let ldap = settings.ldap.url.is_some().then(|| settings.ldap.clone());
    let name = |header: &http::HeaderName| header.as_str().to_owned();
    let headers = auth.http_login_header.as_ref().zip(auth.http_groups_header.as_ref());
    let headers =
        headers.map(|(login, groups)| ProxyHeaders { login: name(login), groups: name(groups) });
    let options = Options {
        sources: Sources { headers, ldap, file: auth.auth_file.clone() },
        trusted: auth.trusted_proxies.clone(),
        cache_size: usize::try_from(auth.auth_cache_size).unwrap_or(usize::MAX),
        cache_time: auth.auth_cache_ttl,
    };
    let uses = Arc::clone(house.uses());
    let logins = Logins::open(house.store().clone(), uses, options)?;
    Ok(Arc::new(logins))
}

/// Makes the first administrator. The file comes first: an account whose password nobody knows
/// would be worse than a password without an account.
fn first_admin(house: &House) -> Result<Option<FirstAdmin>, Error> {
    let view = house.store().view()?;
    if view.has_admin()? {
        return Ok(None);
    }
    // The name is one.
    let login = UserName::parse(FIRST_ADMIN).expect("a login");
    if view.account(&login)?.is_some() {
        log::warn!("{login} is no administrator; `larder user add NAME --admin` makes one");
        return Ok(None);
    }
    let password = password::generate();
    let hash = password::hash(&password).map_err(Error::Password)?;
    let file = house.root().join(PASSWORD_FILE);
    let unusable = |source| Error::PasswordFile { path: file.clone(), source };
    write_secret(&file, &password).map_err(unusable)?;
    let made = house.store().add_first_admin(login, hash).wait()?;
    Ok(made.then_some(FirstAdmin { password, file }))
}

/// Writes a file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    remove(path)?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the file with the first password, once that is not the password any more.
pub(super) fn forget_first_password(house: &House, login: &UserName) {
    if login.as_str() == FIRST_ADMIN
        && let Err(error) = remove(&house.root().join(PASSWORD_FILE))
    {
        log::warn!("{PASSWORD_FILE} in the data folder is out of date and stays: {error}");
    }
}

#[cfg(test)]
mod tests;
