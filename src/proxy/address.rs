//! [`Base`]: the address of an upstream, and what its images are called there (spec gitlab §1.6).
//!
//! Deliberately absent: whether it may be asked at all ([`super::network`]).

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use url::Url;

use super::Error;
use crate::model::UpstreamName;

/// Docker Hub's registry.
pub const DOCKER_HUB: &str = "https://registry-1.docker.io";
/// Other names of Docker Hub.
const DOCKER_HUB_NAMES: [&str; 5] = [
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
    "hub.docker.com",
];
/// Where Docker Hub has the images without a slash.
const LIBRARY: &str = "library/";
/// Images whose place is remembered.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

/// Where an image without a slash is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Library {
    /// Where its name says.
    Never,
    /// Below `library/`.
    Always,
    /// Below `library/`, and where its name says when it is not there: the upstream stands in for
    /// Docker Hub and may be a mirror of it or not.
    Guess,
}

/// The address of a registry, in one form for all ways of writing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// Up to the host, its port and perhaps a path; no slash at the end.
    root: Url,
    /// In front of the name of each image there; empty, or with a slash at its end.
    prefix: String,
}

impl Base {
    /// Reads an address. What follows `/v2/` in it is the beginning of each image's name.
    pub(super) fn parse(given: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Address { given: given.to_owned(), why: why.to_owned() };
        let text = given.trim();
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let mut root = Url::parse(&with_scheme).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(root.scheme(), "http" | "https") || root.host().is_none() {
            return Err(wrong("it begins with neither http:// nor https://"));
        }
        if !root.username().is_empty() || root.password().is_some() {
            return Err(wrong("it has a user in it; credentials are set apart"));
        }
        if root.query().is_some() || root.fragment().is_some() {
            return Err(wrong("it has a query or a fragment"));
        }
        let path = format!("{}/", root.path().trim_end_matches('/'));
        let (path, prefix) = path.split_once("/v2/").unwrap_or((path.trim_end_matches('/'), ""));
        if !prefix.is_empty() && UpstreamName::parse(prefix.trim_end_matches('/')).is_err() {
            return Err(wrong("what follows /v2/ is no name of a repository"));
        }
        let (path, prefix) = (path.to_owned(), prefix.to_owned());
        if is_docker_hub(&root) {
            root = Url::parse(DOCKER_HUB).map_err(|error| wrong(&error.to_string()))?;
        } else {
            root.set_path(&path);
        }
        Ok(Self { root, prefix })
    }

    pub(super) fn is_docker_hub(&self) -> bool {
        is_docker_hub(&self.root)
    }

    /// The address as people read it.
    pub(super) fn shown(&self) -> String {
        let root = self.root.as_str().trim_end_matches('/');
        if self.prefix.is_empty() {
            root.to_owned()
        } else {
            format!("{root}/v2/{}", self.prefix.trim_end_matches('/'))
        }
    }

    /// Whether this is the same server by the same scheme.
    pub(super) fn has(&self, url: &Url) -> bool {
        self.root.origin() == url.origin()
    }

    /// The address of something of a repository.
    pub(super) fn url(&self, path: &str, what: &str) -> Url {
        let mut url = self.root.clone();
        let before = self.root.path().trim_end_matches('/');
        url.set_path(&format!("{before}/v2/{path}/{what}"));
        url
    }
}

fn is_docker_hub(url: &Url) -> bool {
    url.port().is_none() && url.host_str().is_some_and(|host| DOCKER_HUB_NAMES.contains(&host))
}

/// What images are called there.
pub(super) struct Names {
    prefix: String,
    library: Library,
    /// Whether an image without a slash was found below `library/`.
    known: Mutex<LruCache<UpstreamName, Library>>,
}

impl Names {
    pub(super) fn new(base: &Base, library: Library) -> Self {
        let known = Mutex::new(LruCache::new(KNOWN_MAX));
        Self { prefix: base.prefix.clone(), library, known }
    }

    /// The repository to ask for, and another when it is not there.
    pub(super) fn of(&self, image: &UpstreamName) -> (String, Option<String>) {
        let library = match self.library {
            _ if image.as_str().contains('/') => Library::Never,
            Library::Guess => self.known().get(image).copied().unwrap_or(Library::Guess),
            fixed => fixed,
        };
        let plain = format!("{}{image}", self.prefix);
        let below = || format!("{}{LIBRARY}{image}", self.prefix);
        match library {
            Library::Never => (plain, None),
            Library::Always => (below(), None),
            Library::Guess => (below(), Some(plain)),
        }
    }

    /// Notes where an image was found.
    pub(super) fn note(&self, image: &UpstreamName, found: Library) {
        if self.library == Library::Guess && !image.as_str().contains('/') {
            self.known().put(image.clone(), found);
        }
    }

    /// It is not where it was: the next question looks in both places again.
    pub(super) fn forget(&self, image: &UpstreamName) {
        self.known().pop(image);
    }

    fn known(&self) -> MutexGuard<'_, LruCache<UpstreamName, Library>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> UpstreamName {
        UpstreamName::parse(text).unwrap()
    }

    #[test]
    fn one_registry_has_one_address() {
        for (given, shown, url) in [
            ("docker.io", DOCKER_HUB, "https://registry-1.docker.io/v2/a/b"),
            ("https://index.docker.io/v1/", DOCKER_HUB, "https://registry-1.docker.io/v2/a/b"),
            ("https://Quay.IO:443/", "https://quay.io", "https://quay.io/v2/a/b"),
            ("http://h:80/v2/", "http://h", "http://h/v2/a/b"),
            ("http://h:5000/x/", "http://h:5000/x", "http://h:5000/x/v2/a/b"),
            ("https://h/v2/g/hub/", "https://h/v2/g/hub", "https://h/v2/a/b"),
            ("http://0x7f.1/", "http://127.0.0.1", "http://127.0.0.1/v2/a/b"),
        ] {
            let base = Base::parse(given).unwrap();
            assert_eq!(base.shown(), shown, "{given}");
            assert_eq!(base.url("a", "b").as_str(), url, "{given}");
            assert_eq!(Base::parse(&base.shown()).unwrap(), base);
        }
        for bad in
            ["", "ftp://h", "https://u:p@h", "https://h?x", "https://h#x", "https://h/v2/a%20b"]
        {
            let told = Base::parse(bad);
            assert!(matches!(told, Err(Error::Address { .. })), "{bad}: {told:?}");
        }
    }

    #[test]
    fn where_images_without_a_slash_are() {
        let base = Base::parse("https://h/v2/p").unwrap();
        let of = |library, image| Names::new(&base, library).of(&name(image));
        assert_eq!(of(Library::Never, "alpine"), ("p/alpine".to_owned(), None));
        assert_eq!(of(Library::Always, "alpine"), ("p/library/alpine".to_owned(), None));
        assert_eq!(of(Library::Always, "a/b"), ("p/a/b".to_owned(), None));
        let names = Names::new(&base, Library::Guess);
        let both = ("p/library/alpine".to_owned(), Some("p/alpine".to_owned()));
        assert_eq!(names.of(&name("alpine")), both);
        names.note(&name("alpine"), Library::Never);
        assert_eq!(names.of(&name("alpine")), ("p/alpine".to_owned(), None));
        names.forget(&name("alpine"));
        assert_eq!(names.of(&name("alpine")), both);
    }
}
