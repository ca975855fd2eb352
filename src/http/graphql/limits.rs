//! What a document may cost before anything looks at it closely: how deep it goes, and how much it
//! comes to when its fragments are put in where they are named.
//!
//! A few hundred characters of fragments that name each other twice come to billions of fields;
//! so this is counted first, and given up at the limit. What a page of a list costs is told at its
//! field, and added up against [`COMPLEXITY_MAX`] by the library.

use async_graphql::ServerError;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

/// Most fields within one another. What asks for the schema needs 15.
const DEPTH_MAX: usize = 16;
/// Most fragments within one another, between any two fields.
const FRAGMENTS_MAX: usize = 16;
/// Most fields and fragments, each counted wherever it is put in.
const SELECTIONS_MAX: usize = 2000;
/// Most that all fields cost together: 1 each, and more for a page of a list.
pub const COMPLEXITY_MAX: usize = 1000;

/// Why a document is not looked at.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Fields, or fragments, within one another.
    #[error(
        "The query goes too deep: {DEPTH_MAX} fields within one another are possible, and \
         {FRAGMENTS_MAX} fragments"
    )]
    Deep,
    /// All together.
    #[error(
        "The query is too large: it comes to more than {SELECTIONS_MAX} fields and fragments, ask \
         in several requests"
    )]
    Large,
}

impl From<TooMuch> for ServerError {
    fn from(error: TooMuch) -> Self {
        Self::new(error.to_string(), None)
    }
}

/// Refuses what would cost too much to look at.
///
/// # Errors
/// [`TooMuch`].
pub fn check(document: &ExecutableDocument) -> Result<(), TooMuch> {
    let mut walk = Walk { document, left: SELECTIONS_MAX };
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set);
    operations.chain(fragments).try_for_each(|set| walk.through(&set.node, 1, 0))
}

/// On the way through a document.
struct Walk<'d> {
    document: &'d ExecutableDocument,
    left: usize,
}

impl<'d> Walk<'d> {
    fn through(
        &mut self,
        set: &'d SelectionSet,
        depth: usize,
        fragments: usize,
    ) -> Result<(), TooMuch> {
        // A set that nothing is selected from is that of a field without one.
        if !set.items.is_empty() && (depth > DEPTH_MAX || fragments > FRAGMENTS_MAX) {
            return Err(TooMuch::Deep);
        }
        for selection in &set.items {
            self.left = self.left.checked_sub(1).ok_or(TooMuch::Large)?;
            match &selection.node {
                Selection::Field(field) => {
                    self.through(&field.node.selection_set.node, depth + 1, 0)?;
                }
                Selection::InlineFragment(inline) => {
                    self.through(&inline.node.selection_set.node, depth, fragments + 1)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name) {
                        let set = &fragment.node.selection_set.node;
                        self.through(set, depth, fragments + 1)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use async_graphql::parser::parse_query;

    use super::*;

    fn checked(text: &str) -> Result<(), TooMuch> {
        check(&parse_query(text).unwrap())
    }

    #[test]
    fn fields_go_so_deep_and_no_deeper() {
        let deep = |depth: usize| format!("{}{}", "{a".repeat(depth), "}".repeat(depth));
        assert_eq!(checked(&deep(DEPTH_MAX)), Ok(()));
        assert_eq!(checked(&deep(DEPTH_MAX + 1)), Err(TooMuch::Deep));
    }

    #[test]
    fn fragments_that_name_each_other_twice_are_given_up_at_once() {
        let mut text = "{ ...f0 }".to_owned();
        for at in 0..200 {
            let next = at + 1;
            write!(text, "fragment f{at} on Q{{a{{...f{next} ...f{next}}}}}").unwrap();
        }
        text.push_str("fragment f200 on Q{a}");
        assert!(checked(&text).is_err());
        let spread = text.replace("a{", "").replace("}}", "}");
        assert!(checked(&spread).is_err());
    }

    #[test]
    fn fragments_that_name_themselves_end() {
        assert_eq!(checked("{...f} fragment f on Q{...f}"), Err(TooMuch::Deep));
        assert_eq!(checked("{a} fragment f on Q{b{...f}}"), Err(TooMuch::Deep));
    }

    #[test]
    fn all_fields_together_are_counted() {
        let many = |count: usize| format!("{{{}}}", "a ".repeat(count));
        assert_eq!(checked(&many(SELECTIONS_MAX)), Ok(()));
        assert_eq!(checked(&many(SELECTIONS_MAX + 1)), Err(TooMuch::Large));
    }
}
