//! Parameters of a request to the API: from its query and its body, a form or a JSON object, which
//! are as good as each other (spec gitlab §3.1); what the body says counts.
//!
//! A list is `name[]=a&name[]=b`, a JSON list, or texts joined by commas. Unknown parameters are
//! left alone: clients send more than is needed here.
//! Deliberately absent: `multipart/form-data`, which is for files.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::ApiError;
use crate::http::body::{self, JSON_SIZE_MAX, RequestBody};
use crate::http::failure::Failure;
use crate::http::tree::query_pairs;
use crate::model::Timestamp;

/// What a request says.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Params {
    fields: Map<String, Value>,
}

impl Params {
    /// Reads the query and the body.
    ///
    /// # Errors
    /// 400, 408, 413 or 415.
    pub(in crate::http) async fn read(
        query: &str,
        headers: &HeaderMap,
        body: RequestBody,
    ) -> Result<Self, Failure> {
        let mut params = Self::default();
        params.add_pairs(query);
        let body = body::collect(body, JSON_SIZE_MAX).await?;
        if !body.is_empty() {
            params.add_body(headers, &body)?;
        }
        Ok(params)
    }

    fn add_body(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<(), Failure> {
        let text = std::str::from_utf8(body)
            .map_err(|_| ApiError::bad_request("the request body is not UTF-8"))?;
        let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let given = given.unwrap_or_default();
        let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => self.add_pairs(text),
            "application/json" | "" => {
                let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
                    let why = format!("the body is to be a JSON object: {error}");
                    ApiError::bad_request(&why)
                })?;
                self.fields.extend(object);
            }
            other => {
                let why = format!("The provided content-type '{other}' is not supported.");
                return Err(ApiError::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, why).into());
            }
        }
        Ok(())
    }

    /// Of a query or a form; `name[]` makes a list.
    fn add_pairs(&mut self, text: &str) {
        for (name, value) in query_pairs(text) {
            match name.strip_suffix("[]") {
                None => drop(self.fields.insert(name, Value::String(value))),
                Some(name) => {
                    if let Some(Value::Array(list)) = self.fields.get_mut(name) {
                        list.push(Value::String(value));
                    } else {
                        let list = Value::Array(vec![Value::String(value)]);
                        self.fields.insert(name.to_owned(), list);
                    }
                }
            }
        }
    }

    /// Whether something is said about it, be it `null` or empty.
    pub(in crate::http) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// A text or a number, as text; nothing is said by `null`.
    ///
    /// # Errors
    /// 400.
    pub(in crate::http) fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(invalid(name)),
        }
    }

    /// As [`Self::text`]; nothing is said by an empty text.
    ///
    /// # Errors
    /// 400.
    pub(in crate::http) fn given(&self, name: &str) -> Result<Option<String>, ApiError> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// A number from 0 on; nothing is said by an empty text.
    ///
    /// # Errors
    /// 400.
    pub(in crate::http) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.given(name)?.map(|text| text.parse().map_err(|_| invalid(name))).transpose()
    }

    /// Yes or no.
    ///
    /// # Errors
    /// 400.
    pub(in crate::http) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let word = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Bool(flag)) => return Ok(Some(*flag)),
            Some(Value::String(word)) => word.to_ascii_lowercase(),
            Some(other) => other.to_string(),
        };
        match word.as_str() {
            "true" | "1" | "t" | "yes" | "on" => Ok(Some(true)),
            "false" | "0" | "f" | "no" | "off" => Ok(Some(false)),
            "" => Ok(None),
            _ => Err(invalid(name)),
        }
    }

    /// Texts.
    ///
    /// # Errors
    /// 400.
    pub(in crate::http) fn list(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.trim().to_owned()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(invalid(name)),
        };
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(text).collect(),
            Some(Value::String(text)) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(parts.map(str::to_owned).collect())
            }
            Some(_) => Err(invalid(name)),
        }
    }

    /// The beginning of a day (UTC) or a moment, which is to be in the future; nothing is said by
    /// an empty text.
    ///
    /// # Errors
    /// 400.
    pub(in crate::http) fn end(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.given(name)? else { return Ok(None) };
        let at = moment(&text).ok_or_else(|| invalid(name))?;
        if at <= now {
            return Err(ApiError::bad_request(&format!("{name} is not in the future")));
        }
        Ok(Some(at))
    }

    /// Refuses a request that says nothing about one of these.
    ///
    /// # Errors
    /// 400 with all that are missing.
    pub(in crate::http) fn require(&self, names: &[&str]) -> Result<(), ApiError> {
        let is_there = |name: &&&str| !matches!(self.fields.get(**name), None | Some(Value::Null));
        let missing = names.iter().filter(|name| !is_there(name));
        let missing: Vec<_> = missing.map(|name| format!("{name} is missing")).collect();
        if missing.is_empty() { Ok(()) } else { Err(ApiError::parameters(&missing)) }
    }
}

