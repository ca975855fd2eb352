//! [`Document`]: what one document has used up: fields that are to be asked for once only, and rows
//! that lists within lists would read again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{Context, Result};

use super::errors::argument;

/// Most rows that all lists of a document may read together.
const ROWS_MAX: usize = 20_000;

/// The use that a document has made.
#[derive(Debug, Default)]
pub struct Document {
    bulk: AtomicUsize,
    rows: AtomicUsize,
}

impl Document {
    /// Refuses `field` if it was asked for already, under whatever name.
    ///
    /// # Errors
    /// In GitLab's words.
    pub fn only_once(&self, field: &str) -> Result<()> {
        if self.bulk.fetch_add(1, Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let why = format!("\"{field}\" field can be requested only for 1 Mutation(s) at a time.");
        Err(argument(why))
    }

    /// Takes rows off what may still be read.
    ///
    /// # Errors
    /// When that was all.
    pub fn spend(&self, rows: usize) -> Result<()> {
        let spent = self.rows.fetch_add(rows, Ordering::Relaxed).saturating_add(rows);
        if spent <= ROWS_MAX {
            return Ok(());
        }
        let why = format!(
            "Query has lists within lists that come to more than {ROWS_MAX} rows, ask in several \
             requests or for fewer with `first`"
        );
        Err(argument(why))
    }
}

/// The document that a resolver works for.
pub fn document<'c>(context: &Context<'c>) -> Result<&'c Document> {
    Ok(context.data::<Arc<Document>>()?.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_calls_run_out() {
        let document = Document::default();
        assert!(document.only_once("destroyPackages").is_ok());
        let told = document.only_once("destroyPackages").unwrap_err().message;
        let wanted =
            r#""destroyPackages" field can be requested only for 1 Mutation(s) at a time."#;
        assert_eq!(told, wanted);
        assert!(document.spend(ROWS_MAX).is_ok() && document.spend(1).is_err());
    }
}
