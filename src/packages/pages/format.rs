//! [`Format`]: what a format says of its pages.

use super::{Line, Lines, PageKey};
use crate::model::{Package, PackageId};
use crate::store::{self, View};

/// One of a format's pages: what it shows of a package, and what is around that.
pub trait Format {
    /// Its name, with all that the page depends on beside packages: the address that links begin
    /// with.
    fn flavour(&self) -> String;

    /// The lines of a package that can be installed; none when it is not shown.
    ///
    /// # Errors
    /// Those of the store.
    fn lines(
        &self,
        view: &View,
        id: PackageId,
        package: &Package,
    ) -> Result<Vec<Line>, store::Error>;

    /// The page: these lines, and whatever else `view` has of the series in these projects.
    ///
    /// # Errors
    /// Those of the store.
    fn frame(&self, view: &View, key: &PageKey, lines: &Lines<'_>)
    -> Result<Vec<u8>, store::Error>;
}
