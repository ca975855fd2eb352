//! `/application/settings`: what of GitLab's settings means something here: how many batches of
//! cached entries may be deleted at once (spec gitlab §1.9, §1.13), and how many policies of
//! packages may be in work (§8.3, §8.6). For administrators.
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
use crate::store::View;

const CAPACITY: &str = "dependency_proxy_ttl_group_policy_worker_capacity";
/// Two names of one number: one thread does both.
const PACKAGES: [&str; 2] = [
    "package_registry_cleanup_policies_worker_capacity",
    "packages_cleanup_package_file_worker_capacity",
];
/// What GitLab's column holds.
const CAPACITY_MAX: u64 = 32_767;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    proxy: Option<u64>,
    packages: Option<u64>,
}

impl Server {
    pub(super) fn api_settings(&self, asked: &Asked) -> Result<Response, Failure> {
        self.check_admin(&asked.caller)?;
        if !asked.reads() {
            let Wanted { proxy, packages } = wanted(asked)?;
            let (store, who) = (self.tree.store(), asked.caller.name());
            if let Some(capacity) = proxy {
                store.set_proxy_capacity(capacity).wait()?;
                log::info!("{who} set {CAPACITY} to {capacity}");
            }
            if let Some(capacity) = packages {
                store.set_package_capacity(capacity).wait()?;
                log::info!("{who} set {} to {capacity}", PACKAGES[0]);
            }
            self.sweeper.ask(Scope::Reclaim, Trigger::Request);
        }
        Ok(reply::json(&self.settings_of(&self.api_view()?)?))
    }

    fn settings_of(&self, view: &View) -> Result<Value, Failure> {
        let packages = view.package_capacity()?;
        let mut settings = json!({
            CAPACITY: view.proxy_capacity()?,
            "container_registry_token_expire_delay": self.token_lifetime.as_secs() / 60,
        });
        for name in PACKAGES {
            settings[name] = json!(packages);
        }
        Ok(settings)
    }

    fn check_admin(&self, caller: &Caller) -> Result<(), Failure> {
        match caller {
            caller if self.access.trusts(caller) => Ok(()),
            Caller::Anonymous => Err(ApiError::unauthorized().into()),
            _ => Err(ApiError::forbidden().into()),
        }
    }
}

/// The capacities that are asked for: one at least.
fn wanted(asked: &Asked) -> Result<Wanted, ApiError> {
    let proxy = capacity(asked, CAPACITY)?;
    let [policies, files] = PACKAGES;
    let (policies, of_files) = (capacity(asked, policies)?, capacity(asked, files)?);
    if let (Some(policies), Some(of_files)) = (policies, of_files)
        && policies != of_files
    {
        return Err(refused(files, "is the same number as that of policies here"));
    }
    let packages = policies.or(of_files);
    if proxy.is_none() && packages.is_none() {
        let missing = format!("{CAPACITY} is missing, at least one parameter must be provided");
        return Err(ApiError::parameters(&[missing]));
    }
    Ok(Wanted { proxy, packages })
}

fn capacity(asked: &Asked, name: &str) -> Result<Option<u64>, ApiError> {
    if !asked.params.has(name) {
        return Ok(None);
    }
    let text = asked.params.text(name)?.unwrap_or_default();
    let why = match text.trim().parse::<i128>() {
        Err(_) => "is not a number",
        Ok(number) if number < 0 => "must be greater than or equal to 0",
        Ok(number) => match u64::try_from(number) {
            Ok(number) if number <= CAPACITY_MAX => return Ok(Some(number)),
            _ => "must be less than or equal to 32767",
        },
    };
    Err(refused(name, why))
}

/// `{"message": {"…": ["is not a number"]}}`, as records that are refused are told.
fn refused(name: &str, why: &str) -> ApiError {
    let mut message = serde_json::Map::new();
    message.insert(name.to_owned(), json!([why]));
    ApiError::message(StatusCode::BAD_REQUEST, Value::Object(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_a_small_number() {
        for name in [CAPACITY, PACKAGES[0], PACKAGES[1]] {
            let asked = |value: &str| capacity(&Asked::of_query(&format!("{name}={value}")), name);
            for (good, number) in [("0", 0), ("2", 2), ("32767", 32_767)] {
                assert_eq!(asked(good), Ok(Some(number)));
            }
            for (bad, why) in [
                ("-1", "must be greater than or equal to 0"),
                ("32768", "must be less than or equal to 32767"),
                ("2.5", "is not a number"),
                ("many", "is not a number"),
                ("", "is not a number"),
            ] {
                assert_eq!(asked(bad), Err(refused(name, why)), "{bad}");
            }
        }
    }

    #[test]
    fn both_names_of_one_number_say_the_same() {
        let [policies, files] = PACKAGES;
        let asked = |query: &str| wanted(&Asked::of_query(query));
        let packages = |packages| Ok(Wanted { proxy: None, packages: Some(packages) });
        assert_eq!(asked(&format!("{policies}=3")), packages(3));
        assert_eq!(asked(&format!("{files}=0")), packages(0));
        assert_eq!(asked(&format!("{files}=4&{policies}=4")), packages(4));
        assert!(asked(&format!("{files}=4&{policies}=5")).is_err());
        assert!(asked("other=1").is_err());
    }
}
