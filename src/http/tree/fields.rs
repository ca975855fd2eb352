//! Reading the wrapped JSON objects that dlrepo's API takes: `{"tag": {…}}` and the like.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::super::failure::Failure;

/// The fields of a request's JSON object.
pub(super) struct Fields {
    fields: Map<String, Value>,
    refusal: &'static str,
}

impl Fields {
    /// The object in the member `wrapper`; anything else is refused with `refusal`.
    pub(super) fn of(body: Value, wrapper: &str, refusal: &'static str) -> Result<Self, Failure> {
        let inner = match body {
            Value::Object(mut outer) => outer.remove(wrapper),
            _ => None,
        };
        match inner {
            Some(Value::Object(fields)) => Ok(Self { fields, refusal }),
            _ => Err(Failure::BadRequest(refusal.to_owned())),
        }
    }

    /// A member that must be a boolean if it is there; null is as good as absent.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        self.read(name, Value::as_bool)
    }

    /// A member that must be a number from 0 on.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.read(name, Value::as_u64)
    }

    /// A member that must be a text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        self.read(name, |value| value.as_str().map(str::to_owned))
    }

    /// All members.
    pub(super) fn into_inner(self) -> Map<String, Value> {
        self.fields
    }

    /// Refuses the request.
    pub(super) fn refuse<T>(&self) -> Result<T, Failure> {
        Err(Failure::BadRequest(self.refusal.to_owned()))
    }

    fn read<T>(
        &self,
        name: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => self.refuse(),
            },
        }
    }
}

/// A JSON object whose members keep their order.
pub(super) struct Members(pub(super) Vec<(String, Value)>);

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
