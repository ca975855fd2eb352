//! What clients say alike about which groups or projects of a list they ask for (spec gitlab §9).
//!
//! Only what the caller may see is asked about.

use super::params::{Params, no_value};
use super::{ApiError, Asked};
use crate::http::failure::Failure;
use crate::model::{Caller, GroupId, Role, Visibility};
use crate::store::View;

/// Which of a list are asked for.
pub(super) struct Wanted<'a> {
    caller: &'a Caller,
    /// In lower case.
    search: Option<String>,
    /// The caller has this role at least, there or in a group above.
    role: Option<Role>,
    visibility: Option<Visibility>,
}

impl<'a> Wanted<'a> {
    /// `least` is the role where the request names none.
    pub(super) fn read(asked: &'a Asked, least: Option<Role>) -> Result<Self, ApiError> {
        let params = &asked.params;
        let level = match params.number("min_access_level")? {
            None => None,
            Some(level) => Some(Role::of_level(level).ok_or_else(|| no_value("min_access_level"))?),
        };
        let is_owned = params.flag("owned")? == Some(true);
        Ok(Self {
            caller: &asked.caller,
            search: params.text("search")?.map(|text| text.to_lowercase()),
            role: if is_owned { Some(Role::Owner) } else { level.or(least) },
            visibility: visibility(params)?,
        })
    }

    /// Whether one of these texts has what is searched for, and that is who may see it.
    pub(super) fn says<const N: usize>(&self, texts: [&str; N], shown: Visibility) -> bool {
        let has = |search: &String| texts.iter().any(|text| text.to_lowercase().contains(search));
        self.search.as_ref().is_none_or(has)
            && self.visibility.is_none_or(|visibility| visibility == shown)
    }

    /// Whether the caller is there what they have to be.
    pub(super) fn is_member(&self, view: &View, id: GroupId) -> Result<bool, Failure> {
        let Some(least) = self.role else { return Ok(true) };
        let Caller::User(user) = self.caller else { return Ok(false) };
        Ok(view.role(user, id)?.is_some_and(|role| role >= least))
    }
}

/// Who may see it, as far as the request says.
pub(super) fn visibility(params: &Params) -> Result<Option<Visibility>, ApiError> {
    match params.given("visibility")?.as_deref() {
        None => Ok(None),
        Some("private") => Ok(Some(Visibility::Private)),
        Some("internal") => Ok(Some(Visibility::Internal)),
        Some("public") => Ok(Some(Visibility::Public)),
        Some(_) => Err(no_value("visibility")),
    }
}
