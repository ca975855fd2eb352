//! Numbers and tables for people.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use indicatif::{BinaryBytes, HumanCount, HumanDuration};

use crate::config::print_duration;
use crate::model::Timestamp;

/// In seconds since 1970; dates are not written beyond it.
const YEAR_10000: u64 = 253_402_300_800;

/// A number of bytes, exact: `1,536 bytes (1.50 KiB)`.
pub(super) fn bytes(bytes: u64) -> String {
    let exact = count(bytes, "byte");
    if bytes < 1024 { exact } else { format!("{exact} ({})", BinaryBytes(bytes)) }
}

/// `1 blob`, `1,000 blobs`.
pub(super) fn count(number: u64, thing: &str) -> String {
    let number_text = HumanCount(number);
    match thing.strip_suffix('y') {
        _ if number == 1 => format!("{number_text} {thing}"),
        Some(stem) => format!("{number_text} {stem}ies"),
        None if thing.ends_with('h') => format!("{number_text} {thing}es"),
        None => format!("{number_text} {thing}s"),
    }
}

/// A time that a setting gave, as settings are written: `10m`, `1d`.
pub(super) fn time(seconds: u64) -> String {
    print_duration(Duration::from_secs(seconds))
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

/// A moment, and how far it is from `now`.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    if at.seconds() >= YEAR_10000 {
        return "the end of time".to_owned();
    }
    let distance = if at > now {
        format!("in {}", HumanDuration(at.since(now)))
    } else {
        format!("{} ago", HumanDuration(now.since(at)))
    };
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(at.seconds());
    format!("{} ({distance})", httpdate::fmt_http_date(date))
}
