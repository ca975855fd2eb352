//! `/projects/:id/packages/protection/rules`: who may publish and remove packages of which names
//! (spec gitlab §8.7), listed, made, changed and removed by maintainers.
//!
//! Deliberately absent: what the rules do: the store tests them with each publication and deletion.

use http::StatusCode;
use serde_json::{Value, json};
use warp::reply::Response;

use super::params::{Params, no_value};
use super::{ApiError, Asked, created, no_content};
use crate::http::failure::Failure;
use crate::http::route::ProjectAt;
use crate::http::{Server, reply};
use crate::model::{
    Ability, PackageKind, ProjectId, ProtectionRule, ProtectionRuleId, Role, RuleRole,
};
use crate::store;
use crate::store::packages::{NewProtectionRule, RuleError};

const PATTERN: &str = "package_name_pattern";
const KIND: &str = "package_type";
const PUSH: &str = "minimum_access_level_for_push";
const DELETE: &str = "minimum_access_level_for_delete";

/// Who may publish what a rule speaks of.
const PUSHERS: &[RuleRole] =
    &[RuleRole::Role(Role::Maintainer), RuleRole::Role(Role::Owner), RuleRole::Admin];
/// Who may remove it: maintainers may without a rule.
const REMOVERS: &[RuleRole] = &[RuleRole::Role(Role::Owner), RuleRole::Admin];

impl Server {
    pub(super) fn api_protection_rules(
        &self,
        asked: &Asked,
        at: &ProjectAt,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let project = self.project_for(&view, asked, at, Ability::AdminPackages)?.id;
        if asked.reads() {
            let rules = view.protection_rules(project)?;
            let lines: Vec<_> = rules.iter().map(|(id, rule)| line(project, *id, rule)).collect();
            return Ok(reply::json(&lines));
        }
        drop(view);
        asked.params.require(&[PATTERN, KIND])?;
        let new = wanted(&asked.params, None)?;
        let made = self.tree.store().add_protection_rule(project, new).wait();
        Ok(created(&self.rule_line(project, made.map_err(unsaved)?)?))
    }

    pub(super) fn api_protection_rule(
        &self,
        asked: &Asked,
        at: &ProjectAt,
        id: Option<ProtectionRuleId>,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let project = self.project_for(&view, asked, at, Ability::AdminPackages)?.id;
        let rules = view.protection_rules(project)?;
        let known = rules.into_iter().find(|(known, _)| Some(*known) == id);
        let (id, rule) = known.ok_or_else(missing)?;
        drop(view);
        if asked.method == http::Method::DELETE {
            let was_there = self.tree.store().remove_protection_rule(project, id).wait()?;
            return if was_there { Ok(no_content()) } else { Err(missing().into()) };
        }
        let new = wanted(&asked.params, Some(rule))?;
        let changed = self.tree.store().change_protection_rule(project, id, new).wait();
        changed.map_err(unsaved)?;
        Ok(reply::json(&self.rule_line(project, id)?))
    }

    fn rule_line(&self, project: ProjectId, id: ProtectionRuleId) -> Result<Value, Failure> {
        let rules = self.api_view()?.protection_rules(project)?;
        let rule = rules.into_iter().find(|(known, _)| *known == id);
        let (id, rule) = rule.ok_or_else(missing)?;
        Ok(line(project, id, &rule))
    }
}

/// What a rule is to say: what is not said stays as it was.
fn wanted(params: &Params, before: Option<ProtectionRule>) -> Result<NewProtectionRule, ApiError> {
    let kind = match params.text(KIND)? {
        Some(text) => Some(PackageKind::parse(&text).ok_or_else(|| no_value(KIND))?),
        None => None,
    };
    let (pattern, old_kind, old_push, old_delete) = match before {
        Some(rule) => (rule.pattern, rule.kind, rule.push, rule.delete),
        None => (String::new(), PackageKind::Generic, None, None),
    };
    Ok(NewProtectionRule {
        pattern: params.text(PATTERN)?.unwrap_or(pattern),
        kind: kind.unwrap_or(old_kind),
        push: level(params, PUSH, PUSHERS, old_push)?,
        delete: level(params, DELETE, REMOVERS, old_delete)?,
    })
}

/// One of these words, or nothing of the kind, if it is empty; as it was, if nothing is said.
fn level(
    params: &Params,
    name: &str,
    known: &[RuleRole],
    before: Option<RuleRole>,
) -> Result<Option<RuleRole>, ApiError> {
    if !params.has(name) {
        return Ok(before);
    }
    let Some(text) = params.given(name)? else { return Ok(None) };
    let role = known.iter().find(|role| word(**role) == text);
    role.map(|role| Some(*role)).ok_or_else(|| no_value(name))
}

fn word(role: RuleRole) -> &'static str {
    match role {
        RuleRole::Role(role) => role.as_str(),
        RuleRole::Admin => "admin",
    }
}

fn line(project: ProjectId, id: ProtectionRuleId, rule: &ProtectionRule) -> Value {
    json!({
        "id": id.0,
        "project_id": project.0,
        PATTERN: rule.pattern,
        KIND: rule.kind,
        PUSH: rule.push.map(word),
        DELETE: rule.delete.map(word),
    })
}

fn missing() -> ApiError {
    ApiError::not_found("Package protection rule")
}

/// Why a rule was not saved: what cannot be one is 422, as GitLab says it.
fn unsaved(error: store::Error) -> Failure {
    match error {
        store::Error::PackageRule(RuleError::RuleUnknown(_)) => missing().into(),
        store::Error::PackageRule(why) => {
            ApiError::message(StatusCode::UNPROCESSABLE_ENTITY, why.to_string()).into()
        }
        store::Error::ProjectUnknown(_) => ApiError::not_found("Project").into(),
        error => error.into(),
    }
}
