//! What a project keeps of its packages: `projects/:id/packages/cleanup_policy`, which is ours.

use super::ProjectAt;

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRoute {
    /// Of which project.
    pub at: ProjectAt,
    /// What of it.
    pub part: PolicyPart,
}

/// A part of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyPart {
    /// The policy, and what it did.
    Whole,
    /// `…/plan`: what it would remove.
    Plan,
    /// `…/run`: lets it run now.
    Run,
}

/// Reads what is below `projects/:id/`.
pub(super) fn of_project(at: &ProjectAt, below: &[&str]) -> Option<PolicyRoute> {
    let part = match below {
        ["packages", "cleanup_policy"] => PolicyPart::Whole,
        ["packages", "cleanup_policy", "plan"] => PolicyPart::Plan,
        ["packages", "cleanup_policy", "run"] => PolicyPart::Run,
        _ => return None,
    };
    Some(PolicyRoute { at: at.clone(), part })
}

impl PolicyRoute {
    pub(super) fn below(&self) -> String {
        let part = match self.part {
            PolicyPart::Whole => "",
            PolicyPart::Plan => "/plan",
            PolicyPart::Run => "/run",
        };
        format!("projects/{}/packages/cleanup_policy{part}", self.at.segment())
    }

    pub(super) fn allow(&self) -> &'static [&'static str] {
        match self.part {
            PolicyPart::Whole => &["GET", "HEAD", "PUT"],
            PolicyPart::Plan => &["GET", "HEAD"],
            PolicyPart::Run => &["POST"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProjectId;

    #[test]
    fn canonical_paths_lead_back() {
        for part in ["", "/plan", "/run"] {
            let path = format!("projects/1/packages/cleanup_policy{part}");
            let segments: Vec<_> = path.split('/').skip(2).collect();
            let route = of_project(&ProjectAt::Id(ProjectId(1)), &segments).unwrap();
            assert_eq!(route.below(), path);
        }
        let other = ["packages", "cleanup_policy", "other"];
        assert_eq!(of_project(&ProjectAt::Id(ProjectId(1)), &other), None);
    }
}
