//! `/application/settings`: what of GitLab's settings means something here: how many batches of
//! cached entries may be deleted at once (spec gitlab §1.9, §1.13). For administrators.
//!
//! Deliberately absent: settings that need a restart; those are in the configuration.

use http::StatusCode;
use serde_json::{Value, json};
use warp::reply::Response;

use super::Asked;
use super::errors::ApiError;
use crate::http::Server;
use crate::http::failure::Failure;
use crate::http::reply;
use crate::model::{Caller, Scope, Trigger};

const CAPACITY: &str = "dependency_proxy_ttl_group_policy_worker_capacity";
/// What GitLab's column holds.
const CAPACITY_MAX: u64 = 32_767;

impl Server {
    pub(super) fn api_settings(&self, asked: &Asked) -> Result<Response, Failure> {
        self.check_admin(&asked.caller)?;
        if !asked.reads() {
            let capacity = capacity(asked)?;
            self.tree.store().set_proxy_capacity(capacity).wait()?;
            log::info!("{} set {CAPACITY} to {capacity}", asked.caller.name());
            self.sweeper.ask(Scope::Reclaim, Trigger::Request);
        }
        let capacity = self.api_view()?.proxy_capacity()?;
        Ok(reply::json(&json!({
            CAPACITY: capacity,
            "container_registry_token_expire_delay": self.token_lifetime.as_secs() / 60,
        })))
    }

    fn check_admin(&self, caller: &Caller) -> Result<(), Failure> {
        match caller {
            caller if self.access.trusts(caller) => Ok(()),
            Caller::Anonymous => Err(ApiError::unauthorized().into()),
            _ => Err(ApiError::forbidden().into()),
        }
    }
}

/// The capacity that is asked for.
fn capacity(asked: &Asked) -> Result<u64, ApiError> {
    if !asked.params.has(CAPACITY) {
        let missing = format!("{CAPACITY} is missing, at least one parameter must be provided");
        return Err(ApiError::parameters(&[missing]));
    }
    let text = asked.params.text(CAPACITY)?.unwrap_or_default();
    let why = match text.trim().parse::<i128>() {
        Err(_) => "is not a number",
        Ok(number) if number < 0 => "must be greater than or equal to 0",
        Ok(number) => match u64::try_from(number) {
            Ok(number) if number <= CAPACITY_MAX => return Ok(number),
            _ => "must be less than or equal to 32767",
        },
    };
    Err(refused(why))
}

/// `{"message": {"…": ["is not a number"]}}`, as records that are refused are told.
fn refused(why: &str) -> ApiError {
    let mut message = serde_json::Map::new();
    message.insert(CAPACITY.to_owned(), json!([why]));
    ApiError::message(StatusCode::BAD_REQUEST, Value::Object(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_a_small_number() {
        let asked = |value: &str| capacity(&Asked::of_query(&format!("{CAPACITY}={value}")));
        for (good, number) in [("0", 0), ("2", 2), ("32767", 32_767)] {
            assert_eq!(asked(good), Ok(number));
        }
        for (bad, why) in [
            ("-1", "must be greater than or equal to 0"),
            ("32768", "must be less than or equal to 32767"),
            ("2.5", "is not a number"),
            ("many", "is not a number"),
            ("", "is not a number"),
        ] {
            assert_eq!(asked(bad), Err(refused(why)), "{bad}");
        }
        assert!(capacity(&Asked::of_query("other=1")).is_err());
    }
}
