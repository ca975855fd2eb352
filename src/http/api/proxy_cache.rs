//! `DELETE /groups/:id/dependency_proxy/cache`: a group forgets all it has cached (spec gitlab
//! §1.10).
//!
//! Whether the caller may is asked of the snapshot that the group was found in; from the commit
//! on nothing that was there is served, and the sweeper does the rest. Groups below stay as they
//! are. Deliberately absent: a second question to the caller, which GitLab's job asks later.

use http::StatusCode;
use serde_json::json;
use warp::reply::Response;

use super::{Asked, answer};
use crate::http::Server;
use crate::http::failure::Failure;
use crate::http::route::GroupAt;
use crate::model::{Ability, Scope, Trigger};

impl Server {
    /// 202; the body is that number too.
    pub(super) fn api_purge_cache(&self, asked: &Asked, at: &GroupAt) -> Result<Response, Failure> {
        let view = self.api_view()?;
        let found = self.group_for(&view, asked, at, Ability::AdminGroup)?;
        drop(view);
        self.tree.store().purge_cached(found.id).wait()?;
        log::info!("{} purged what {} had cached", asked.caller.name(), found.path);
        self.sweeper.ask(Scope::Reclaim, Trigger::Delete);
        let accepted = StatusCode::ACCEPTED;
        Ok(answer(accepted, &json!(accepted.as_u16())))
    }
}
