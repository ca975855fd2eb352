//! `Backend`: who knows people besides the local accounts: exactly one, the first of those that
//! are configured in the order headers, directory, auth file (spec dlrepo §15: never combined).

use std::path::PathBuf;

use super::authfile::{self, AuthFile};
use super::ldap::{self, Ldap};
use super::login::LoginError;
use crate::model::UserName;

/// The headers in which a proxy says who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHeaders {
    /// Has the login.
    pub login: String,
    /// Has the groups, joined by commas.
    pub groups: String,
}

/// Which back ends are configured.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Headers of a proxy.
    pub headers: Option<ProxyHeaders>,
    /// A directory.
    pub ldap: Option<ldap::Settings>,
    /// The auth file.
    pub file: Option<PathBuf>,
}

/// Why a back end cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The auth file is wrong.
    #[error(transparent)]
    File(#[from] authfile::Error),
    /// What is said about the directory is wrong.
    #[error(transparent)]
    Ldap(#[from] ldap::Error),
}

/// What a check of a password keeps busy, and so what bounds how many there are at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A processor and memory.
    Hash,
    /// The network: another server is asked.
    Network,
}

/// Who is asked.
pub(super) enum Backend {
    /// Nobody.
    None,
    /// A proxy in front: there are no passwords to check.
    Headers,
    /// A directory.
    Ldap(Ldap),
    /// The auth file.
    File(AuthFile),
}

impl Backend {
    /// Opens the back end that is to be asked, and logs what is odd about it.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) fn open(sources: &Sources) -> Result<Self, Error> {
        if sources.headers.is_some() {
            if sources.file.is_some() || sources.ldap.is_some() {
                log::warn!("nobody else is asked, since a proxy's headers tell who asks");
            }
            return Ok(Self::Headers);
        }
        if let Some(directory) = &sources.ldap {
            if sources.file.is_some() {
                log::warn!("the auth file is not asked, since there is a directory");
            }
            return Ok(Self::Ldap(Ldap::new(directory.clone())?));
        }
        let Some(path) = &sources.file else { return Ok(Self::None) };
        let file = AuthFile::load(path)?;
        for warning in &file.warnings {
            log::warn!("the auth file {}: {warning}", path.display());
        }
        Ok(Self::File(file))
    }

    /// What a check will keep busy.
    pub(super) fn lane(&self) -> Lane {
        match self {
            Self::None | Self::Headers | Self::File(_) => Lane::Hash,
            Self::Ldap(_) => Lane::Network,
        }
    }

    /// The groups of `login`, if the password is right. May take long.
    pub(super) fn login(
        &self,
        login: &UserName,
        password: &str,
    ) -> Result<Option<Vec<String>>, LoginError> {
        match self {
            Self::None | Self::Headers => Ok(None),
            Self::Ldap(directory) => login_at(directory, login, password),
            Self::File(file) => Ok(file.login(login, password)),
        }
    }

    /// Whether a check that fails has taken the time of a hash, or of another server's answer.
    pub(super) fn took_time(&self, login: &UserName) -> bool {
        match self {
            Self::None | Self::Headers => false,
            Self::Ldap(_) => true,
            Self::File(file) => file.hashes(login),
        }
    }

    /// SHA-256 of what it has of the password of `login`, where that can be looked at.
    pub(super) fn password(&self, login: &UserName) -> Option<[u8; 32]> {
        match self {
            Self::File(file) => file.password(login),
            Self::None | Self::Headers | Self::Ldap(_) => None,
        }
    }

    /// The groups of somebody whose token was made with these: what the back end says now, if it
    /// can be asked without a password; none when it knows nobody of that login any more.
    pub(super) fn groups(&self, login: &UserName, given: &[String]) -> Vec<String> {
        match self {
            Self::File(file) => file.groups(login).unwrap_or_default().to_vec(),
            Self::None | Self::Headers | Self::Ldap(_) => given.to_vec(),
        }
    }
}

/// A directory may take several spellings for one entry, with spaces around it say. Only the one
/// that it has itself, in any case, is somebody here: paths and rules speak of that one (I9).
fn login_at(
    directory: &Ldap,
    login: &UserName,
    password: &str,
) -> Result<Option<Vec<String>>, LoginError> {
    let found = directory.person(login.as_str(), password);
    let found = found.map_err(|error| LoginError::Unavailable(error.to_string()))?;
    let Some(person) = found else { return Ok(None) };
    if UserName::parse(&person.login).as_ref() == Ok(login) {
        return Ok(Some(person.groups));
    }
    log::info!("{login} is to log in as the directory spells it: {}", person.login);
    Ok(None)
}
