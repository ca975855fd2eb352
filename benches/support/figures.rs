//! Numbers for people: percentiles, medians and one way to print a table.
//!
//! Defends no invariant. Deliberately absent: confidence intervals. A run interleaves what it
//! compares and prints medians; whoever doubts a figure runs again with more rounds.

use std::time::Duration;

/// What a bench ends with when it cannot go on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Prints a table: the first column to the left, the others to the right.
pub fn print_table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    println!("\n{title}");
    for row in [&head].into_iter().chain(rows) {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        println!("  {}", cells.collect::<Vec<_>>().join("  "));
    }
}

/// The duration below which `per_mille` of 1,000 lie, of a sorted list; zero for no values.
pub fn percentile(sorted: &[Duration], per_mille: usize) -> Duration {
    let index = sorted.len() * per_mille / 1000;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// `a / b` with two digits, or a dash when there is no `b`.
pub fn ratio(a: f64, b: f64) -> String {
    if b > 0.0 { format!("{:.2}", a / b) } else { "-".to_owned() }
}

/// A duration in milliseconds with two digits.
pub fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1e3)
}

/// The nearest float, without a cast.
pub fn float(n: u64) -> f64 {
    let half = |n: u64| f64::from(u32::try_from(n & 0xFFFF_FFFF).unwrap_or(u32::MAX));
    half(n >> 32) * 4_294_967_296.0 + half(n)
}
