//! [`Form`] and [`Upload`]: the fields that come with a file, and what they come to (spec gitlab
//! §7.1).
//!
//! Fields come in any order, and the file may come before those that it is checked with. What is
//! not needed is not kept, whatever its size; of what is kept as it is no more is kept than may be
//! (it is cut, not refused). Sums are claims: compared with what was computed here (I4).
//! Deliberately absent: reading a body, and the file's bytes.

use crate::model::pypi_package::{FIELD_LENGTHS_MAX, cut, requires_python};
use crate::model::{
    Distribution, PackageFileName, PackageKey, PackageMeta, PypiError, PypiName, PypiVersion, Sums,
};

/// Most parts of an upload: some packages have hundreds of classifiers and requirements.
pub const PARTS_MAX: usize = 5_000;
/// Most bytes of all fields together, whether they are kept or not.
pub const FIELDS_BYTES_MAX: u64 = 16 << 20;

/// Most bytes of a field that is needed whole.
const STRICT_BYTES_MAX: usize = 8 << 10;
/// Fields that are needed whole.
const STRICT: [&str; 6] =
    ["name", "version", "requires_python", "sha256_digest", "md5_digest", "blake2_256_digest"];

/// Why an upload is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A name, a version or a file that does not fit.
    #[error(transparent)]
    Package(#[from] PypiError),
    /// A field that is needed.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field that there is one of.
    #[error("{0} is there twice: send it once")]
    Twice(&'static str),
    /// A field that is no text, or too long to be what it says.
    #[error("{0} is invalid: send text of up to {STRICT_BYTES_MAX} bytes in UTF-8")]
    Text(&'static str),
    /// Not so many hex digits.
    #[error("{field} is invalid: send {digits} hex digits")]
    Digits {
        /// The field.
        field: &'static str,
        /// How many it has to have.
        digits: usize,
    },
    /// The bytes are others than those that the client has.
    #[error("{field} is {claimed}, and {computed} was received: upload the file again")]
    Differs {
        /// The field.
        field: &'static str,
        /// What it says.
        claimed: String,
        /// What it should say.
        computed: String,
    },
}

/// Fields as they arrive.
#[derive(Clone, Debug, Default)]
pub struct Form {
    strict: Vec<(&'static str, Vec<u8>)>,
    kept: Vec<(&'static str, String)>,
}

/// A field that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    name: &'static str,
    /// In characters; `None`: it is needed whole.
    length_max: Option<usize>,
}

impl Field {
    /// The field of this name; `None`: what it says is not needed.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let strict = STRICT.into_iter().find(|known| *known == name);
        let kept = || FIELD_LENGTHS_MAX.into_iter().find(|(known, _)| *known == name);
        match strict {
            Some(name) => Some(Self { name, length_max: None }),
            None => kept().map(|(name, length)| Self { name, length_max: Some(length) }),
        }
    }

    /// How many of its bytes are worth giving to [`Form::put`].
    #[must_use]
    pub fn bytes_max(self) -> usize {
        // A character has four bytes at most.
        self.length_max.map_or(STRICT_BYTES_MAX + 1, |length| length * 4)
    }
}

impl Form {
    /// Takes the beginning of a field, [`Field::bytes_max`] long or shorter.
    ///
    /// # Errors
    /// [`FormError::Twice`]; of what is only kept the first counts.
    pub fn put(&mut self, field: Field, bytes: Vec<u8>) -> Result<(), FormError> {
        match field.length_max {
            None if self.strict.iter().any(|(name, _)| *name == field.name) => {
                return Err(FormError::Twice(field.name));
            }
            None => self.strict.push((field.name, bytes)),
            Some(length_max) => {
                let text = String::from_utf8_lossy(&bytes);
                let is_new = self.kept.iter().all(|(name, _)| *name != field.name);
                if is_new && !text.is_empty() {
                    self.kept.push((field.name, cut(&text, length_max).to_owned()));
                }
            }
        }
        Ok(())
    }

    /// All fields are there, and this is the name of the file.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn read(mut self, file: &str) -> Result<Upload, FormError> {
        let title = self.needed("name")?;
        let (name, version) =
            (PypiName::parse(&title)?, PypiVersion::parse(&self.needed("version")?)?);
        let file = Distribution::of(file, &name, &version)?;
        let python = self.text("requires_python")?;
        let python = python.map_or(Ok(None), |text| requires_python(&text))?;
        let claims = Claims {
            sha256: self.sum("sha256_digest")?,
            md5: self.sum("md5_digest")?,
            blake2: self.sum("blake2_256_digest")?,
        };
        let key = version.key(&name).ok_or_else(|| PypiError::Version(version.to_string()))?;
        let mut fields = self.kept;
        fields.extend(python.clone().map(|python| ("requires_python", python)));
        fields.sort_unstable();
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let meta = PackageMeta::Pypi { fields };
        Ok(Upload { key, title, file, requires_python: python, meta, claims })
    }

    /// What a field says; `None`: nothing.
    fn text(&mut self, field: &'static str) -> Result<Option<String>, FormError> {
        let Some(at) = self.strict.iter().position(|(name, _)| *name == field) else {
            return Ok(None);
        };
        let (_, bytes) = self.strict.swap_remove(at);
        if bytes.len() > STRICT_BYTES_MAX {
            return Err(FormError::Text(field));
        }
        let text = String::from_utf8(bytes).map_err(|_| FormError::Text(field))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn needed(&mut self, field: &'static str) -> Result<String, FormError> {
        self.text(field)?.ok_or(FormError::Missing(field))
    }

    fn sum<const BYTES: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<[u8; BYTES]>, FormError> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let sum = from_hex(&text).ok_or(FormError::Digits { field, digits: 2 * BYTES })?;
        Ok(Some(sum))
    }
}

fn from_hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut sum = [0; BYTES];
    for (byte, at) in sum.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(sum)
}

/// What a form says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Where the package is looked up.
    pub key: PackageKey,
    /// Its name as it was written.
    pub title: String,
    /// The file.
    pub file: Distribution,
    /// The versions of Python that it is for.
    pub requires_python: Option<String>,
    /// What is known of the package beside.
    pub meta: PackageMeta,
    /// What the client says of the file's bytes.
    pub claims: Claims,
}

impl Upload {
    /// The file's name as a key; the grammar of its names is narrower, so there always is one.
    #[must_use]
    pub fn file_name(&self) -> Option<PackageFileName> {
        PackageFileName::parse(self.file.file()).ok()
    }
}

/// Sums that a client sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    sha256: Option<[u8; 32]>,
    md5: Option<[u8; 16]>,
    blake2: Option<[u8; 32]>,
}

impl Claims {
    /// Compares them with what the bytes come to; `blake2` is BLAKE2b with 32 bytes.
    ///
    /// # Errors
    /// [`FormError::Differs`].
    pub fn check(&self, sums: &Sums, blake2: &[u8; 32]) -> Result<(), FormError> {
        compare("sha256_digest", self.sha256.as_ref(), &sums.sha256.0)?;
        compare("md5_digest", self.md5.as_ref(), &sums.md5)?;
        compare("blake2_256_digest", self.blake2.as_ref(), blake2)
    }
}

fn compare<const BYTES: usize>(
    field: &'static str,
    claimed: Option<&[u8; BYTES]>,
    computed: &[u8; BYTES],
) -> Result<(), FormError> {
    use crate::model::digest::hex;
    match claimed {
        Some(claimed) if claimed != computed => {
            let (claimed, computed) = (hex(claimed), hex(computed));
            Err(FormError::Differs { field, claimed, computed })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
