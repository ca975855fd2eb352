//! Tables of paths and of names of files.

use super::*;

fn parse(folder: &str, file: &str) -> Result<MavenPath, MavenPathError> {
    MavenPath::parse(&folder.split('/').collect::<Vec<_>>(), file)
}

/// The package's name, its version and what the file is.
fn read(folder: &str, file: &str) -> String {
    let text = |version: &PackageVersion| version.as_str().to_owned();
    match parse(folder, file).unwrap().place() {
        MavenPlace::Metadata(name) => format!("{name} metadata"),
        MavenPlace::SnapshotMetadata(name, version) => format!("{name} {version} metadata"),
        MavenPlace::File(key) => {
            let version = key.version.as_ref().map_or_else(|| "-".to_owned(), text);
            format!("{} {version}", key.series.name)
        }
    }
}

#[test]
fn a_path_is_a_package_and_a_version() {
    for (folder, file, expected) in [
        ("com/acme/app/1.0", "app-1.0.jar", "com/acme/app 1.0"),
        ("com/acme/app/1.0+7", "app-1.0+7.jar", "com/acme/app 1.0+7"),
        ("app/1.0", "app-1.0.pom", "app 1.0"),
        ("@acme/app/1.0", "app-1.0.pom", "@acme/app 1.0"),
        ("com/acme/app", "maven-metadata.xml", "com/acme/app metadata"),
        ("com", "maven-metadata.xml", "com metadata"),
        ("com/acme/app/1.0", "maven-metadata.xml", "com/acme/app/1.0 metadata"),
        ("com/acme/app/1-SNAPSHOT", "maven-metadata.xml", "com/acme/app 1-SNAPSHOT metadata"),
        ("com/acme/app", "maven-metadata.xml.asc", "com/acme/app -"),
        ("com/acme/app/1-SNAPSHOT", "maven-metadata.xml.asc", "com/acme/app 1-SNAPSHOT"),
        ("com/acme/app/1-SNAPSHOT", "app.jar", "com/acme/app 1-SNAPSHOT"),
        ("a_b/c-d/e.f/v", "..x", "a_b/c-d/e.f v"),
    ] {
        assert_eq!(read(folder, file), expected, "{folder} {file}");
    }
}

#[test]
fn what_is_no_path_is_refused() {
    for (folder, file, expected) in [
        ("com/acme/app/1.0", "", MavenPathError::FileName),
        ("com/acme/app/1.0", "..", MavenPathError::FileName),
        ("com/acme/app/1.0", "a b", MavenPathError::FileName),
        ("com/acme/app/1.0", "a~b", MavenPathError::FileName),
        ("com/acme/app/1.0", "ä.jar", MavenPathError::FileName),
        ("com/acme/app/1.0", "a\0.jar", MavenPathError::FileName),
        ("com/acme/app/1.0", "a%2Fb", MavenPathError::FileName),
        ("", "a.jar", MavenPathError::Path),
        ("1.0", "a.jar", MavenPathError::Path),
        ("com//app/1.0", "a.jar", MavenPathError::Path),
        ("/com/app/1.0", "a.jar", MavenPathError::Path),
        ("com/app/1.0/", "a.jar", MavenPathError::Path),
        ("../app/1.0", "a.jar", MavenPathError::Path),
        ("com/../app/1.0", "a.jar", MavenPathError::Path),
        ("com/./1.0", "a.jar", MavenPathError::Path),
        ("com/app/..", "a.jar", MavenPathError::Path),
        ("com/app/..", "maven-metadata.xml", MavenPathError::Path),
        ("com/app/1..0", "a.jar", MavenPathError::Path),
        ("com/a+b/1.0", "a.jar", MavenPathError::Path),
        ("com/@app/1.0", "a.jar", MavenPathError::Path),
        ("@/app/1.0", "a.jar", MavenPathError::Path),
        ("com/äpp/1.0", "a.jar", MavenPathError::Path),
        ("com/app/1.0~", "a.jar", MavenPathError::Path),
        ("com\\app/1.0", "a.jar", MavenPathError::Path),
    ] {
        assert_eq!(parse(folder, file), Err(expected), "{folder:?} {file:?}");
    }
    let long = "a".repeat(256);
    assert_eq!(parse("com/app/1.0", &long), Err(MavenPathError::FileName));
    assert_eq!(parse(&format!("com/{long}/1.0"), "a.jar"), Err(MavenPathError::Path));
    assert_eq!(parse(&format!("com/app/{long}"), "a.jar"), Err(MavenPathError::Path));
    assert_eq!(MavenPath::parse::<&str>(&[], "a.jar"), Err(MavenPathError::Path));
}

