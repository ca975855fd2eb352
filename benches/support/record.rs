//! [`Recorder`]: criterion measures and prints; this keeps the same times to compare them with
//! each other at the end, and to hold them against what must be reached.
//!
//! Deliberately absent: statistics of its own beyond the median.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};

use crate::figures::percentile;

/// The times of all iterations, by group and name.
#[derive(Default)]
pub struct Recorder {
    times: RefCell<BTreeMap<String, Vec<Duration>>>,
}

impl Recorder {
    /// Runs one benchmark. `once` prepares, does, and tells how long the doing took.
    pub fn bench(
        &self,
        group: &mut BenchmarkGroup<WallTime>,
        id: &str,
        mut once: impl FnMut() -> Duration,
    ) {
        let mut times = Vec::new();
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| {
                let took: Vec<_> = (0..iterations).map(|_| once()).collect();
                times.extend(&took);
                took.into_iter().sum()
            });
        });
        times.sort_unstable();
        self.times.borrow_mut().insert(id.to_owned(), times);
    }

    /// The median, if that benchmark ran.
    pub fn median(&self, id: &str) -> Option<Duration> {
        let times = self.times.borrow();
        times.get(id).filter(|times| !times.is_empty()).map(|times| percentile(times, 500))
    }

    /// How often `a` goes into `b`, if both ran.
    pub fn ratio(&self, a: &str, b: &str) -> Option<f64> {
        Some(self.median(b)?.as_secs_f64() / self.median(a)?.as_secs_f64())
    }
}

/// Whether cargo wants a bench to run, and not only to start. Says so if not.
pub fn is_wanted(name: &str) -> bool {
    let wanted = std::env::args().any(|argument| argument == "--bench");
    if !wanted {
        println!("This is a bench: run it with `cargo bench --bench {name}`.");
    }
    wanted
}

/// Criterion for work that takes milliseconds and needs a preparation each time.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args()
}

/// The numbers of an environment variable, separated by commas.
pub fn numbers(variable: &str, default: &[u64]) -> Vec<u64> {
    let text = std::env::var(variable).unwrap_or_default();
    let numbers: Vec<u64> = text.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    if numbers.is_empty() { default.to_vec() } else { numbers }
}

/// A line that says whether something was reached.
pub fn verdict(what: &str, figure: Option<f64>, reached: impl Fn(f64) -> bool) {
    match figure {
        None => println!("  not run  {what}"),
        Some(figure) => {
            let word = if reached(figure) { "reached" } else { "MISSED " };
            println!("  {word}  {what}: {figure:.2}");
        }
    }
}