/// 400: this parameter is not what it has to be.
pub(in crate::http) fn invalid(name: &str) -> ApiError {
    ApiError::parameters(&[format!("{name} is invalid")])
}

/// 400: this parameter is none of the words there are.
pub(in crate::http) fn no_value(name: &str) -> ApiError {
    ApiError::parameters(&[format!("{name} does not have a valid value")])
}

fn moment(text: &str) -> Option<Timestamp> {
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == "2030-12-31".len());
    let at = match day {
        Some(day) => day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp(),
        None => text.parse::<jiff::Timestamp>().ok()?,
    };
    u64::try_from(at.as_microsecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn read(query: &str, kind: &str, body: &'static str) -> Result<Params, Failure> {
        let headers = [(CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect();
        let body = Box::pin(stream::iter([Ok(body.into())]));
        Params::read(query, &headers, body).await
    }

    #[tokio::test]
    async fn query_form_and_json_say_the_same() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        for params in [
            read("name=a+b&n=3&on=true&s[]=x&s[]=y", "", "").await,
            read("", form, "name=a%20b&n=3&on=1&s%5B%5D=x&s%5B%5D=y").await,
            read(
                "name=other",
                "application/json",
                r#"{"name":"a b","n":3,"on":true,"s":["x","y"]}"#,
            )
            .await,
            read("", "", r#"{"name":"a b","n":"3","on":"yes","s":"x, y"}"#).await,
        ] {
            let params = params.unwrap();
            assert_eq!(params.text("name"), Ok(Some("a b".to_owned())));
            assert_eq!(params.number("n"), Ok(Some(3)));
            assert_eq!(params.flag("on"), Ok(Some(true)));
            assert_eq!(params.list("s"), Ok(vec!["x".to_owned(), "y".to_owned()]));
            assert!(params.has("name") && !params.has("none"));
            assert_eq!(params.text("none"), Ok(None));
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_by_name() {
        let params = read("", "application/json", r#"{"n":"x","on":"perhaps","t":{},"e":null}"#);
        let params = params.await.unwrap();
        assert_eq!(params.number("n"), Err(invalid("n")));
        assert_eq!(params.flag("on"), Err(invalid("on")));
        assert_eq!((params.text("t"), params.list("t")), (Err(invalid("t")), Err(invalid("t"))));
        assert!(params.has("e") && params.text("e") == Ok(None));
        let missing = params.require(&["n", "e", "f"]).unwrap_err();
        let told = ["e is missing".to_owned(), "f is missing".to_owned()];
        assert_eq!(missing, ApiError::parameters(&told));
        for (kind, body) in
            [("application/json", "[]"), ("application/json", "{"), ("multipart/form-data", "--x")]
        {
            assert!(read("", kind, body).await.is_err(), "{kind} {body}");
        }
    }

    #[test]
    fn an_end_is_a_day_or_a_moment_to_come() {
        let params = |text: &str| {
            let mut params = Params::default();
            params.add_pairs(&format!("e={text}"));
            params
        };
        let now = Timestamp(1_000_000);
        let at = Timestamp(1_924_905_600_000_000);
        for text in ["2030-12-31", "2030-12-31T00:00:00Z", "2030-12-31T01:00:00%2B01:00"] {
            assert_eq!(params(text).end("e", now), Ok(Some(at)), "{text}");
        }
        assert_eq!(params("").end("e", now), Ok(None));
        for bad in ["soon", "2030-13-01", "1970-01-01", "1960-01-01"] {
            assert!(params(bad).end("e", now).is_err(), "{bad}");
        }
        assert!(params("2030-12-31").end("e", at).is_err());
    }
}
