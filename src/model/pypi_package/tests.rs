//! The grammars as tables.

use super::*;

#[test]
fn every_spelling_of_a_name_is_one_name() {
    for (text, wanted) in [
        ("Foo", "foo"),
        ("foo_bar", "foo-bar"),
        ("Foo.Bar", "foo-bar"),
        ("foo-._-bar", "foo-bar"),
        ("a", "a"),
        ("7zip", "7zip"),
        ("zope.interface", "zope-interface"),
    ] {
        assert_eq!(PypiName::parse(text).unwrap().as_str(), wanted, "{text:?}");
    }
    let long = "a".repeat(256);
    for bad in [
        "", "-", "_a", "a.", "a b", "a/b", "..", "../a", "a\\b", "a\0", "a+b", "ａ", "ä", "ﬁ",
        &long,
    ] {
        assert_eq!(PypiName::parse(bad), Err(PypiError::Name(shown(bad))), "{bad:?}");
    }
}

#[test]
fn every_spelling_of_a_version_is_one_text() {
    for (text, wanted) in [
        ("1.0", "1.0"),
        ("v1.0", "1.0"),
        ("1.0.0-RC.1", "1.0.0rc1"),
        ("1.0alpha", "1.0a0"),
        ("1.0-1", "1.0.post1"),
        ("1.0.post", "1.0.post0"),
        ("1.0.DEV3", "1.0.dev3"),
        ("2024.01.02", "2024.1.2"),
        ("1!2.0", "1!2.0"),
        ("1.0+Ubuntu-1", "1.0+ubuntu.1"),
        ("1.0c2.post3.dev4+l", "1.0rc2.post3.dev4+l"),
    ] {
        assert_eq!(PypiVersion::parse(text).unwrap().as_str(), wanted, "{text:?}");
    }
    let long = "1".repeat(40);
    for bad in ["", "x", "1.", "1..0", "1.0-", "1/0", "../1", "1.0+", "latest", "١.٠", &long] {
        assert!(PypiVersion::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn versions_are_in_the_order_of_pep_440() {
    let ordered = [
        "1.0.dev1",
        "1.0a1.dev1",
        "1.0a1",
        "1.0a2",
        "1.0b1",
        "1.0rc1",
        "1.0",
        "1.0.0",
        "1.0+l.1",
        "1.0+l.2",
        "1.0.post1.dev1",
        "1.0.post1",
        "1.1",
        "1.2",
        "1.10",
        "2024.1",
        "1!0.1",
    ];
    let parsed = ordered.map(|text| PypiVersion::parse(text).unwrap());
    for (at, version) in parsed.iter().enumerate() {
        for (other_at, other) in parsed.iter().enumerate() {
            assert_eq!(version.cmp(other), at.cmp(&other_at), "{version} and {other}");
        }
    }
}

fn of(file: &str, name: &str, version: &str) -> Result<Distribution, PypiError> {
    let (name, version) = (PypiName::parse(name).unwrap(), PypiVersion::parse(version).unwrap());
    Distribution::of(file, &name, &version)
}

#[test]
fn a_file_belongs_to_the_name_and_version_that_it_says() {
    for (file, name, version) in [
        ("foo-1.0-py3-none-any.whl", "Foo", "1.0"),
        ("Foo_Bar-1.0-py2.py3-none-any.whl", "foo-bar", "1.0"),
        ("foo.bar-1.0-py3-none-any.whl", "foo-bar", "1.0"),
        ("foo-1.0-2b-cp311-cp311-manylinux_2_17_x86_64.whl", "foo", "1.0"),
        ("foo-1!1.0+ubuntu_1-py3-none-any.whl", "foo", "1!1.0+ubuntu.1"),
        ("foo-1.0.tar.gz", "foo", "v1.0"),
        ("Foo-Bar-1.0rc1.zip", "foo_bar", "1.0-RC1"),
        ("foo-bar-1.0-1.tar.gz", "foo-bar", "1.0.post1"),
        ("foo-2-1.0.tar.gz", "foo-2", "1.0"),
        ("foo-2024.01.02.tar.bz2", "foo", "2024.1.2"),
    ] {
        let found = of(file, name, version).unwrap();
        assert_eq!(found.file(), file);
        let name = PypiName::parse(name).unwrap();
        let key = PypiVersion::parse(version).unwrap().key(&name).unwrap();
        assert!(Distribution::places(file).contains(&key), "{file}");
    }
    for (file, name, version) in [
        ("foo-1.0-py3-none-any.whl", "bar", "1.0"),
        ("foo-1.0-py3-none-any.whl", "foo", "1.1"),
        ("foo-1.0.tar.gz", "foo", "1.0.0"),
        ("foo-bar-1.0.tar.gz", "foo", "1.0"),
    ] {
        assert!(matches!(of(file, name, version), Err(PypiError::Elsewhere { .. })), "{file}");
    }
}

#[test]
fn nothing_else_is_a_file_of_a_package() {
    for file in [
        "",
        "foo",
        "foo-1.0",
        "foo-1.0.exe",
        "foo-1.0-py3.egg",
        "foo-1.0.tar.gz.asc",
        "foo-1.0-any.whl",
        "foo-1.0-py3-none-any-x-y.whl",
        "foo-1.0-build-py3-none-any.whl",
        "foo-1.0--none-any.whl",
        "foo-x-py3-none-any.whl",
        "../foo-1.0.tar.gz",
        "..%2ffoo-1.0.tar.gz",
        "a/foo-1.0.tar.gz",
        "a\\foo-1.0.tar.gz",
        "foo- 1.0.tar.gz",
        "foo-1.0\0.tar.gz",
        "foo-1.0.tar.gz\n",
        "ｆoo-1.0.tar.gz",
        "foo-<b>-py3-none-any.whl",
    ] {
        assert!(matches!(of(file, "foo", "1.0"), Err(PypiError::File(_))), "{file:?}");
        assert_eq!(Distribution::places(file), [], "{file:?}");
    }
}

#[test]
fn spellings_of_one_file_have_one_identity() {
    let identity = |file, name| of(file, name, "1.0").unwrap().identity().to_owned();
    let wanted = identity("foo_bar-1.0.tar.gz", "foo-bar");
    for file in ["Foo_Bar-1.0.tar.gz", "foo.bar-1.0.tar.gz", "foo-bar-v1.0.tar.gz"] {
        assert_eq!(identity(file, "foo-bar"), wanted, "{file}");
    }
    for file in ["foo_bar-1.0.zip", "foo_bar-1.0-py3-none-any.whl"] {
        assert_ne!(identity(file, "foo-bar"), wanted, "{file}");
    }
    let wheel = identity("foo-1.0-py3-none-any.whl", "foo");
    assert_eq!(identity("FOO-1.0-Py3-none-Any.whl", "foo"), wheel);
    assert_ne!(identity("foo-1.0-1-py3-none-any.whl", "foo"), wheel);
}

#[test]
fn restrictions_of_python_are_read_loosely() {
    for good in [">=3.8", ">= 3.8, <4", "~=3.7", "!=3.0.*,>=2.7", ">=3.6.*", "===3.8", ">3,"] {
        assert_eq!(requires_python(good).unwrap().as_deref(), Some(good), "{good:?}");
    }
    for none in ["", "  ", ","] {
        assert_eq!(requires_python(none).unwrap().filter(|kept| kept != ","), None, "{none:?}");
    }
    for bad in ["3.8", ">=", "python", ">=3.8;x", "\"><script>", ">=3.8 <4", ">=３"] {
        assert!(requires_python(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_too_long_is_cut_where_it_means_the_same() {
    let clauses = vec![">=3.10"; 100].join(",");
    let kept = requires_python(&clauses).unwrap().unwrap();
    assert!(kept.len() <= REQUIRES_PYTHON_LENGTH_MAX && kept.ends_with(">=3.10"), "{kept}");
    assert_eq!(requires_python(&format!(">={}", "3".repeat(300))).unwrap(), None);
    assert_eq!(cut("äöü", 2), "äö");
    assert_eq!(cut("ab", 2), "ab");
    assert_eq!(cut("", 0), "");
}
