//! Groups, people and tokens as GitLab's clients read them, and moments.
//!
//! Deliberately absent: members of GitLab's objects about things that there are not here.

use serde_json::{Value, json};

use super::gate::Found;
use crate::http::route::encode;
use crate::model::{Group, GroupId, Timestamp, UserName, UserNumber};
use crate::store::{self, View};

/// `2030-12-31T23:59:59.000Z`
pub(in crate::http) fn moment(at: Timestamp) -> String {
    let millis = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `2030-12-31`, in UTC.
pub(super) fn day(at: Timestamp) -> String {
    moment(at).chars().take("2030-12-31".len()).collect()
}

/// A group, with the names that people call those above it by.
pub(super) fn group(view: &View, address: &str, found: &Found) -> Result<Value, store::Error> {
    let Found { id, path, group } = found;
    let parent = (group.parent != GroupId::TOP).then_some(group.parent.0);
    Ok(json!({
        "id": id.0,
        "web_url": format!("{address}/groups/{path}"),
        "name": group.name,
        "path": group.path,
        "description": group.description,
        "visibility": group.visibility,
        "avatar_url": null,
        "full_name": full_name(view, group)?,
        "full_path": path.to_string(),
        "created_at": moment(group.created),
        "parent_id": parent,
    }))
}

/// `Acme / Tools`
pub(in crate::http) fn full_name(view: &View, group: &Group) -> Result<String, store::Error> {
    let mut names = vec![group.name.clone()];
    let mut at = group.parent;
    while at != GroupId::TOP {
        let Some((_, group)) = view.group(at)? else { break };
        at = group.parent;
        names.push(group.name);
    }
    names.reverse();
    Ok(names.join(" / "))
}

/// Somebody, as lists show them.
pub(super) fn user(address: &str, login: &UserName, number: UserNumber) -> Value {
    json!({
        "id": number.0,
        "username": login.as_str(),
        "name": login.as_str(),
        "state": "active",
        "locked": false,
        "avatar_url": null,
        "web_url": format!("{address}/~{}/", encode(login.as_str())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_milliseconds_and_days_none() {
        let at = Timestamp(1_924_991_999_999_999);
        assert_eq!(moment(at), "2030-12-31T23:59:59.999Z");
        assert_eq!(day(at), "2030-12-31");
        assert_eq!(moment(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert!(moment(Timestamp::MAX).starts_with("9999-"));
    }

    #[test]
    fn a_user_has_a_page() {
        let login = UserName::parse("zoë").unwrap();
        let user = user("http://h", &login, UserNumber(3));
        assert_eq!(user["web_url"], "http://h/~zo%C3%AB/");
        assert_eq!((&user["id"], &user["username"]), (&json!(3), &json!("zoë")));
    }
}
