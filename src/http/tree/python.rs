//! The two habits of dlrepo's language that its clients may depend on (spec §17, 24): metadata
//! values are the lower-cased text of a value, and query filters compare booleans as `True` and
//! `False`.

use serde_json::{Number, Value};

/// The text of a metadata value; `None` for one that counts as false, which removes the key.
pub(super) fn metadata_text(value: &Value) -> Option<String> {
    let is_false = match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    };
    let text = match value {
        Value::String(text) => text.clone(),
        other => shown(other),
    };
    (!is_false).then(|| text.to_lowercase())
}

/// The text that a boolean is compared as.
pub(super) fn boolean_text(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(flag) => boolean_text(*flag).to_owned(),
        Value::Number(number) => number_text(number),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let member =
                |(key, value): (&String, &Value)| format!("{}: {}", quoted(key), shown(value));
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// Rust's debug form chooses the same digits and goes over to an exponent at the same sizes; an
/// exponent is written with its sign and at least two digits there.
fn number_text(number: &Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let text = format!("{value:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

/// Single quotes, unless the text has some and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let inside: String = text.chars().map(|c| escaped(c, quote)).collect();
    format!("{quote}{inside}{quote}")
}

fn escaped(c: char, quote: char) -> String {
    match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\\' => "\\\\".to_owned(),
        ' ' => " ".to_owned(),
        c if c == quote => format!("\\{c}"),
        c if c.is_control() || c.is_whitespace() => match u32::from(c) {
            code @ 0..=0xff => format!("\\x{code:02x}"),
            code => format!("\\u{code:04x}"),
        },
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_become_lower_case_text_and_false_ones_go() {
        for (value, text) in [
            (json!("Text"), Some("text")),
            (json!(1.5), Some("1.5")),
            (json!(7), Some("7")),
            (json!(-7), Some("-7")),
            (json!(1e15), Some("1000000000000000.0")),
            (json!(1e16), Some("1e+16")),
            (json!(-2.5e100), Some("-2.5e+100")),
            (json!(0.0001), Some("0.0001")),
            (json!(1.25e-5), Some("1.25e-05")),
            (json!(true), Some("true")),
            (json!([1, "A"]), Some("[1, 'a']")),
            (json!({"K": [null, false]}), Some("{'k': [none, false]}")),
            (json!(["it's"]), Some("[\"it's\"]")),
            (json!(["it's \""]), Some("['it\\'s \"']")),
            (json!(["a\\\n\r\t\u{1}\u{7f}"]), Some("['a\\\\\\n\\r\\t\\x01\\x7f']")),
            (json!(["\u{a0}\u{2028}\u{e9} "]), Some("['\\xa0\\u2028\u{e9} ']")),
            (json!(""), None),
            (json!(null), None),
            (json!(0), None),
            (json!(0.0), None),
            (json!(false), None),
            (json!([]), None),
            (json!({}), None),
        ] {
            assert_eq!(metadata_text(&value).as_deref(), text, "{value}");
        }
    }
}
