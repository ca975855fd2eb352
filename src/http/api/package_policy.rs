//! `/projects/:id/packages/cleanup_policy`: what a project keeps of its packages, what that would
//! remove, and what it did (spec gitlab §8.6, rules of defects J and K). For maintainers.
//!
//! The plan is the one that a run applies (I6), from one snapshot (I8); it walks over all files of
//! the project, so one is made at a time. Deliberately absent: removing anything.

use std::sync::Mutex;

use http::StatusCode;
use serde_json::{Value, json};
use warp::reply::Response;

use super::errors::ApiError;
use super::render::moment;
use super::{Asked, params};
use crate::http::failure::Failure;
use crate::http::route::{PolicyPart, PolicyRoute};
use crate::http::{Server, reply};
use crate::model::package_policy::{Kept, builds};
use crate::model::{
    Ability, KeepFiles, PackagePolicy, PolicyRun, ProjectId, RunId, Scope, Trigger,
};
use crate::packages::cleanup::preview;
use crate::store::package_policies::{POLICY_RUNS_KEPT, PackagePolicyChange};
use crate::store::proxy_groups::Wish;
use crate::store::{Error, View};

const KEEP: &str = "keep_n_duplicated_package_files";
const SNAPSHOTS: &str = "keep_snapshots";
/// Files that a plan lists.
const LISTED_MAX: usize = 1000;

/// Held while a plan is made.
static PLANNING: Mutex<()> = Mutex::new(());

impl Server {
    pub(super) fn api_package_policy(
        &self,
        asked: &Asked,
        route: &PolicyRoute,
    ) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let project = self.project_for(&view, asked, &route.at, Ability::AdminPackages)?.id;
        let store = self.tree.store();
        match route.part {
            PolicyPart::Whole if asked.reads() => Ok(reply::json(&whole(&view, project)?)),
            PolicyPart::Whole => {
                let change = change(asked)?;
                store.set_package_policy(project, change).wait()?;
                log::info!("{} set what project {} keeps", asked.caller.name(), project.0);
                Ok(reply::json(&whole(&self.api_view()?, project)?))
            }
            PolicyPart::Plan => plan(&view, project, &change(asked)?),
            PolicyPart::Run => {
                if !store.run_package_policy(project).wait()? {
                    let why = "the project keeps everything, set what it keeps first";
                    return Err(ApiError::message(StatusCode::CONFLICT, json!(why)).into());
                }
                self.sweeper.ask(Scope::Reclaim, Trigger::Request);
                let mut response = reply::json(&json!({ "message": "202 Accepted" }));
                *response.status_mut() = StatusCode::ACCEPTED;
                Ok(response)
            }
        }
    }
}

/// The policy and what it did.
fn whole(view: &View, project: ProjectId) -> Result<Value, Error> {
    let policy = view.package_policy(project)?;
    let kept = policy.as_ref().map(PackagePolicy::kept).unwrap_or_default();
    let runs = view.package_policy_runs(project, POLICY_RUNS_KEPT)?;
    let runs: Vec<_> = runs.into_iter().map(|(id, run)| shown(id, &run)).collect();
    let mut shown = json!({
        "project_id": project.0,
        KEEP: kept.files.text(),
        SNAPSHOTS: kept.snapshots,
        "next_run_at": policy.as_ref().map(|policy| moment(policy.next_run)),
        "created_at": policy.as_ref().map(|policy| moment(policy.created)),
        "updated_at": policy.as_ref().map(|policy| moment(policy.updated)),
    });
    shown["runs"] = Value::Array(runs);
    Ok(shown)
}

fn shown(id: RunId, run: &PolicyRun) -> Value {
    json!({
        "id": id.0,
        "started_at": moment(run.at),
        "ended_at": moment(run.ended),
        "timeout": run.timed_out,
        "counts": {
            "marked_package_files_total_count": run.files,
            "unique_package_id_and_file_name_total_count": run.names,
        },
        "bytes": run.bytes,
        "sample": run.sample,
        "error": run.error,
    })
}

/// What the policy would remove, as if `change` were made first.
fn plan(
    view: &View,
    project: ProjectId,
    change: &PackagePolicyChange,
) -> Result<Response, Failure> {
    let Ok(_only_one) = PLANNING.try_lock() else {
        let why = "another plan is being made, try again in a moment";
        return Err(ApiError::message(StatusCode::TOO_MANY_REQUESTS, json!(why)).into());
    };
    let mut kept = view.package_policy(project)?.map(|policy| policy.kept()).unwrap_or_default();
    kept.files = change.keep.unwrap_or(kept.files);
    match change.keep_snapshots {
        Wish::Keep => {}
        Wish::Unset => kept.snapshots = None,
        Wish::Set(builds) => kept.snapshots = Some(builds),
    }
    let Kept { files, snapshots } = kept;
    let preview = preview(view, (project, kept), LISTED_MAX, |_| Ok::<_, Error>(()))?;
    let mut shown = serde_json::to_value(&preview).unwrap_or_default();
    shown[KEEP] = json!(files.text());
    shown[SNAPSHOTS] = json!(snapshots);
    Ok(reply::json(&shown))
}

fn change(asked: &Asked) -> Result<PackagePolicyChange, ApiError> {
    let params = &asked.params;
    let keep = params.text(KEEP)?;
    let keep = keep.map(|text| KeepFiles::parse(&text).ok_or_else(|| params::no_value(KEEP)));
    let snapshots = params.text(SNAPSHOTS)?;
    let keep_snapshots = match snapshots.as_deref() {
        None if params.has(SNAPSHOTS) => Wish::Unset,
        None => Wish::Keep,
        Some("all" | "") => Wish::Unset,
        Some(text) => {
            let number = text.parse().ok().and_then(builds);
            Wish::Set(number.ok_or_else(|| params::invalid(SNAPSHOTS))?)
        }
    };
    Ok(PackagePolicyChange { keep: keep.transpose()?, keep_snapshots })
}
