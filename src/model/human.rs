//! [`human`]: sizes as dlrepo prints them (spec dlrepo §13), for messages that its users know.

/// A number of bytes in powers of 1000 with a unit up to `T`: one decimal below 100, none above.
#[must_use]
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["", "K", "M", "G", "T"];
    if bytes == 0 {
        return "0".to_owned();
    }
    let (mut factor, mut unit) = (1_u64, UNITS[0]);
    for larger in &UNITS[1..] {
        if bytes / factor < 1000 {
            break;
        }
        factor *= 1000;
        unit = larger;
    }
    if bytes / factor < 100 {
        let tenths = (u128::from(bytes) * 10 + u128::from(factor / 2)) / u128::from(factor);
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    } else {
        let whole = (u128::from(bytes) + u128::from(factor / 2)) / u128::from(factor);
        format!("{whole}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_dlrepo_writes_them() {
        for (bytes, text) in [
            (0, "0"),
            (7, "7.0"),
            (99, "99.0"),
            (100, "100"),
            (999, "999"),
            (1000, "1.0K"),
            (1049, "1.0K"),
            (1050, "1.1K"),
            (99_940, "99.9K"),
            (600_000, "600K"),
            (1_000_000, "1.0M"),
            (10_737_418_240, "10.7G"),
            (1_500_000_000_000, "1.5T"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(human(bytes), text, "{bytes}");
        }
    }
}
