//! What precedes a member's bytes: a header of POSIX pax archives, with an extended one before
//! it for what the plain one cannot hold: fractions of seconds, long names, eight GiB and more.

use tar::{EntryType, Header};

use crate::model::Timestamp;

/// Headers, and contents up to the next multiple, come in blocks of so many bytes.
pub(super) const BLOCK: u64 = 512;
/// An archive ends with two empty blocks and is filled up to a multiple of this.
pub(super) const RECORD: u64 = 20 * BLOCK;
/// Sizes from here on have no room in a plain header.
const LARGE: u64 = 1 << 33;
/// Bytes of a name that a plain header holds.
const NAME: usize = 100;

/// The headers of a regular file.
pub(super) fn encode(path: &str, size: u64, modified: Timestamp) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1536);
    let records = records(path, size, modified);
    if !records.is_empty() {
        let length = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let header = header("././@PaxHeader", length, Timestamp(0), EntryType::XHeader);
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&records);
        pad(&mut bytes);
    }
    bytes.extend_from_slice(header(path, size, modified, EntryType::Regular).as_bytes());
    bytes
}

/// Bytes of those headers, without making them: a list of a million files needs no more.
pub(super) fn length(path: &str, size: u64, modified: Timestamp) -> u64 {
    match u64::try_from(records(path, size, modified).len()).unwrap_or(u64::MAX) {
        0 => BLOCK,
        records => BLOCK + records + padding(records) + BLOCK,
    }
}

/// Zeros that follow contents of that many bytes.
pub(super) fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

fn header(path: &str, size: u64, modified: Timestamp, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    let end = (0..=NAME.min(path.len())).rev().find(|end| path.is_char_boundary(*end));
    let name = &path[..end.unwrap_or_default()];
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.name[..name.len()].copy_from_slice(name.as_bytes());
    }
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(modified.seconds());
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

/// The extended records that a member needs.
fn records(path: &str, size: u64, modified: Timestamp) -> Vec<u8> {
    let mut records = Vec::new();
    let fraction = modified.0 % 1_000_000;
    if fraction != 0 {
        let time = format!("{}.{fraction:06}", modified.seconds());
        record(&mut records, "mtime", &time);
    }
    if path.len() > NAME || !path.is_ascii() {
        record(&mut records, "path", path);
    }
    if size >= LARGE {
        record(&mut records, "size", &size.to_string());
    }
    records
}

/// `<length> <key>=<value>` and a line feed, where the length counts itself.
fn record(out: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + " =\n".len();
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
}

fn pad(bytes: &mut Vec<u8>) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    bytes.resize(bytes.len() + usize::try_from(padding(length)).unwrap_or_default(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_itself() {
        for (value, line) in [
            ("x", "6 k=x\n".to_owned()),
            ("xxxx", "9 k=xxxx\n".to_owned()),
            ("xxxxx", "11 k=xxxxx\n".to_owned()),
            (&"x".repeat(92), format!("98 k={}\n", "x".repeat(92))),
            (&"x".repeat(93), format!("99 k={}\n", "x".repeat(93))),
            (&"x".repeat(94), format!("101 k={}\n", "x".repeat(94))),
        ] {
            let mut out = Vec::new();
            record(&mut out, "k", value);
            assert_eq!(String::from_utf8(out).unwrap(), line);
        }
    }

    #[test]
    fn headers_are_extended_only_where_they_must_be() {
        let whole = Timestamp(1_700_000_000_000_000);
        let blocks = |path: &str, size, modified| {
            let bytes = u64::try_from(encode(path, size, modified).len()).unwrap();
            assert_eq!((bytes % BLOCK, length(path, size, modified)), (0, bytes));
            bytes / BLOCK
        };
        let extended = |path: &str, size, modified| blocks(path, size, modified) == 3;
        assert_eq!(blocks("a/b", 7, whole), 1);
        assert_eq!(blocks(&"x".repeat(100), 0, whole), 1);
        assert!(extended(&"x".repeat(101), 0, whole));
        assert!(extended("é", 0, whole));
        assert!(extended("a", LARGE, whole) && !extended("a", LARGE - 1, whole));
        assert!(extended("a", 0, Timestamp(whole.0 + 1)));
        assert_eq!(blocks(&"é".repeat(300), LARGE, Timestamp(whole.0 + 1)), 4);
    }

    #[test]
    fn empty_padding_follows_whole_blocks() {
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}
