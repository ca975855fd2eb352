//! Why a directory cannot be used, or did not say whether somebody may come in.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What is wrong; never that somebody's credentials are.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that the others need is missing, or does not fit them.
    #[error("{key} {what}")]
    Setting {
        /// The setting, as a key of the file.
        key: &'static str,
        /// What is wrong with it and what to do.
        what: &'static str,
    },
    /// A file that a setting names.
    #[error("{key} names {}, which cannot be read: {source}", path.display())]
    File {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of certificates.
    #[error("ldap.ca names {}, which is no file of PEM certificates: {why}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Nothing is trusted.
    #[error(
        "this system has no certificates to trust the directory's with; \
         name a file with the directory's certificate authority in ldap.ca"
    )]
    NoCertificates,
    /// Encryption is not possible at all.
    #[error("no encrypted connection can be set up: {0}; tell us")]
    Tls(rustls::Error),
    /// A thread could not be started.
    #[error("cannot start the thread that asks the directory: {0}")]
    Start(io::Error),
    /// Nothing answers there.
    #[error("no connection to the directory {url}: {why}; look whether it runs there")]
    Unreachable {
        /// The directory.
        url: String,
        /// Why.
        why: String,
    },
    /// No encrypted connection, or not to whom it should be.
    #[error(
        "no encrypted connection to the directory {url}: {why}; look whether it offers one, \
         whether ldap.ca vouches for its certificate, and whether that names the host of ldap.url"
    )]
    Untrusted {
        /// The directory.
        url: String,
        /// Why.
        why: String,
    },
    /// The connection broke.
    #[error("the directory {url} broke off while it was asked to {step}: {why}; see its log")]
    Broken {
        /// The directory.
        url: String,
        /// What it was doing.
        step: &'static str,
        /// Why.
        why: String,
    },
    /// It did not answer in time.
    #[error(
        "the directory {url} did not answer within {} s; \
         look whether it is well, or give it longer in ldap.timeout",
        timeout.as_secs_f32()
    )]
    Timeout {
        /// The directory.
        url: String,
        /// The setting.
        timeout: Duration,
    },
    /// All connections were in use all the time.
    #[error(
        "all {connections} connections to the directory {url} were in use for {} s; \
         look whether it is well, or raise ldap.max_connections",
        timeout.as_secs_f32()
    )]
    Busy {
        /// The directory.
        url: String,
        /// The setting.
        connections: u32,
        /// The setting.
        timeout: Duration,
    },
    /// It will not do what it is asked.
    #[error("the directory {url} refuses to {step}: {answer}; {help}")]
    Refused {
        /// The directory.
        url: String,
        /// What it was asked.
        step: &'static str,
        /// Its answer, in its own words.
        answer: String,
        /// What to do.
        help: &'static str,
    },
    /// A login has more than one entry.
    #[error(
        "the directory has more than one entry for the login {login:?}; \
         make ldap.user_filter tell them apart"
    )]
    Several {
        /// The login.
        login: String,
    },
    /// An entry that is nobody's: to bind as it is to bind as anybody.
    #[error(
        "the directory's entry for the login {login:?} has no name; \
         make ldap.user_filter match entries of people only"
    )]
    Nameless {
        /// The login.
        login: String,
    },
    /// It says what no directory says.
    #[error("the directory {url} gave an answer that is not LDAP; look what runs at that address")]
    Nonsense {
        /// The directory.
        url: String,
    },
}
