//! How many tags and indexes name each manifest (I2).
//!
//! No table leads from a manifest to the indexes that name it, so manifests are counted in
//! rounds: as many as fit into bounded memory, over one walk of all tags and manifests each.

use std::collections::BTreeMap;

use super::fix::Fix;
use super::image_fix::ImageFix;
use super::index::sure;
use super::shift::Shift;
use super::{Halt, Pass};
use crate::db::schema::{IMAGE_TAGS, MANIFESTS};
use crate::db::{Found, Span};
use crate::model::{ManifestId, Node, Standing};
use crate::store::manifests::is_named;

/// Rows that are counted in one round: some tens of MiB.
pub(super) const ROUND: usize = if cfg!(test) { 3 } else { 1 << 18 };

/// Holders, as a manifest keeps their number.
pub(super) fn count_of(standing: Standing) -> u64 {
    match standing {
        Standing::Held { count } => count,
        Standing::Follows | Standing::Untagged { .. } | Standing::Doomed { .. } => 0,
    }
}

type Round = BTreeMap<ManifestId, (Standing, u64)>;

impl Pass<'_, '_, '_> {
    pub(super) fn check_holders(&mut self) -> Result<(), Halt> {
        let mut after = None;
        loop {
            let (mut round, last) = self.read_round(after)?;
            self.count_holders(&mut round)?;
            for (id, (standing, counted)) in round {
                self.compare_holders(id, standing, counted);
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Manifests behind `after`, and the last one if there may be more.
    fn read_round(
        &mut self,
        after: Option<ManifestId>,
    ) -> Result<(Round, Option<ManifestId>), Halt> {
        let span = after.map_or_else(Span::all, |after| Span::all().after(&after));
        let mut round = Round::new();
        for row in MANIFESTS.cursor(self.rows, span) {
            self.walk.step()?;
            let Found::Row(id, manifest) = row? else { continue };
            // Below what is being destroyed nothing is counted any more.
            if sure(is_named(self.rows, id, &manifest))? {
                round.insert(id, (manifest.standing, 0));
            }
            if round.len() == ROUND {
                return Ok((round, Some(id)));
            }
        }
        Ok((round, None))
    }

    fn count_holders(&mut self, round: &mut Round) -> Result<(), Halt> {
        if round.is_empty() {
            return Ok(());
        }
        for row in IMAGE_TAGS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            let Found::Row(_, tag) = row? else { continue };
            count(round, tag.manifest);
        }
        for row in MANIFESTS.cursor(self.rows, Span::all()) {
            self.walk.step()?;
            let Found::Row(_, manifest) = row? else { continue };
            manifest.children.iter().for_each(|child| count(round, *child));
        }
        Ok(())
    }

    fn compare_holders(&mut self, id: ManifestId, standing: Standing, counted: u64) {
        let shift = Shift { found: count_of(standing), counted };
        if shift.found == counted && standing != (Standing::Held { count: 0 }) {
            return;
        }
        let path = self.name_of(Node::Manifest(id));
        let what = format!(
            "{path} is kept as {standing:?}, but {counted} tags and indexes that name it were \
             counted"
        );
        self.found.differ(what, Fix::Image(ImageFix::Holders(id, shift)));
    }
}

fn count(round: &mut Round, id: ManifestId) {
    if let Some((_, counted)) = round.get_mut(&id) {
        *counted += 1;
    }
}
