//! JSON in the spelling of dlrepo: `", "` and `": "`, and nothing but ASCII (spec dlrepo §2, §7).
//!
//! Clients hash and compare this text, so it is the same byte for byte.
//! Deliberately absent: the order of keys, which is the caller's.

use std::io;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::ser::{Formatter, Serializer};

/// Writes `value` in that spelling, without a newline at the end.
///
/// # Errors
/// A value that JSON has no form for, as a map whose keys are not text.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut text, Spelling))?;
    String::from_utf8(text).map_err(serde_json::Error::custom)
}

struct Spelling;

impl Formatter for Spelling {
    fn begin_array_value<W>(&mut self, writer: &mut W, first: bool) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W>(&mut self, writer: &mut W, first: bool) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W>(&mut self, writer: &mut W) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        // Below the space serde_json has escaped already; DEL is for us.
        while let Some(at) = rest.find(|c: char| c >= '\x7f') {
            let (plain, odd) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut odd = odd.chars();
            for unit in odd.next().into_iter().flat_map(utf16) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = odd.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

fn utf16(c: char) -> Vec<u16> {
    c.encode_utf16(&mut [0; 2]).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_spelling_is_that_of_dlrepo() {
        for (value, text) in [
            (
                json!({"a": [1, 2.5, true, null], "b": {}}),
                r#"{"a": [1, 2.5, true, null], "b": {}}"#,
            ),
            (json!([]), "[]"),
            (json!(["é", "€x", "😀"]), r#"["\u00e9", "\u20acx", "\ud83d\ude00"]"#),
            (json!({"ü": "\u{7f}"}), r#"{"\u00fc": "\u007f"}"#),
            (json!("\"\\/\n\t\u{8}\u{c}\r\u{1}\u{1f} "), r#""\"\\/\n\t\b\f\r\u0001\u001f ""#),
        ] {
            assert_eq!(to_string(&value).unwrap(), text);
            let back: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(back, value);
        }
    }
}
