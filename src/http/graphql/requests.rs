//! What comes as a body: one request or an array of them, `{query, variables, operationName}`
//! (spec gitlab §10.1), and how much of it is taken.
//!
//! Deliberately absent: what a query means; see [`super::limits`] for what one may cost.

use async_graphql::{Request, Variables};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::errors::Refusal;

/// Most bytes of a body.
pub const SIZE_MAX: usize = 1 << 20;
/// Most characters of the queries of a body together.
pub const QUERY_LENGTH_MAX: usize = 10_000;
/// Most requests of an array.
pub const REQUESTS_MAX: usize = 20;

/// What was sent.
#[derive(Debug)]
pub enum Sent {
    /// A request.
    One(Box<Request>),
    /// Several, each of which gets its answer.
    Many(Vec<Request>),
}

/// A request as it is written; other keys mean nothing here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    variables: Option<Value>,
    #[serde(default)]
    operation_name: Option<String>,
}

/// Reads a body.
///
/// # Errors
/// 400 for what is no request, 422 for more than is taken.
pub fn read(text: &[u8]) -> Result<Sent, Refusal> {
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        bad(format!("the body must be JSON, {{\"query\": \"…\"}} or an array of these: {error}"))
    })?;
    let Value::Array(values) = value else {
        let request = request(value)?;
        check_length(std::slice::from_ref(&request))?;
        return Ok(Sent::One(Box::new(request)));
    };
    if values.len() > REQUESTS_MAX {
        let why = format!("{REQUESTS_MAX} requests at once are possible, not {}", values.len());
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let requests = values.into_iter().map(request).collect::<Result<Vec<_>, _>>()?;
    check_length(&requests)?;
    Ok(Sent::Many(requests))
}

fn request(value: Value) -> Result<Request, Refusal> {
    // By way of an object: serde takes a list for a struct as well.
    let fields: Map<String, Value> = serde_json::from_value(value)
        .map_err(|_| bad("a request must be an object, {\"query\": \"…\"}"))?;
    let written = Written::deserialize(Value::Object(fields))
        .map_err(|error| bad(format!("this is no request: {error}")))?;
    let query = written.query.filter(|query| !query.trim().is_empty());
    let query = query.ok_or_else(|| bad("No query string was present"))?;
    let request = Request::new(query).variables(variables(written.variables)?);
    Ok(match written.operation_name.filter(|name| !name.is_empty()) {
        Some(name) => request.operation_name(name),
        None => request,
    })
}

/// An object, or an object as text.
fn variables(value: Option<Value>) -> Result<Variables, Refusal> {
    let value = match value {
        Some(Value::String(text)) if text.trim().is_empty() => Value::Null,
        Some(Value::String(text)) => serde_json::from_str(&text)
            .map_err(|error| bad(format!("the variables are no JSON: {error}")))?,
        value => value.unwrap_or_default(),
    };
    match value {
        Value::Null => Ok(Variables::default()),
        Value::Object(_) => Ok(Variables::from_json(value)),
        _ => Err(bad("the variables must be an object, {\"name\": value}")),
    }
}

fn check_length(requests: &[Request]) -> Result<(), Refusal> {
    let length: usize = requests.iter().map(|request| request.query.chars().count()).sum();
    if length <= QUERY_LENGTH_MAX {
        return Ok(());
    }
    let why = format!(
        "Query too large: {QUERY_LENGTH_MAX} characters are possible, not {length}; give values \
         as variables, or ask in several requests"
    );
    Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, why))
}

fn bad(why: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (u16, String) {
        let refusal = read(text.as_bytes()).unwrap_err();
        (refusal.status().as_u16(), refusal.to_string())
    }

    #[test]
    fn one_request_or_several_are_read() {
        let text = r#"{"query":"{ a }","variables":{"x":1},"operationName":"","extensions":{}}"#;
        let Ok(Sent::One(request)) = read(text.as_bytes()) else { panic!("not one") };
        assert_eq!((request.query.as_str(), &request.operation_name), ("{ a }", &None));
        assert_eq!(request.variables.get("x").unwrap().to_string(), "1");
        let text = r#"[{"query":"{ a }","variables":"{\"x\":[]}"},{"query":"b","variables":null}]"#;
        let Ok(Sent::Many(requests)) = read(text.as_bytes()) else { panic!("not several") };
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].variables.get("x").unwrap().to_string(), "[]");
        assert!(matches!(read(b"[]"), Ok(Sent::Many(none)) if none.is_empty()));
    }

    #[test]
    fn what_is_no_request_is_told() {
        for (text, why) in [
            ("", "the body must be JSON"),
            ("{", "the body must be JSON"),
            ("1", "must be an object"),
            (r#"["{ a }"]"#, "must be an object"),
            ("[[]]", "must be an object"),
            ("{}", "No query string was present"),
            (r#"{"query":" "}"#, "No query string was present"),
            (r#"{"query":1}"#, "this is no request"),
            (r#"{"query":"{ a }","variables":[]}"#, "the variables must be an object"),
            (r#"{"query":"{ a }","variables":"{"}"#, "the variables are no JSON"),
        ] {
            let (status, told) = refused(text);
            assert!(status == 400 && told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn there_is_a_limit_for_all_queries_together() {
        let query = |length| format!(r#"{{"query":"{}"}}"#, "ä".repeat(length));
        assert!(read(query(QUERY_LENGTH_MAX).as_bytes()).is_ok());
        let (status, told) = refused(&query(QUERY_LENGTH_MAX + 1));
        assert!(status == 422 && told.contains("not 10001"), "{told}");
        let half = query(QUERY_LENGTH_MAX / 2 + 1);
        assert_eq!(refused(&format!("[{half},{half}]")).0, 422);
    }

    #[test]
    fn there_is_a_limit_for_requests_at_once() {
        let many = |count| format!("[{}]", vec![r#"{"query":"q"}"#; count].join(","));
        assert!(read(many(REQUESTS_MAX).as_bytes()).is_ok());
        let (status, told) = refused(&many(REQUESTS_MAX + 1));
        assert!(status == 422 && told.contains("not 21"), "{told}");
    }
}
