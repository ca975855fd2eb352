//! Tarballs as npm packs them, and as somebody with a plan would.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::*;

const JSON: &str = r#"{"name":"@acme/app","version":"1.0.0"}"#;

/// A tarball of entries, none of which its maker looks at.
struct Tar(Builder<GzEncoder<Vec<u8>>>);

impl Tar {
    fn new() -> Self {
        Self(Builder::new(GzEncoder::new(Vec::new(), Compression::fast())))
    }

    fn add(self, path: &str, bytes: &[u8]) -> Self {
        self.put(path, EntryType::Regular, bytes)
    }

    fn put(mut self, path: &str, kind: EntryType, bytes: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(bytes.len().try_into().unwrap());
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    fn pack(self) -> Vec<u8> {
        self.0.into_inner().unwrap().finish().unwrap()
    }

    fn check(self) -> Result<Contents, TarballError> {
        check_bytes(&self.pack(), UnpackLimits::default())
    }
}

fn check_bytes(packed: &[u8], limits: UnpackLimits) -> Result<Contents, TarballError> {
    let name = NpmName::parse("@acme/app").unwrap();
    let version = NpmVersion::parse("1.0.0").unwrap();
    check(packed, packed.len().try_into().unwrap(), (&name, &version), limits)
}

fn with_json(json: &str) -> Result<Contents, TarballError> {
    Tar::new().add("package/package.json", json.as_bytes()).check()
}

/// A header of pax with one record.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}

#[test]
fn a_packed_package_is_taken() {
    let tar = Tar::new()
        .put("package/", EntryType::Directory, b"")
        .add("package/package.json", JSON.as_bytes())
        .add("package/lib/index.js", b"module.exports = 1;\n");
    let found = tar.check().unwrap();
    let unpacked_bytes = (JSON.len() + 20).try_into().unwrap();
    assert_eq!(found, Contents { files: 2, unpacked_bytes, ..Contents::default() });
    // Any first folder will do, and long paths.
    let long = format!("any/{}/file.js", "d".repeat(200));
    let tar = Tar::new()
        .put("././@LongLink", EntryType::GNULongName, format!("{long}\0").as_bytes())
        .add("any/cut", b"")
        .put("pax", EntryType::XHeader, &pax("path", &long))
        .add("any/cut", b"")
        .add("any/package.json", JSON.as_bytes());
    assert_eq!(tar.check().unwrap().files, 3);
}

#[test]
fn what_installing_runs_and_brings_is_found() {
    let tar = |file: &str| Tar::new().add("p/package.json", JSON.as_bytes()).add(file, b"");
    assert!(tar("p/binding.gyp").check().unwrap().has_install_script);
    assert!(tar("p/npm-shrinkwrap.json").check().unwrap().has_shrinkwrap);
    let json = r#"{"name":"@acme/app","version":"1.0.0","scripts":{"postinstall":"x"}}"#;
    assert!(with_json(json).unwrap().has_install_script);
    assert!(!with_json(JSON).unwrap().has_install_script);
}

#[test]
fn what_package_json_says_is_what_is_published() {
    for good in [
        r#"{"name":"@acme/app","version":"v1.0.0+build"}"#,
        "\u{feff}{\"name\":\"@acme/app\",\"version\":\" 1.0.0\"}",
    ] {
        with_json(good).unwrap();
    }
    for (bad, what) in [
        (r#"{"name":"@acme/other","version":"1.0.0"}"#, "says name \"@acme/other\""),
        (r#"{"name":"@ACME/app","version":"1.0.0"}"#, "says name \"@ACME/app\""),
        (r#"{"name":"@acme/app","version":"1.0.1"}"#, "says version \"1.0.1\""),
        (r#"{"name":"@acme/app"}"#, "says version \"\""),
        (r#"{"version":"1.0.0"}"#, "says name \"\""),
        ("[]", "cannot be read"),
        ("{", "cannot be read"),
        ("", "cannot be read"),
    ] {
        let error = with_json(bad).unwrap_err().to_string();
        assert!(error.contains(what), "{bad}: {error}");
    }
    let deep = format!(r#"{{"x":{}"#, "[".repeat(1 << 19));
    assert!(with_json(&deep).unwrap_err().to_string().contains("recursion limit"));
}

#[test]
fn one_package_json_is_there() {
    let none = Tar::new().add("package/lib/package.json", JSON.as_bytes()).check();
    assert!(matches!(none, Err(TarballError::NoPackageJson)));
    for second in ["package/package.json", "other/package.json", "package/Package.JSON"] {
        let tar = Tar::new().add("package/package.json", JSON.as_bytes());
        let error = tar.add(second, JSON.as_bytes()).check();
        assert!(matches!(error, Err(TarballError::TwoPackageJson)), "{second}");
    }
    let large = " ".repeat((1 << 20) + 1);
    assert!(matches!(with_json(&large), Err(TarballError::PackageJsonSize(_))));
}

#[test]
fn nothing_leads_out_of_the_first_folder() {
    let deep = "d/".repeat(40) + "f";
    for bad in [
        "../evil",
        "package/../../evil",
        "/etc/passwd",
        "package//x",
        "package/./x",
        "..",
        "package\\..\\evil",
        "C:/evil",
        "package/\u{ff}",
    ] {
        let error = Tar::new().add("p/package.json", JSON.as_bytes()).add(bad, b"").check();
        if bad.contains('\u{ff}') {
            error.unwrap();
        } else {
            assert!(matches!(error, Err(TarballError::Path(_))), "{bad}: {error:?}");
        }
    }
    Tar::new().add("p/package.json", JSON.as_bytes()).add(&deep, b"").check().unwrap();
    let too_deep = "d/".repeat(200) + "f";
    let tar = Tar::new().put("pax", EntryType::XHeader, &pax("path", &too_deep));
    assert!(matches!(tar.add("cut", b"").check(), Err(TarballError::Path(_))));
    let tar = Tar::new().put("x", EntryType::GNULongName, b"package/../../evil\0");
    assert!(matches!(tar.add("cut", b"").check(), Err(TarballError::Path(_))));
}

#[test]
fn links_and_devices_are_refused() {
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo] {
        let error = Tar::new().put("package/x", kind, b"").check();
        assert!(matches!(error, Err(TarballError::Kind(_))), "{kind:?}");
    }
    for (key, value) in [("size", "9"), ("linkpath", "/etc")] {
        let tar = Tar::new().put("x", EntryType::XHeader, &pax(key, value));
        assert!(matches!(tar.check(), Err(TarballError::Header(_))), "{key}");
    }
    let tar = Tar::new().put("x", EntryType::GNULongName, &vec![b'x'; 70_000]);
    assert!(matches!(tar.check(), Err(TarballError::Header(_))));
}

#[test]
fn a_bomb_is_not_unpacked() {
    let limits = UnpackLimits { bytes_max: 8 << 20, times_max: 100, bytes_free: 1 << 20 };
    let zeros = vec![0; 4 << 20];
    let tar = Tar::new().add("p/package.json", JSON.as_bytes()).add("p/zeros", &zeros);
    let packed = tar.pack();
    assert!(packed.len() < 40_000, "{}", packed.len());
    assert!(matches!(check_bytes(&packed, limits), Err(TarballError::Bomb(_))));
    let enough = UnpackLimits { bytes_free: 8 << 20, ..limits };
    assert_eq!(check_bytes(&packed, enough).unwrap().files, 2);
    let all = UnpackLimits { bytes_max: 2 << 20, ..enough };
    assert!(matches!(check_bytes(&packed, all), Err(TarballError::Bomb(_))));
}

#[test]
fn what_is_no_tarball_is_refused() {
    let whole = Tar::new().add("package/package.json", JSON.as_bytes()).pack();
    let mut plain = GzEncoder::new(Vec::new(), Compression::fast());
    plain.write_all(&[7; 2000]).unwrap();
    for bad in [&b""[..], b"no gzip", &whole[..whole.len() / 2], &plain.finish().unwrap()] {
        let error = check_bytes(bad, UnpackLimits::default()).unwrap_err();
        assert!(matches!(error, TarballError::Unreadable(_)), "{error}");
    }
}
