//! [`Sendfile`]: a proxy in front sends the bytes of files itself (spec dlrepo §9, X-Sendfile).
//!
//! The answer names the blob's file in a header and has no body; the proxy opens the file and
//! looks after ranges. A file may be deleted just then, and is kept for as long as a proxy may
//! need to open it: by its lease, or by a pin where leases are shorter than that.
//! Deliberately absent: small blobs, which are rows and sent as ever.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

use http::Method;
use warp::reply::Response;

use super::Server;
use super::reply::{Content, FileFacts};
use crate::blobs::{Pin, Source};
use crate::model::Blob;

/// How long a proxy may take to open a file that it was told of.
const OPEN_TIME: Duration = Duration::from_secs(10);

/// How files are handed to the proxy.
#[derive(Clone, Debug)]
pub struct Sendfile {
    header: HeaderName,
    data: PathBuf,
    prefix: Option<String>,
    pins: bool,
}

impl Sendfile {
    /// Files are named in `header`: by their absolute path, or, where the proxy wants a URL, with
    /// `prefix` in place of the data folder. `lease` is that of the store.
    #[must_use]
    pub fn new(header: HeaderName, data: &Path, prefix: Option<String>, lease: Duration) -> Self {
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        Self { header, data, prefix, pins: lease < OPEN_TIME }
    }

    /// Makes the headers of a whole file those of an answer without a body that names `file`.
    /// `None`: the path cannot be told in a header, send the bytes.
    fn name(&self, headers: &mut HeaderMap, file: &Path) -> Option<()> {
        let file = std::path::absolute(file).ok()?;
        let value = match &self.prefix {
            Some(prefix) => format!("{prefix}/{}", file.strip_prefix(&self.data).ok()?.to_str()?),
            None => file.to_str()?.to_owned(),
        };
        headers.insert(self.header.clone(), HeaderValue::try_from(value).ok()?);
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        Some(())
    }

    /// Keeps the file until the proxy had time to open it. For threads that serve.
    fn keep(&self, pin: Pin) {
        if self.pins {
            tokio::spawn(async move {
                tokio::time::sleep(OPEN_TIME).await;
                drop(pin);
            });
        }
    }
}

impl Server {
    /// The answer to a GET that lets the proxy send the file, where there is a proxy, and a file.
    /// Otherwise the source comes back.
    pub(super) fn hand_over(
        &self,
        method: &Method,
        facts: &FileFacts,
        blob: &Blob,
        source: Source,
    ) -> Result<Response, Box<Source>> {
        let handed = match (&self.sendfile, &source) {
            (Some(sendfile), Source::File(..)) if method == Method::GET => {
                let file = self.tree.file_of(blob);
                let mut response = facts.send(&facts.whole(), Content::None);
                let named = file.and_then(|file| sendfile.name(response.headers_mut(), &file));
                named.map(|()| (sendfile, response))
            }
            _ => None,
        };
        match (handed, source) {
            (Some((sendfile, response)), Source::File(_, pin)) => {
                sendfile.keep(pin);
                Ok(response)
            }
            (_, source) => Err(Box::new(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(prefix: Option<&str>, file: &str) -> Option<HeaderMap> {
        let header = HeaderName::from_static("x-accel-redirect");
        let prefix = prefix.map(str::to_owned);
        let sendfile = Sendfile::new(header, Path::new("/data"), prefix, Duration::ZERO);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(99));
        sendfile.name(&mut headers, Path::new(file)).map(|()| headers)
    }

    #[test]
    fn files_are_named_by_path_or_by_url() {
        for (prefix, value) in
            [(None, "/data/blobs/ab/c.0"), (Some("/files"), "/files/blobs/ab/c.0")]
        {
            let headers = named(prefix, "/data/blobs/ab/c.0").unwrap();
            assert_eq!(headers["x-accel-redirect"], value);
            assert_eq!(headers[CONTENT_LENGTH], "0");
        }
        assert!(named(Some("/files"), "/elsewhere/c").is_none());
        assert!(named(None, "/data/\u{1}").is_none());
    }
}
