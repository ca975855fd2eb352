//! Numbers and tables for people.

use std::fmt::Write as _;

use indicatif::{BinaryBytes, HumanCount};

/// A number of bytes, exact: `1,536 bytes (1.50 KiB)`.
pub(super) fn bytes(bytes: u64) -> String {
    let exact = count(bytes, "byte");
    if bytes < 1024 { exact } else { format!("{exact} ({})", BinaryBytes(bytes)) }
}

/// `1 blob`, `1,000 blobs`.
pub(super) fn count(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", HumanCount(number), if number == 1 { "" } else { "s" })
}

/// Indented lines of columns that begin one below the other.
pub(super) fn table<const N: usize>(rows: Vec<[String; N]>) -> String {
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing into a string cannot fail.
            let _ = write!(line, "  {cell:<width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
