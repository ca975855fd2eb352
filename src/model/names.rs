//! Names of the artifact tree, each with one grammar (spec dlrepo §3), and paths of files.
//!
//! Defends I9: a name is lower-cased here, once, so authorisation and storage see the same text.

use std::fmt;

/// Longest name of a container and longest segment of a path, in bytes.
pub const NAME_LENGTH_MAX: usize = 255;
/// Longest path of a file within its format, in bytes.
pub const PATH_LENGTH_MAX: usize = 4096;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No such thing can exist: a leading dot, a slash, NUL or nothing at all.
    #[error("no such name can exist: {0:?} is empty, starts with a dot, or contains / or NUL")]
    Impossible(String),
    /// Longer than [`NAME_LENGTH_MAX`] bytes.
    #[error("the name is {0} bytes long, at most {NAME_LENGTH_MAX} are allowed")]
    TooLong(usize),
    /// A path that no file can have.
    #[error("{path:?} cannot be the path of a file: {why}")]
    Path {
        /// The path, as given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

fn canonical(text: &str) -> Result<String, NameError> {
    let name = text.to_lowercase();
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(NameError::Impossible(text.to_owned()));
    }
    if name.len() > NAME_LENGTH_MAX {
        return Err(NameError::TooLong(name.len()));
    }
    Ok(name)
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads a percent-decoded text; upper case is lowered.
            ///
            /// # Errors
            /// [`NameError::Impossible`] and [`NameError::TooLong`].
            pub fn parse(text: &str) -> Result<Self, NameError> {
                canonical(text).map(Self)
            }

            /// The canonical spelling.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// Name of a branch.
    BranchName;
    /// Name of a tag; never one of the aliases (see [`TagRef`]).
    TagName;
    /// Name of a job.
    JobName;
    /// Name of a format.
    FormatName;
    /// Login of a user, which is also the name of the user's repository.
    UserName;
    /// Name of a product.
    ProductName;
    /// Name of a variant of a product.
    VariantName;
    /// Name of a branch of a variant.
    ProductBranchName;
    /// Name of a version of a product's branch; never one of the aliases.
    VersionName;
}

/// A name, or an alias that stands for one of several things by their age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aliased<N> {
    /// A thing by its own name.
    Named(N),
    /// The newest one.
    Latest,
    /// The newest one with the stable flag.
    Stable,
    /// The second newest one with the stable flag.
    OldStable,
}

/// What the tag segment of a URL says: a tag, or an alias that stands for one.
pub type TagRef = Aliased<TagName>;
/// What the version segment of a URL says: a version, or an alias that stands for one.
pub type VersionRef = Aliased<VersionName>;

impl<N> Aliased<N> {
    /// Aliases are recognised in any case, so that nothing can be made that its alias would hide
    /// (dlrepo's tags could; spec §3).
    fn read(text: &str, parse: fn(&str) -> Result<N, NameError>) -> Result<Self, NameError> {
        Ok(match canonical(text)?.as_str() {
            "latest" => Self::Latest,
            "stable" => Self::Stable,
            "oldstable" => Self::OldStable,
            name => Self::Named(parse(name)?),
        })
    }
}

impl TagRef {
    /// Reads a percent-decoded segment.
    ///
    /// # Errors
    /// As [`TagName::parse`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::read(text, TagName::parse)
    }
}

impl VersionRef {
    /// Reads a percent-decoded segment.
    ///
    /// # Errors
    /// As [`VersionName::parse`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::read(text, VersionName::parse)
    }
}

impl<N: fmt::Display> fmt::Display for Aliased<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::Latest => f.write_str("latest"),
            Self::Stable => f.write_str("stable"),
            Self::OldStable => f.write_str("oldstable"),
        }
    }
}

/// Path of a file in its format: segments joined by `/`, in the case that the client chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactPath(String);

impl ArtifactPath {
    /// Reads a percent-decoded path.
    ///
    /// # Errors
    /// [`NameError::Path`] for a leading, doubled or trailing slash, a `.` or `..` segment, NUL,
    /// a name that dlrepo keeps for itself, or too many bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refuse = |why| Err(NameError::Path { path: text.to_owned(), why });
        if text.len() > PATH_LENGTH_MAX {
            let path = text.chars().take(80).collect();
            return Err(NameError::Path { path, why: "it is longer than 4096 bytes" });
        }
        if text.contains('\0') {
            return refuse("it contains NUL");
        }
        if matches!(text, ".digests" | ".dirty") {
            return refuse("this name is reserved");
        }
        for segment in text.split('/') {
            match segment {
                "" => return refuse("it has an empty segment (a leading, doubled or last /)"),
                "." | ".." => return refuse("it has a . or .. segment"),
                long if long.len() > NAME_LENGTH_MAX => {
                    return refuse("a segment is longer than 255 bytes");
                }
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The folders that this path needs, outermost first: of `a/b/c`, `a` and `a/b`.
    pub fn folders(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.match_indices('/').map(|(at, _)| Self(self.0[..at].to_owned()))
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_once_and_refused_as_the_spec_says() {
        for (text, name) in
            [("Main", "main"), ("ÄÖ Ü%+~", "äö ü%+~"), ("a.b", "a.b"), ("x.tar", "x.tar")]
        {
            assert_eq!(BranchName::parse(text).unwrap().as_str(), name);
        }
        for text in ["", ".", "..", ".git", "a/b", "/", "a\0b"] {
            let refused = JobName::parse(text);
            assert_eq!(refused, Err(NameError::Impossible(text.into())), "{text:?}");
        }
        assert_eq!(JobName::parse(&"é".repeat(128)), Err(NameError::TooLong(256)));
    }

    #[test]
    fn aliases_are_recognised_in_any_case() {
        assert_eq!(TagRef::parse("Latest"), Ok(TagRef::Latest));
        assert_eq!(TagRef::parse("stable"), Ok(TagRef::Stable));
        assert_eq!(TagRef::parse("OLDSTABLE"), Ok(TagRef::OldStable));
        let tag = TagRef::Named(TagName::parse("v1").unwrap());
        assert_eq!(TagRef::parse("V1"), Ok(tag));
    }

    #[test]
    fn paths_keep_their_case_and_refuse_what_no_file_can_be() {
        let path = ArtifactPath::parse("Dir/.hidden/App.TGZ").unwrap();
        assert_eq!((path.as_str(), path.file_name()), ("Dir/.hidden/App.TGZ", "App.TGZ"));
        let folders: Vec<_> = path.folders().map(|folder| folder.0).collect();
        assert_eq!(folders, ["Dir", "Dir/.hidden"]);
        assert!(ArtifactPath::parse("sub/.dirty").is_ok());
        let long = "x".repeat(256);
        let bad =
            ["", "/a", "a/", "a//b", ".", "a/../b", "./a", ".digests", ".dirty", "a\0", &long];
        for text in bad {
            assert!(matches!(ArtifactPath::parse(text), Err(NameError::Path { .. })), "{text:?}");
        }
        assert!(ArtifactPath::parse(&"ab/".repeat(1400)).is_err());
    }
}
