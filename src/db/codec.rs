//! How values become bytes: a version byte, then bincode 2. The only file that knows bincode, so
//! that it can be replaced here.
//!
//! Reading never panics: an unknown version, a value that does not parse and bytes that are left
//! over are refused with a reason.

use bincode::config::{Configuration, Limit, LittleEndian, Varint, standard};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that is stored as the value of a table.
pub trait Value: Sized {
    /// The bytes of this value.
    ///
    /// # Errors
    /// Why it has none (a string longer than memory, say).
    fn encode(&self) -> Result<Vec<u8>, String>;

    /// The value of these bytes.
    ///
    /// # Errors
    /// Why they are not such a value.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
}

/// A record with fields: its encoding begins with [`Self::VERSION`].
pub trait Record: Serialize + DeserializeOwned {
    /// Raised by every change of the fields, with a migration that rewrites the rows.
    const VERSION: u8;
}

/// Longest encoding of a record, in bytes.
const RECORD_BYTES_MAX: usize = 4 << 20;
/// What decoding may claim. Without a limit bincode believes any length and asks for that much
/// memory, which ends the process. It counts a number as 8 bytes, whatever its encoding takes.
const CLAIM_MAX: usize = 8 * RECORD_BYTES_MAX;
const CONFIG: Configuration<LittleEndian, Varint, Limit<CLAIM_MAX>> =
    standard().with_limit::<CLAIM_MAX>();

impl<R: Record> Value for R {
    fn encode(&self) -> Result<Vec<u8>, String> {
        let mut bytes = vec![R::VERSION];
        bincode::serde::encode_into_std_write(self, &mut bytes, CONFIG)
            .map_err(|error| error.to_string())?;
        if bytes.len() > RECORD_BYTES_MAX {
            let length = bytes.len();
            return Err(format!("it has {length} bytes, at most {RECORD_BYTES_MAX} are allowed"));
        }
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (version, rest) = bytes.split_first().ok_or("it is empty")?;
        if *version != R::VERSION {
            return Err(format!("its version is {version}, {} is known", R::VERSION));
        }
        let (record, read) =
            bincode::serde::decode_from_slice(rest, CONFIG).map_err(|error| error.to_string())?;
        if read != rest.len() {
            return Err(format!("{} bytes are left over", rest.len() - read));
        }
        Ok(record)
    }
}

impl Value for () {
    fn encode(&self) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() { Ok(()) } else { Err("it should be empty".into()) }
    }
}

/// A bare number: 8 bytes, big endian.
impl Value for u64 {
    fn encode(&self) -> Result<Vec<u8>, String> {
        Ok(self.to_be_bytes().to_vec())
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        bytes.try_into().map(Self::from_be_bytes).map_err(|_| "it should have 8 bytes".into())
    }
}

/// Bytes that are stored as they are: the contents of small blobs.
impl Value for bytes::Bytes {
    fn encode(&self) -> Result<Vec<u8>, String> {
        Ok(self.to_vec())
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        Ok(Self::copy_from_slice(bytes))
    }
}
