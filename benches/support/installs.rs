//! Packages over HTTP while others are deleted: how soon `destroyPackages` answers for 20 packages
//! of 1,000 files, and what an install takes while what it marked is destroyed.
//!
//! The folder is filled through the store and then served by the release binary. An install is a
//! GET of a small generic file.

use std::path::Path;
use std::time::{Duration, Instant};

use larder::model::{PackageId, ProjectId};

use crate::ask::ask_graphql;
use crate::beside;
use crate::figures::{Failure, percentile};
use crate::load::Until;
use crate::record::verdict;
use crate::servers::Server;
use crate::sweeps::{DELETE, wait_for_destruction};
use crate::{MARK_MAX_MS, MARKED};

/// What the folder holds.
pub struct Filled {
    /// The project of all packages.
    pub project: ProjectId,
    /// The path of the file that is installed, below the project's packages.
    pub installed: &'static str,
    /// Packages of 1,000 files.
    pub large: Vec<PackageId>,
    /// Packages of 100 files.
    pub doomed: Vec<PackageId>,
}

/// Serves the folder and prints what was seen.
pub fn measure(dir: &Path, filled: &Filled) -> Result<(), Failure> {
    let server = Server::larder_with(dir, &["--lease", "0", "--sweep-period", "0"])?;
    let path = format!("/api/v4/projects/{}/packages/{}", filled.project.0, filled.installed);
    let commit = beside::commit(&server)?;
    let idle = beside::read(&server, &path, Until::Elapsed(beside::IDLE))?;
    let destroyed = |packages| {
        beside::read_while(&server, &path, || {
            let answers = delete(&server, packages)?;
            wait_for_destruction(&server)?;
            Ok(answers)
        })
    };
    let (beside_large, large) = destroyed(&filled.large)?;
    let (beside_doomed, doomed) = destroyed(&filled.doomed)?;
    let name = |packages: &[PackageId], files| {
        format!("while {} packages of {files} files go", packages.len())
    };
    let rows = [
        ("idle".to_owned(), &idle),
        (name(&filled.large, "1,000"), &beside_large),
        (name(&filled.doomed, "100"), &beside_doomed),
    ];
    beside::print("Installs", &rows);
    beside::print_stages(&server, DELETE)?;
    let allowed = beside::allowed(&idle, commit);
    let figure = |time: Duration| Some(time.as_secs_f64() * 1e3);
    let what = "ms for destroyPackages of 20 packages of 1,000 files, the slowest (below 50)";
    verdict(what, figure(percentile(&large, 1000)), |ms| ms < MARK_MAX_MS);
    let what = "ms for destroyPackages of 20 packages of 100 files, the slowest (below 50)";
    verdict(what, figure(percentile(&doomed, 1000)), |ms| ms < MARK_MAX_MS);
    let what = "ms at p99 for an install over HTTP meanwhile (at most what is allowed)";
    let p99 = beside_doomed.latency(990);
    verdict(what, figure(p99), |_| p99 <= allowed);
    Ok(())
}

/// How long each mutation took, sorted.
fn delete(server: &Server, packages: &[PackageId]) -> Result<Vec<Duration>, Failure> {
    let mut answers = Vec::new();
    for some in packages.chunks(MARKED.try_into()?) {
        let ids = some.iter().map(|id| format!("\"gid://gitlab/Packages::Package/{}\"", id.0));
        let ids = ids.collect::<Vec<_>>().join(",");
        let query = format!("mutation {{ destroyPackages(input: {{ids: [{ids}]}}) {{ errors }} }}");
        let begin = Instant::now();
        let data = ask_graphql(server.addr, &query)?;
        answers.push(begin.elapsed());
        if data["destroyPackages"]["errors"] != serde_json::json!([]) {
            return Err(format!("not all were deleted: {data}").into());
        }
    }
    answers.sort_unstable();
    Ok(answers)
}
