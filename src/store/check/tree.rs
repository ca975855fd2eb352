//! The walk from the names down to the files: usage at every level, tags by their flags, dirty
//! formats, ways back; and the same below every detached thing, where only what is left counts.

use super::fix::Fix;
use super::shift::{Counter, Holder, Shift};
use super::{Halt, Pass};
use crate::db;
use crate::db::schema::{ARTIFACTS, DETACHED, FORMATS, JOBS, NODES, TAG_AGES, TAGS};
use crate::db::{Found, Span};
use crate::model::{
    Branch, BranchId, Detached, Entry, FormatId, JobId, Node, Tag, TagCounts, TagId, TagName, Usage,
};
use crate::store::detached::QueueKey;

/// Whether the containers of a walk have a name that leads to them. Below a detached thing they
/// are half destroyed, and their counters are of no use any more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Below {
    Names,
    Queue,
}

impl Pass<'_, '_, '_> {
    pub(super) fn check_tree(&mut self) -> Result<(), Halt> {
        self.check_repositories()?;
        for row in DETACHED.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            match row? {
                Found::Row(key, entry) => self.check_waiting(key, entry)?,
                Found::Unreadable { key, what } => {
                    self.found.unreadable(DETACHED.name(), &key, &what);
                }
            }
        }
        Ok(())
    }

    /// Recounts what lies below a branch; returns the counted usage.
    pub(super) fn check_branch(
        &mut self,
        key: (crate::model::RepoId, crate::model::BranchName),
        branch: &Branch,
    ) -> Result<Usage, Halt> {
        self.way(Node::Branch(branch.id), key.0.0, key.1.as_str(), Below::Names)?;
        let (usage, counted) = self.tags(branch.id, Below::Names)?;
        self.counted.named = self.counted.named.plus(usage);
        let holder = Holder::Branch(key, branch.id);
        let path = self.path.clone();
        let shift = Shift { found: branch.usage, counted: usage };
        self.compare(&format!("the usage of {path}"), shift, holder.clone());
        self.compare_tags(&path, Shift { found: branch.tags, counted }, holder);
        Ok(usage)
    }

    pub(super) fn compare_tags(&mut self, path: &str, shift: Shift<TagCounts>, holder: Holder) {
        let Shift { found, counted } = shift;
        if found != counted {
            let what = format!("{path} keeps {found:?} of its tags, but {counted:?} were counted");
            self.drift(what, holder, Counter::Tags(shift));
        }
    }

    fn check_waiting(&mut self, key: QueueKey, entry: Detached) -> Result<(), Halt> {
        self.found.recount.checked.detached += 1;
        self.counted.queue += 1;
        // The record of a manifest or a group says where it was.
        let is_manifest = entry.node.is_own_way();
        if NODES.has(self.rows, &entry.node)? {
            self.met.ways += 1;
        } else if !is_manifest {
            let path = &entry.path;
            self.found.damage(format!("{path} is detached and has no way back to its name"));
        }
        self.path = entry.path;
        let counted = match entry.node {
            Node::Branch(id) => self.tags(id, Below::Queue)?.0,
            Node::Tag(id) => self.jobs(id, Below::Queue)?,
            Node::Job(id) => self.formats(id, Below::Queue)?.0,
            Node::Format(id) => self.files(id)?,
            // The walk over packages counts them: what a project or a group takes with it may be
            // waiting by itself as well, so an entry tells only what it was given.
            Node::Group(_) | Node::Project(_) | Node::Package(_) | Node::PackageFile(_) => {
                return Ok(());
            }
            Node::Manifest(_) => Usage::default(),
        };
        self.counted.detached = self.counted.detached.plus(counted);
        let whose = format!("what is left below detached {}", self.path);
        self.compare(&whose, Shift { found: entry.usage, counted }, Holder::Waiting(key));
        Ok(())
    }

    fn tags(&mut self, at: BranchId, below: Below) -> Result<(Usage, TagCounts), Halt> {
        let (mut usage, mut counts) = (Usage::default(), TagCounts::default());
        for row in TAGS.cursor(self.rows, Span::under(&at)) {
            match row? {
                Found::Row((_, name), tag) => {
                    super::super::tags::count(&mut counts, &tag);
                    usage = usage.plus(self.tag(at, name, &tag, below)?);
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(TAGS.name(), &key, &what);
                }
            }
        }
        Ok((usage, counts))
    }

    /// Recounts what lies below a tag; returns the counted usage.
    pub(super) fn tag(
        &mut self,
        at: BranchId,
        name: TagName,
        tag: &Tag,
        below: Below,
    ) -> Result<Usage, Halt> {
        self.walk.step()?;
        self.found.recount.checked.tags += 1;
        let end = self.enter(name.as_str());
        self.way(Node::Tag(tag.id), at.0, name.as_str(), below)?;
        self.age(at, &name, tag)?;
        let counted = self.jobs(tag.id, below)?;
        let shift = Shift { found: tag.usage, counted };
        self.compare_below(below, shift, Holder::Tag((at, name), tag.id));
        self.path.truncate(end);
        Ok(counted)
    }

    fn jobs(&mut self, at: TagId, below: Below) -> Result<Usage, Halt> {
        let mut usage = Usage::default();
        for row in JOBS.cursor(self.rows, Span::under(&at)) {
            self.walk.step()?;
            let (name, job) = match row? {
                Found::Row((_, name), job) => (name, job),
                Found::Unreadable { key, what } => {
                    self.found.unreadable(JOBS.name(), &key, &what);
                    continue;
                }
            };
            self.found.recount.checked.jobs += 1;
            let end = self.enter(name.as_str());
            self.way(Node::Job(job.id), at.0, name.as_str(), below)?;
            if below == Below::Names {
                self.feed(at, &name, &job)?;
            }
            let (counted, dirty) = self.formats(job.id, below)?;
            let holder = Holder::Job((at, name), job.id);
            let shift = Shift { found: job.dirty_formats, counted: dirty };
            self.compare_dirty(below, shift, &holder);
            self.compare_below(below, Shift { found: job.usage, counted }, holder);
            self.path.truncate(end);
            usage = usage.plus(counted);
        }
        Ok(usage)
    }

    fn formats(&mut self, at: JobId, below: Below) -> Result<(Usage, u64), Halt> {
        let (mut usage, mut dirty) = (Usage::default(), 0);
        for row in FORMATS.cursor(self.rows, Span::under(&at)) {
            self.walk.step()?;
            let (name, format) = match row? {
                Found::Row((_, name), format) => (name, format),
                Found::Unreadable { key, what } => {
                    self.found.unreadable(FORMATS.name(), &key, &what);
                    continue;
                }
            };
            self.found.recount.checked.formats += 1;
            let end = self.enter(name.as_str());
            self.way(Node::Format(format.id), at.0, name.as_str(), below)?;
            let counted = self.files(format.id)?;
            dirty += u64::from(format.dirty);
            let shift = Shift { found: format.usage, counted };
            self.compare_below(below, shift, Holder::Format((at, name), format.id));
            self.path.truncate(end);
            usage = usage.plus(counted);
        }
        Ok((usage, dirty))
    }

    fn files(&mut self, at: FormatId) -> Result<Usage, Halt> {
        // An image has no rows of files here: what it comes to is kept with its way back.
        let mut usage = self.image_usage(at)?;
        for row in ARTIFACTS.cursor(self.rows, Span::under(&at)) {
            self.walk.step()?;
            match row? {
                Found::Row(_, file) => {
                    self.found.recount.checked.artifacts += 1;
                    usage = usage.plus(Usage::of(file.size));
                }
                Found::Unreadable { key, what } => {
                    self.found.unreadable(ARTIFACTS.name(), &key, &what);
                }
            }
        }
        Ok(usage)
    }

    /// Whether the way back from a container leads to the name that led here.
    fn way(&mut self, node: Node, parent: u64, name: &str, below: Below) -> Result<(), Halt> {
        if self.waiting.contains(&node) {
            let path = &self.path;
            let below = if below == Below::Names { "its name is there" } else { "it lies deeper" };
            self.found.damage(format!("{path} waits to be destroyed, although {below}"));
        }
        let entry = Entry { parent, name: name.to_owned() };
        let found = match NODES.get(self.rows, &node) {
            Err(db::Error::Corrupt { .. }) => None,
            found => found?,
        };
        if found.as_ref() == Some(&entry) {
            self.met.ways += 1;
        } else {
            self.misnamed.insert(node);
            let path = &self.path;
            let what = format!("{path} has no way back from its id, {node:?}: found {found:?}");
            self.found.differ(what, Fix::Way(node, entry));
        }
        Ok(())
    }

    /// Whether a tag has its place in the order of age.
    fn age(&mut self, at: BranchId, name: &TagName, tag: &Tag) -> Result<(), Halt> {
        let found = match TAG_AGES.get(self.rows, &(at, (tag.created, tag.id))) {
            Err(db::Error::Corrupt { .. }) => None,
            found => found?,
        };
        if found.as_ref() == Some(name) {
            self.met.ages += 1;
        } else {
            let what = format!("{} is not in the order of age of its branch", self.path);
            self.found.differ(what, Fix::Age(at, name.clone()));
        }
        Ok(())
    }

    fn compare_below(&mut self, below: Below, shift: Shift<Usage>, holder: Holder) {
        if below == Below::Names {
            let whose = format!("the usage of {}", self.path);
            self.compare(&whose, shift, holder);
        }
    }

    fn compare_dirty(&mut self, below: Below, shift: Shift<u64>, holder: &Holder) {
        let Shift { found, counted } = shift;
        if below == Below::Names && found != counted {
            let path = &self.path;
            let what =
                format!("{path} keeps {found} dirty formats, but {counted} of its formats are");
            self.drift(what, holder.clone(), Counter::Dirty(shift));
        }
    }

    /// Goes one level down; the path is cut to the returned length on the way back.
    pub(super) fn enter(&mut self, name: &str) -> usize {
        let end = self.path.len();
        self.path.push_str(name);
        self.path.push('/');
        end
    }
}
