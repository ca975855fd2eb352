//! `/PROJECT/-/packages/N`: what REST and GraphQL call the `web_path` of a package, as a page for
//! people (spec gitlab §3.2).
//!
//! Who may read the project's packages sees it; for all others it is not there, and nobody in
//! particular is asked to log in. It is built from one snapshot (I8). What publishers wrote is
//! text in it and never markup, and the page loads and runs nothing.
//! Deliberately absent: changing anything, and finding a package, which lists are for.

use std::fmt::Write;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use warp::reply::Response;

use super::api::render::moment;
use super::failure::Failure;
use super::own::{escape, html};
use super::{Request, Server, blocking};
use crate::model::human::human;
use crate::model::{
    Ability, Caller, GroupPath, Package, PackageFile, PackageFileId, PackageId, PackageStatus,
};
use crate::store::{self, View};

/// Files that are shown, the newest of each name; the API lists all.
const FILES_SHOWN: usize = 1000;

const STYLE: &str = "\
body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
th { text-align: left; padding-right: 2em; font-weight: normal; vertical-align: top; }
td { padding-right: 2em; overflow-wrap: anywhere; }
code { font-size: 85%; }
";

impl Server {
    /// `GET` of the page of a package; one on its way out has none.
    pub(super) async fn package_page(
        self: &Arc<Self>,
        request: Request,
        path: GroupPath,
        id: PackageId,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.packages.store().view()?;
            let package = server.package_to_show(&view, &request.caller, &path, id)?;
            Ok(html(page(&view, &path, id, &package)?))
        })
        .await
    }

    fn package_to_show(
        &self,
        view: &View,
        caller: &Caller,
        path: &GroupPath,
        id: PackageId,
    ) -> Result<Package, Failure> {
        let missing = || match caller {
            Caller::Anonymous if !self.access.trusts(caller) => self.denied(caller),
            _ => {
                Failure::NotFound(format!("{path} has no package {}, or you may not see it", id.0))
            }
        };
        let (project, _) = view.project_at(path)?.ok_or_else(missing)?;
        if !self.may_with_packages(view, caller, project, Ability::ReadPackages)? {
            return Err(missing());
        }
        let package = view.package(id)?.filter(|package| {
            package.project == project && package.status != PackageStatus::PendingDestruction
        });
        package.ok_or_else(missing)
    }
}

fn page(
    view: &View,
    path: &GroupPath,
    id: PackageId,
    package: &Package,
) -> Result<String, store::Error> {
    let version = package.version.as_deref().unwrap_or_default();
    let title = escape(format!("{} {version}", package.title).trim_end());
    let mut files = view.newest_files(id, None, FILES_SHOWN + 1)?;
    let has_more = files.len() > FILES_SHOWN;
    files.truncate(FILES_SHOWN);
    let files = list(id, package, &files, has_more);
    let facts = facts(view, path, id, package)?;
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title} - Larder</title>\n\
         <style>\n{STYLE}</style>\n<p><a href=\"/\">Larder</a></p>\n<h1>{title}</h1>\n\
         <table>\n{facts}</table>\n<h2>Files</h2>\n{files}</html>\n"
    ))
}

/// What is known of the package itself, as rows.
fn facts(
    view: &View,
    path: &GroupPath,
    id: PackageId,
    package: &Package,
) -> Result<String, store::Error> {
    let tags = view.tags_of_package(id)?;
    let tags: Vec<_> = tags.iter().map(|(name, _)| name.as_str()).collect();
    let status = match &package.status_message {
        Some(why) => format!("{}: {why}", package.status.as_str()),
        None => package.status.as_str().to_owned(),
    };
    let rows = [
        ("Project", path.to_string()),
        ("Kind", package.kind.to_string()),
        ("Name", package.title.clone()),
        ("Version", package.version.clone().unwrap_or_default()),
        ("Status", status),
        ("Tags", tags.join(", ")),
        ("Published", moment(package.created)),
        ("By", package.creator.clone()),
    ];
    let told = rows.iter().filter(|(_, value)| !value.is_empty());
    Ok(told.fold(String::new(), |mut rows, (name, value)| {
        // Writing into a string cannot fail.
        let _ = writeln!(rows, "<tr><th>{name}</th><td>{}</td></tr>", escape(value));
        rows
    }))
}

/// The files, each with its size and, where clients may download it, the way to its bytes.
fn list(
    id: PackageId,
    package: &Package,
    files: &[(PackageFileId, PackageFile)],
    has_more: bool,
) -> String {
    if files.is_empty() {
        return "<p>There are none.</p>\n".to_owned();
    }
    let mut rows = String::new();
    for (file, record) in files {
        // Folders are a part of what is stored.
        let name = percent_decode_str(&record.name).decode_utf8_lossy();
        let name = escape(&name);
        let name = if package.status.is_installable() {
            let (project, id, file) = (package.project.0, id.0, file.0);
            let at = format!("/api/v4/projects/{project}/packages/{id}/package_files/{file}");
            format!("<a href=\"{at}/download\">{name}</a>")
        } else {
            name
        };
        let (bytes, sum) = (record.size, record.sums.sha256);
        // Writing into a string cannot fail.
        let _ = writeln!(
            rows,
            "<tr><td>{name}</td><td title=\"{bytes} bytes\">{}</td><td>{}</td>\
             <td><code>sha256:{sum}</code></td></tr>",
            human(bytes),
            moment(record.created),
        );
    }
    let more = if has_more { "<p>There are more: the API lists all.</p>\n" } else { "" };
    format!("<table>\n{rows}</table>\n{more}")
}
