//! [`Index`]: the page of all names (PEP 503), of a project or of several.
//!
//! It is kept as the pages of names are: a project's part of it is drawn again when a name appears
//! there or goes. Names do not tell whether the caller could download anything of them.

use serde_json::json;

use super::names;
use super::simple::{HTML_END, Simple, VERSION, escape, html_head, list};
use crate::model::{PackageId, PackageKind, PackageName, PackageTextError, ProjectId, SeriesKey};
use crate::packages::pages::{Draw, Line, Lines, PageKey, Standing};
use crate::store::{Error, View};

/// Nothing of `PyPI` can have this name: it stands for all of them.
const ALL: &str = "*";

/// A page of all names, as one snapshot has them.
pub struct Index<'a> {
    /// Where they are read.
    pub view: &'a View,
    /// What it is written in.
    pub form: Simple,
    /// Whose names they are, for people.
    pub title: &'a str,
    /// The address of the page, with a slash at the end.
    pub root: &'a str,
}

impl Index<'_> {
    /// Which page of the cache it is, and how new it has to be.
    ///
    /// # Errors
    /// [`Error::Db`].
    pub fn ask(&self, mut projects: Vec<ProjectId>) -> Result<(PageKey, Vec<Standing>), Error> {
        projects.sort_unstable();
        projects.dedup();
        let mut standings = Vec::with_capacity(projects.len());
        for project in &projects {
            let revision = self.view.project_usage(*project)?.names_revision;
            // What is not of this very revision is drawn anew.
            standings.push(Standing { revision, forgotten: revision });
        }
        let flavour = format!("{:?} {} {}", self.form, self.root, self.title);
        let series = all_names().map_err(|error| Error::NotFound(error.to_string()))?;
        Ok((PageKey { projects, series, flavour }, standings))
    }

    fn line(&self, name: &PackageName) -> Line {
        let text = match self.form {
            Simple::Html => {
                let (root, name) = (escape(self.root), escape(name.as_str()));
                format!("<a href=\"{root}{name}/\">{name}</a><br>\n")
            }
            Simple::Json => json!({ "name": name.as_str() }).to_string(),
        };
        Line { name: name.to_string(), text: text.into(), beside: Vec::new().into() }
    }
}

fn all_names() -> Result<SeriesKey, PackageTextError> {
    Ok(SeriesKey { kind: PackageKind::Pypi, name: PackageName::parse(ALL)? })
}

/// All names of a project are drawn as if they were one package with the project's number.
impl Draw for Index<'_> {
    type Error = Error;

    fn changed(&self, project: ProjectId, _: Option<u64>) -> Result<Vec<PackageId>, Error> {
        Ok(vec![PackageId(project.0)])
    }

    fn lines(&self, package: PackageId) -> Result<Vec<Line>, Error> {
        let names = names(self.view, ProjectId(package.0))?;
        Ok(names.iter().map(|name| self.line(name)).collect())
    }

    fn frame(&self, lines: &Lines<'_>) -> Result<Vec<u8>, Error> {
        let mut sorted: Vec<_> = lines.iter().collect();
        sorted.sort_unstable_by_key(|line| &line.name);
        let texts = sorted.iter().map(|line| &line.text[..]);
        Ok(match self.form {
            Simple::Html => {
                let mut page = html_head(self.title).into_bytes();
                texts.for_each(|text| page.extend_from_slice(text));
                page.extend_from_slice(HTML_END.as_bytes());
                page
            }
            Simple::Json => {
                let meta = json!({ "api-version": VERSION });
                let mut page = format!("{{\"meta\":{meta},").into_bytes();
                list(&mut page, "projects", texts);
                page.push(b'}');
                page
            }
        })
    }
}
