//! The two habits of dlrepo's language that its clients may depend on (spec §17, 24): metadata
//! values are the lower-cased text of a value, and query filters compare booleans as `True` and
//! `False`.

use serde_json::Value;

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
        Value::Number(number) => number.to_string(),
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

/// Single quotes, unless the text has some and no double ones.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
    if text.contains('\'') && !text.contains('"') {
        return format!("\"{escaped}\"");
    }
    format!("'{}'", escaped.replace('\'', "\\'"))
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
            (json!(true), Some("true")),
            (json!([1, "A"]), Some("[1, 'a']")),
            (json!({"K": [null, false]}), Some("{'k': [none, false]}")),
            (json!(["it's"]), Some("[\"it's\"]")),
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
