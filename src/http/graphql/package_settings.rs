//! What may be published again in a group's projects: `Group.packageSettings` and its change (spec
//! gitlab §2.3, §10.4), for owners.
//!
//! Reading what was never set stores nothing. Deliberately absent: the formats that are not served
//! here.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::asked::{Asked, asked};
use super::errors::fault;
use super::group::{self, GroupAt};
use crate::model::{Ability, GroupId, PackageSettings as Record};
use crate::store::packages::EXCEPTION_LENGTH_MAX;

/// What may be published again.
#[derive(SimpleObject)]
pub struct PackageSettings {
    /// Whether a file of Maven may be published again.
    maven_duplicates_allowed: bool,
    /// Names and versions for which it may all the same, from end to end.
    maven_duplicate_exception_regex: Option<String>,
    /// Whether a file of a generic package may be published again.
    generic_duplicates_allowed: bool,
    /// Names and versions for which it may all the same, from end to end.
    generic_duplicate_exception_regex: Option<String>,
}

/// The field of a group.
pub struct GroupPackageSettings(pub Arc<GroupAt>);

/// What to change of it.
#[derive(InputObject)]
struct UpdateNamespacePackageSettingsInput {
    /// Comes back with the answer.
    client_mutation_id: Option<String>,
    /// The full path of the group.
    namespace_path: ID,
    /// Whether a file of Maven may be published again.
    maven_duplicates_allowed: MaybeUndefined<bool>,
    /// Names and versions for which it may all the same; null: none.
    maven_duplicate_exception_regex: MaybeUndefined<String>,
    /// Whether a file of a generic package may be published again.
    generic_duplicates_allowed: MaybeUndefined<bool>,
    /// Names and versions for which it may all the same; null: none.
    generic_duplicate_exception_regex: MaybeUndefined<String>,
}

/// What came of it.
#[derive(SimpleObject)]
struct UpdateNamespacePackageSettingsPayload {
    /// What came with the question.
    client_mutation_id: Option<String>,
    /// The settings as they are now; null if nothing was changed.
    package_settings: Option<PackageSettings>,
    /// Why nothing was changed.
    errors: Vec<String>,
}

/// The field of the root.
#[derive(Default)]
pub struct PackageSettingsMutation;

#[Object]
impl GroupPackageSettings {
    /// What may be published again in its projects; null for whoever may not change it.
    async fn package_settings(&self, context: &Context<'_>) -> Option<Result<PackageSettings>> {
        let shown = asked(context).and_then(|asked| {
            let may = asked.may(self.0.id, Ability::AdminPackageSettings)?;
            if may { of(asked, self.0.id).map(Some) } else { Ok(None) }
        });
        shown.transpose()
    }
}

#[Object]
impl PackageSettingsMutation {
    /// Says what may be published again in a group's projects. What is left out stays as it is.
    async fn update_namespace_package_settings(
        &self,
        context: &Context<'_>,
        input: UpdateNamespacePackageSettingsInput,
    ) -> Option<Result<UpdateNamespacePackageSettingsPayload>> {
        Some(update(context, input).await)
    }
}

fn of(asked: &Asked, group: GroupId) -> Result<PackageSettings> {
    let record = asked.view().package_settings(group).map_err(|error| fault(&error))?;
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(PackageSettings {
        maven_duplicates_allowed: record.maven_duplicates,
        maven_duplicate_exception_regex: text(record.maven_exception),
        generic_duplicates_allowed: record.generic_duplicates,
        generic_duplicate_exception_regex: text(record.generic_exception),
    })
}

async fn update(
    context: &Context<'_>,
    input: UpdateNamespacePackageSettingsInput,
) -> Result<UpdateNamespacePackageSettingsPayload> {
    let asked = asked(context)?;
    let ability = Ability::AdminPackageSettings;
    let group = group::find_to_change(asked, &input.namespace_path, ability)?.id;
    let client_mutation_id = input.client_mutation_id.clone();
    let before = asked.view().package_settings(group).map_err(|error| fault(&error))?;
    let (package_settings, errors) = match wanted(before, input) {
        Ok(record) => {
            asked.change(|store| store.set_package_settings(group, record)).await?;
            (Some(of(asked, group)?), Vec::new())
        }
        Err(errors) => (None, errors),
    };
    Ok(UpdateNamespacePackageSettingsPayload { client_mutation_id, package_settings, errors })
}

/// The settings as they are to be, or what is wrong with an input, in sentences.
fn wanted(
    before: Record,
    input: UpdateNamespacePackageSettingsInput,
) -> Result<Record, Vec<String>> {
    let mut faults = Vec::new();
    let mut flag = |given: MaybeUndefined<bool>, before, name: &str| {
        if given.is_null() {
            faults.push(format!("{name} must be true or false"));
        }
        given.take().unwrap_or(before)
    };
    let maven_duplicates =
        flag(input.maven_duplicates_allowed, before.maven_duplicates, "Maven duplicates allowed");
    let generic_duplicates = flag(
        input.generic_duplicates_allowed,
        before.generic_duplicates,
        "Generic duplicates allowed",
    );
    let mut text = |given: MaybeUndefined<String>, before, name: &str| {
        let wanted = match given {
            MaybeUndefined::Undefined => return before,
            given => given.take().unwrap_or_default(),
        };
        if wanted.len() > EXCEPTION_LENGTH_MAX || regex::Regex::new(&wanted).is_err() {
            faults.push(format!(
                "{name} must be a regular expression of up to {EXCEPTION_LENGTH_MAX} bytes"
            ));
        }
        wanted
    };
    let maven_exception = text(
        input.maven_duplicate_exception_regex,
        before.maven_exception,
        "Maven duplicate exception regex",
    );
    let generic_exception = text(
        input.generic_duplicate_exception_regex,
        before.generic_exception,
        "Generic duplicate exception regex",
    );
    let record =
        Record { maven_duplicates, maven_exception, generic_duplicates, generic_exception };
    if faults.is_empty() { Ok(record) } else { Err(faults) }
}
