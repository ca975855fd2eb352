//! [`read`]: the document that clients of npm publish, read as a stream (spec gitlab §5.2).
//!
//! It is one object of JSON with the tarball in it as base64, which may be hundreds of megabytes.
//! So the tarball is decoded as it comes and given on, wherever in the document it is; all else is
//! bounded together, in length, in depth and in number, and only what is needed is kept. What is
//! said twice is refused: programs do not agree on which one counts.
//! Deliberately absent: whether what it says can be true.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, Read};
use std::rc::Rc;

use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use serde_json::{Map, Value};
use struson::reader::{JsonReader, JsonStreamReader, ReaderError, ReaderSettings, ValueType};
use struson::serde::DeserializerError;

/// Most bytes of a document beside its tarball.
const DOCUMENT_BYTES_MAX: u64 = 32 << 20;
/// Most bytes of what it says of one version.
const VERSION_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of a name in it, and of a reason to deprecate.
const TEXT_BYTES_MAX: u64 = 16 << 10;
/// Most versions and tags.
const VERSIONS_MAX: usize = 20_000;
/// Objects and arrays in each other.
const DEPTH_MAX: u32 = 64;
/// Bytes that are decoded at once.
const PIECE_BYTES: usize = 64 << 10;

/// What a document says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The package.
    pub name: Option<String>,
    /// All that it says of the first version.
    pub first: Option<(String, Map<String, Value>)>,
    /// Its versions, and why nobody should use them: `None`: nothing is said, empty: no reason.
    pub versions: Vec<(String, Option<String>)>,
    /// Its tags and their versions.
    pub tags: Vec<(String, String)>,
    /// What its tarball is called, if there is one with bytes.
    pub attachment: Option<String>,
    /// Something is attached, with bytes or without.
    pub has_attachments: bool,
}

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError<E> {
    /// It is no JSON, or none that describes a package.
    #[error("the document cannot be read: {0}")]
    Malformed(String),
    /// It is too long beside its tarball.
    #[error("the document says too much beside its tarball: {0}")]
    TooLong(&'static str),
    /// Something is in it twice.
    #[error("{0:?} is in the document twice; which one counts is not sure")]
    Twice(String),
    /// More than one tarball.
    #[error("one tarball is published at a time, and a second one is attached: {0:?}")]
    Attachments(String),
    /// The tarball is no base64.
    #[error("the data of {name:?} is no base64: {why}")]
    Base64 {
        /// Of the attachment.
        name: String,
        /// Why.
        why: String,
    },
    /// Whoever takes the tarball does not.
    #[error(transparent)]
    Refused(E),
}

/// Reads a document to its end and gives the bytes of its tarball to `take`.
///
/// # Errors
/// [`DocumentError`]; of what `take` got then nothing can be used.
pub fn read<E>(
    from: impl Read,
    take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Document, DocumentError<E>> {
    let left = Rc::new(Cell::new(DOCUMENT_BYTES_MAX));
    let metered = Metered { inner: from, left: Rc::clone(&left) };
    let settings = ReaderSettings {
        max_nesting_depth: Some(DEPTH_MAX),
        track_path: false,
        ..ReaderSettings::default()
    };
    let json = JsonStreamReader::new_custom(metered, settings);
    let mut reading = Reading { json, left, take, said: Document::default() };
    let read = reading.document();
    let Reading { json, left, said, .. } = reading;
    let read = read.and_then(|()| Ok(json.consume_trailing_whitespace()?));
    // Whatever was made of it: the reason is that no more came.
    match read {
        Err(DocumentError::Malformed(_)) if left.get() == 0 => {
            Err(DocumentError::TooLong("at most 32 MiB are taken, and 1 MiB of a version"))
        }
        read => read.map(|()| said),
    }
}

struct Reading<R: Read, F> {
    json: JsonStreamReader<Metered<R>>,
    left: Rc<Cell<u64>>,
    take: F,
    said: Document,
}

impl<R: Read, E, F: FnMut(&[u8]) -> Result<(), E>> Reading<R, F> {
    fn document(&mut self) -> Result<(), DocumentError<E>> {
        let mut seen = HashSet::new();
        self.json.begin_object()?;
        while self.json.has_next()? {
            let name = self.name()?;
            match name.as_str() {
                "name" => self.said.name = Some(self.text()?),
                "versions" => self.versions()?,
                "dist-tags" => self.tags()?,
                "_attachments" => self.attachments()?,
                _ => {
                    self.json.skip_value()?;
                    continue;
                }
            }
            if !seen.insert(name.clone()) {
                return Err(DocumentError::Twice(name));
            }
        }
        Ok(self.json.end_object()?)
    }

    fn versions(&mut self) -> Result<(), DocumentError<E>> {
        let mut seen = HashSet::new();
        self.json.begin_object()?;
        while self.json.has_next()? {
            let version = self.name()?;
            note(&mut seen, &version)?;
            let what = self.within(VERSION_BYTES_MAX, |this| {
                Ok(this.json.deserialize_next::<Map<String, Value>>()?)
            })?;
            let deprecated = what.get("deprecated").and_then(reason);
            if self.said.first.is_none() {
                self.said.first = Some((version.clone(), what));
            }
            self.said.versions.push((version, deprecated));
        }
        Ok(self.json.end_object()?)
    }

    fn tags(&mut self) -> Result<(), DocumentError<E>> {
        let mut seen = HashSet::new();
        self.json.begin_object()?;
        while self.json.has_next()? {
            let tag = self.name()?;
            note(&mut seen, &tag)?;
            let version = self.text()?;
            self.said.tags.push((tag, version));
        }
        Ok(self.json.end_object()?)
    }

    fn attachments(&mut self) -> Result<(), DocumentError<E>> {
        if self.json.peek()? == ValueType::Null {
            return Ok(self.json.next_null()?);
        }
        self.json.begin_object()?;
        while self.json.has_next()? {
            let name = self.name()?;
            if self.said.has_attachments {
                return Err(DocumentError::Attachments(name));
            }
            self.said.has_attachments = true;
            self.attachment(&name)?;
        }
        Ok(self.json.end_object()?)
    }

    fn attachment(&mut self, name: &str) -> Result<(), DocumentError<E>> {
        self.json.begin_object()?;
        let mut has_data = false;
        while self.json.has_next()? {
            if self.name()? != "data" || self.json.peek()? != ValueType::String {
                self.json.skip_value()?;
            } else if std::mem::replace(&mut has_data, true) {
                return Err(DocumentError::Twice("data".to_owned()));
            } else if self.data(name)? > 0 {
                self.said.attachment = Some(name.to_owned());
            }
        }
        Ok(self.json.end_object()?)
    }

    /// The tarball: it counts against no limit but that of who takes it. Returns how many bytes.
    fn data(&mut self, name: &str) -> Result<u64, DocumentError<E>> {
        let left = self.left.replace(u64::MAX);
        let mut bytes = DecoderReader::new(self.json.next_string_reader()?, &STANDARD);
        let (mut piece, mut size) = (vec![0; PIECE_BYTES], 0);
        loop {
            let length = match bytes.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let (name, why) = (name.to_owned(), error.to_string());
                    return Err(DocumentError::Base64 { name, why });
                }
            };
            (self.take)(&piece[..length]).map_err(DocumentError::Refused)?;
            size += u64::try_from(length).unwrap_or(u64::MAX);
        }
        drop(bytes);
        self.left.set(left);
        Ok(size)
    }

    fn name(&mut self) -> Result<String, DocumentError<E>> {
        self.within(TEXT_BYTES_MAX, |this| Ok(this.json.next_name_owned()?))
    }

    fn text(&mut self) -> Result<String, DocumentError<E>> {
        self.within(TEXT_BYTES_MAX, |this| Ok(this.json.next_string()?))
    }

    /// Does something that may take so many bytes of what is left.
    fn within<T>(
        &mut self,
        bytes_max: u64,
        work: impl FnOnce(&mut Self) -> Result<T, DocumentError<E>>,
    ) -> Result<T, DocumentError<E>> {
        let whole = self.left.get();
        let part = whole.min(bytes_max);
        self.left.set(part);
        let done = work(self)?;
        self.left.set(whole - (part - self.left.get()));
        Ok(done)
    }
}

fn note<E>(seen: &mut HashSet<String>, name: &str) -> Result<(), DocumentError<E>> {
    if !seen.insert(name.to_owned()) {
        return Err(DocumentError::Twice(name.to_owned()));
    }
    if seen.len() > VERSIONS_MAX {
        return Err(DocumentError::TooLong("at most 20000 versions and as many tags are taken"));
    }
    Ok(())
}

/// Why nobody should use a version; older clients say yes or no alone.
fn reason(value: &Value) -> Option<String> {
    match value {
        Value::String(reason) => Some(reason.clone()),
        Value::Bool(true) => Some("this version is deprecated".to_owned()),
        Value::Bool(false) => Some(String::new()),
        _ => None,
    }
}

impl<E> From<ReaderError> for DocumentError<E> {
    fn from(error: ReaderError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl<E> From<DeserializerError> for DocumentError<E> {
    fn from(error: DeserializerError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// Ends with an error when more is read than is left.
struct Metered<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other("too much"));
        }
        let length = self.inner.read(buffer)?;
        self.left.set(left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX)));
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
