//! The words of packages: kinds, states and orders (spec gitlab §10.2).

use async_graphql::Enum;

use crate::model::{self, PackageKind};
use crate::store::package_lists::{Direction, PackageOrder};

/// What kind of client a package is for. Of most of these there is nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PackageTypeEnum {
    /// Packages of Maven.
    Maven,
    /// Packages of npm.
    Npm,
    /// Packages of Conan.
    Conan,
    /// Packages of `NuGet`.
    Nuget,
    /// Packages of `PyPI`.
    Pypi,
    /// Packages of Composer.
    Composer,
    /// Any files.
    Generic,
    /// Modules of Go.
    Golang,
    /// Packages of Debian.
    Debian,
    /// Gems.
    Rubygems,
    /// Charts of Helm.
    Helm,
    /// Modules of Terraform.
    TerraformModule,
    /// Packages of RPM.
    Rpm,
    /// Models of machine learning.
    MlModel,
}

impl PackageTypeEnum {
    /// The kind; `None`: nothing here is of it.
    pub fn kind(self) -> Option<PackageKind> {
        match self {
            Self::Maven => Some(PackageKind::Maven),
            Self::Npm => Some(PackageKind::Npm),
            Self::Pypi => Some(PackageKind::Pypi),
            Self::Generic => Some(PackageKind::Generic),
            _ => None,
        }
    }
}

impl From<PackageKind> for PackageTypeEnum {
    fn from(kind: PackageKind) -> Self {
        match kind {
            PackageKind::Maven => Self::Maven,
            PackageKind::Npm => Self::Npm,
            PackageKind::Pypi => Self::Pypi,
            PackageKind::Generic => Self::Generic,
        }
    }
}

/// What a package may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::PackageStatus")]
pub enum PackageStatus {
    /// Everything.
    Default,
    /// It is served and not listed.
    Hidden,
    /// It is not ready.
    Processing,
    /// It is not served.
    Error,
    /// It is being deleted.
    PendingDestruction,
    /// It is served, and its publisher advises against it.
    Deprecated,
}

/// Declares the orders of a list.
macro_rules! sorts {
    ($(#[$doc:meta])* $name:ident: $($order:ident $up:ident $down:ident $text:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
        pub enum $name {
            $(
                #[doc = concat!("By ", $text, ", the lowest first.")]
                $up,
                #[doc = concat!("By ", $text, ", the highest first.")]
                $down,
            )*
        }

        impl $name {
            /// The order and its end.
            pub fn order(self) -> (PackageOrder, Direction) {
                match self {
                    $(
                        Self::$up => (PackageOrder::$order, Direction::Ascending),
                        Self::$down => (PackageOrder::$order, Direction::Descending),
                    )*
                }
            }
        }
    };
}

sorts! {
    /// In which order packages of a project are listed.
    PackageSort:
    Created CreatedAsc CreatedDesc "when they were published";
    Name NameAsc NameDesc "name";
    Version VersionAsc VersionDesc "version, as text";
    Kind TypeAsc TypeDesc "kind";
}

sorts! {
    /// In which order packages of a group are listed.
    PackageGroupSort:
    Created CreatedAsc CreatedDesc "when they were published";
    Name NameAsc NameDesc "name";
    Version VersionAsc VersionDesc "version, as text";
    Kind TypeAsc TypeDesc "kind";
    ProjectPath ProjectPathAsc ProjectPathDesc "the full path of their project";
}
