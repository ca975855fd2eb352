//! The scalars `Time` and `BigInt` (spec gitlab §8.5, §10.2), and sizes as people read them.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

use crate::model::Timestamp;

/// A moment: ISO 8601 in UTC, `2022-05-18T03:04:43Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

#[Scalar]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        let moment: jiff::Timestamp = text.parse().map_err(InputValueError::custom)?;
        let micros = u64::try_from(moment.as_microsecond());
        micros.map(|micros| Self(Timestamp(micros))).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::String(iso_8601(self.0))
    }
}

/// The second of a moment; beyond what a calendar can tell, its end.
#[must_use]
pub fn iso_8601(moment: Timestamp) -> String {
    let seconds = i64::try_from(moment.seconds()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// A whole number that may be larger than an `Int`, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigInt(pub u64);

#[Scalar]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A count as an `Int`, or the largest there is.
#[must_use]
pub fn int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Bytes in powers of 1024 with three digits that count: `0 Bytes`, `1 Byte`, `1.44 MB`.
#[must_use]
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
    match bytes {
        1 => return "1 Byte".to_owned(),
        0..1024 => return format!("{bytes} Bytes"),
        _ => {}
    }
    let (mut factor, mut unit) = (1024_u128, UNITS[0]);
    for larger in &UNITS[1..] {
        if u128::from(bytes) < factor * 1024 {
            break;
        }
        factor *= 1024;
        unit = larger;
    }
    format!("{} {unit}", three_digits(u128::from(bytes), factor))
}

/// `number / divisor`, which is below 1024, rounded to three digits that count, without zeros at
/// the end of a fraction.
fn three_digits(number: u128, divisor: u128) -> String {
    let rounded = |scale: u128| (number * scale + divisor / 2) / divisor;
    if rounded(1) >= 1000 {
        return ((number + 5 * divisor) / (10 * divisor) * 10).to_string();
    }
    let (scale, width) = match rounded(100) {
        0..1000 => (100, 2),
        _ if rounded(10) < 1000 => (10, 1),
        _ => return rounded(1).to_string(),
    };
    let text = format!("{}.{:0width$}", rounded(scale) / scale, rounded(scale) % scale);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_that_count() {
        for (bytes, text) in [
            (0, "0 Bytes"),
            (1, "1 Byte"),
            (1023, "1023 Bytes"),
            (1024, "1 KB"),
            (1536, "1.5 KB"),
            (1_509_949, "1.44 MB"),
            (10_240, "10 KB"),
            (10_250, "10 KB"),
            (10_300, "10.1 KB"),
            (102_400, "100 KB"),
            (1_047_552, "1020 KB"),
            (1_048_575, "1020 KB"),
            (1_048_576, "1 MB"),
            (5_368_709_120, "5 GB"),
            (u64::MAX, "16 EB"),
        ] {
            assert_eq!(human_size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn moments_have_seconds_and_are_read_again() {
        let text = "2022-05-18T03:04:43Z";
        let Ok(time) = Time::parse(Value::String(text.to_owned())) else { panic!("not read") };
        assert_eq!(iso_8601(Timestamp(time.0.0 + 999_999)), text);
        assert_eq!(iso_8601(Timestamp::MAX), "9999-12-30T22:00:00.999999999Z");
        assert!(Time::parse(Value::String("1969-01-01T00:00:00Z".to_owned())).is_err());
    }

    #[test]
    fn large_numbers_are_text() {
        assert_eq!(BigInt(u64::MAX).to_value().to_string(), "\"18446744073709551615\"");
        assert!(matches!(BigInt::parse(Value::from(3)), Ok(BigInt(3))));
        assert!(BigInt::parse(Value::from("-1")).is_err());
        assert_eq!((int(7), int(u64::MAX)), (7, i32::MAX));
    }
}