#[test]
fn a_checksum_is_of_the_file_without_its_end() {
    for (file, expected) in [
        ("a.jar.md5", Some(("a.jar", MavenSum::Md5))),
        ("a.jar.sha1", Some(("a.jar", MavenSum::Sha1))),
        ("a.jar.asc.sha256", Some(("a.jar.asc", MavenSum::Sha256))),
        ("a.zip.sha512.md5", Some(("a.zip.sha512", MavenSum::Md5))),
        ("maven-metadata.xml.sha512", Some(("maven-metadata.xml", MavenSum::Sha512))),
        ("a.jar", None),
        ("a.SHA1", None),
        (".sha1", None),
        ("...sha1", None),
    ] {
        let path = parse("com/acme/app/1.0", file).unwrap();
        let of = path.sum_of();
        let found = of.as_ref().map(|(of, sum)| (of.file(), *sum));
        assert_eq!(found, expected, "{file}");
    }
    let metadata = parse("com/acme/app", "maven-metadata.xml.sha1").unwrap().sum_of().unwrap().0;
    assert!(
        matches!(metadata.place(), MavenPlace::Metadata(name) if name.as_str() == "com/acme/app")
    );
}

#[test]
fn the_name_of_a_snapshots_file_says_which_build_and_kind_it_is() {
    let built = "1.0-20181107.152550-12";
    for (file, expected) in [
        ("app-1.0-20181107.152550-12.jar", Some((built, None, "jar"))),
        ("app-1.0-20181107.152550-12.tar.gz", Some((built, None, "tar.gz"))),
        ("app-1.0-20181107.152550-12.jar.asc", Some((built, None, "jar.asc"))),
        ("app-1.0-20181107.152550-12-sources.jar", Some((built, Some("sources"), "jar"))),
        ("app-1.0-20181107.152550-12-jdk1.5.jar", Some((built, Some("jdk1.5"), "jar"))),
        ("app-1.0-20181107.152550-12-bin.tar.gz", Some((built, Some("bin"), "tar.gz"))),
        ("app-1.0-20181107.152550-12-bin.tar.gz.asc", Some((built, Some("bin"), "tar.gz.asc"))),
        ("app-1.0-20181107.152550-12-x.jar.asc", Some((built, Some("x"), "jar.asc"))),
        ("app-1.0-20181107.152550-12-.asc", None),
        ("app-1.0-SNAPSHOT.jar", Some(("1.0-SNAPSHOT", None, "jar"))),
        ("app-1.0-SNAPSHOT-linux-x86_64.so", Some(("1.0-SNAPSHOT", Some("linux-x86_64"), "so"))),
        ("app-1.0-20181107.152550-12", None),
        ("app-1.0-20181107.152550-.jar", None),
        ("app-1.0-20181107.152550-007.jar", None),
        ("app-1.0-20181107.15255-1.jar", None),
        ("app-1.0-2018110x.152550-1.jar", None),
        ("app-1.0-99999999.999999-99999999999999999999.jar", None),
        ("app-1.0.jar", None),
        ("app-1.0-", None),
        ("other-1.0-SNAPSHOT.jar", None),
        ("app.jar", None),
    ] {
        let read = MavenFile::read("com/acme/app", "1.0-SNAPSHOT", file);
        let found = read
            .as_ref()
            .map(|read| (read.value.as_str(), read.classifier.as_deref(), read.extension.as_str()));
        assert_eq!(found, expected, "{file}");
    }
    assert_eq!(MavenFile::read("app", "1.0", "app-1.0.jar"), None);
}

#[test]
fn the_build_with_the_higher_number_is_the_later_one() {
    let build = |file: &str| MavenFile::read("app", "1-SNAPSHOT", file).unwrap().build.unwrap();
    let ninth = build("app-1-20200101.000000-9.jar");
    assert!(ninth < build("app-1-20190101.000000-10.jar"));
    assert!(ninth < build("app-1-20200101.000001-9.jar"));
}
