//! Seeded random numbers (splitmix64): the same seed gives the same test, on every machine.

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Runs a test for several seeds and names the one that failed. `LARDER_TEST_SEEDS=500` makes it
/// that many seeds, from the first one on.
pub(crate) fn for_seeds(seeds: std::ops::Range<u64>, test: impl Fn(&mut Random)) {
    let count = std::env::var("LARDER_TEST_SEEDS").map(|text| text.parse::<u64>());
    let end = count.map_or(seeds.end, |count| seeds.start + count.expect("a number of seeds"));
    for seed in seeds.start..end {
        let run = std::panic::AssertUnwindSafe(|| test(&mut Random(seed)));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("the seed was {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
