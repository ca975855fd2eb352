//! Global ids: `gid://gitlab/<Class>/<number>` (spec gitlab §10.1). Clients hand them back, so each
//! class has a type of its own.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// What every id begins with.
const SCHEME: &str = "gid://gitlab/";

/// Writes an id.
#[must_use]
pub fn write(class: &str, number: u64) -> String {
    format!("{SCHEME}{class}/{number}")
}

/// Reads an id of this class.
///
/// # Errors
/// A sentence.
pub fn read(class: &str, text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix(class));
    let digits = digits.and_then(|rest| rest.strip_prefix('/'));
    let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| format!("\"{text}\" does not represent an instance of {class}"))
}

/// Declares the scalar of a class: its Rust and GraphQL name, its class, and its doc.
macro_rules! global_id {
    ($name:ident, $class:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub u64);

        #[Scalar]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                let Value::String(text) = &value else {
                    return Err(InputValueError::expected_type(value));
                };
                read($class, text).map(Self).map_err(InputValueError::custom)
            }

            fn to_value(&self) -> Value {
                Value::String(write($class, self.0))
            }
        }
    };
}

global_id!(UserID, "User", "The id of a user: `gid://gitlab/User/1`.");
global_id!(
    DependencyProxyManifestID,
    "DependencyProxy::Manifest",
    "The id of a manifest of a dependency proxy: `gid://gitlab/DependencyProxy::Manifest/1`."
);
global_id!(
    PackagesPackageID,
    "Packages::Package",
    "The id of a package: `gid://gitlab/Packages::Package/1`."
);
global_id!(
    PackagesPackageFileID,
    "Packages::PackageFile",
    "The id of a file of a package: `gid://gitlab/Packages::PackageFile/1`."
);
global_id!(
    PackagesTagID,
    "Packages::Tag",
    "The id of a moving name of a version: `gid://gitlab/Packages::Tag/1`."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_class() {
        assert_eq!(write("Group", 7), "gid://gitlab/Group/7");
        assert_eq!(read("A::B", "gid://gitlab/A::B/12"), Ok(12));
        for wrong in ["", "12", "gid://gitlab/A/12", "gid://gitlab/A::B/", "gid://gitlab/A::B/-1"] {
            let told = read("A::B", wrong).unwrap_err();
            assert_eq!(told, format!("\"{wrong}\" does not represent an instance of A::B"));
        }
    }
}
