//! Texts that are written and read.

use super::*;

fn texts(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn plugin(artifact: &str, prefix: &str, name: &str) -> MavenPlugin {
    let [artifact, prefix, name] = [artifact, prefix, name].map(str::to_owned);
    MavenPlugin { artifact, prefix, name }
}

#[test]
fn an_artifacts_metadata_lists_its_versions() {
    let versions = texts("1.0 1.1 2.0-SNAPSHOT");
    let updated = Timestamp(1_541_604_350_000_000);
    let metadata =
        MavenMetadata { name: "com/acme/app", versions: &versions, updated, plugins: &[] };
    assert_eq!(
        metadata.render().unwrap(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <metadata modelVersion=\"1.1.0\">\n  \
           <groupId>com.acme</groupId>\n  \
           <artifactId>app</artifactId>\n  \
           <versioning>\n    \
             <latest>2.0-SNAPSHOT</latest>\n    \
             <release>1.1</release>\n    \
             <versions>\n      \
               <version>1.0</version>\n      \
               <version>1.1</version>\n      \
               <version>2.0-SNAPSHOT</version>\n    \
             </versions>\n    \
             <lastUpdated>20181107152550</lastUpdated>\n  \
           </versioning>\n\
         </metadata>\n"
    );
}

#[test]
fn without_releases_none_is_named_and_without_anything_there_is_no_text() {
    let versions = texts("1-SNAPSHOT");
    let mut metadata = MavenMetadata {
        name: "a/b",
        versions: &versions,
        updated: Timestamp::default(),
        plugins: &[],
    };
    let text = metadata.render().unwrap();
    assert!(text.contains("<latest>1-SNAPSHOT<") && !text.contains("<release>"), "{text}");
    metadata.versions = &[];
    assert_eq!(metadata.render(), None);
    assert_eq!(MavenSnapshot::default().render("a/b", "1-SNAPSHOT"), None);
}

#[test]
fn plugins_are_read_as_they_are_written() {
    let plugins = [plugin("a-maven-plugin", "a", "<A> & \"B\""), plugin("b", "b", "")];
    let metadata = MavenMetadata {
        name: "com/acme",
        versions: &[],
        updated: Timestamp::default(),
        plugins: &plugins,
    };
    let text = metadata.render().unwrap();
    assert!(text.contains("<name>&lt;A&gt; &amp;"), "{text}");
    assert!(!text.contains("versioning") && !text.contains("groupId"), "{text}");
    assert_eq!(MavenPlugin::read_all(text.as_bytes()).unwrap(), plugins);
}

#[test]
fn of_two_entries_for_an_artifact_the_new_one_counts() {
    let old = vec![plugin("a", "a", ""), plugin("c", "c", "")];
    let new = vec![plugin("b", "b", ""), plugin("a", "x", "")];
    let merged = MavenPlugin::merge(old, new);
    assert_eq!(merged, [plugin("a", "x", ""), plugin("b", "b", ""), plugin("c", "c", "")]);
}

#[test]
fn what_is_read_is_trimmed_and_what_cannot_be_called_is_left_out() {
    let text = "\u{feff}<?xml version='1.0'?><!-- x --><metadata xmlns='urn:x'><versioning/>\
        <plugins><plugin><name> A&#32;<![CDATA[<B>]]> </name>\n<prefix>\n hi </prefix>\
        <artifactId>hi-maven-plugin</artifactId><goal>x</goal></plugin>\
        <plugin><prefix>p</prefix><artifactId>../x</artifactId></plugin>\
        <plugin/></plugins></metadata>";
    let read = MavenPlugin::read_all(text.as_bytes()).unwrap();
    assert_eq!(read, [plugin("hi-maven-plugin", "hi", "A <B>")]);
    assert_eq!(MavenPlugin::read_all(b"<metadata/>").unwrap(), []);
}

#[test]
fn hostile_and_broken_texts_are_refused() {
    use MavenXmlError::{Depth, Entities, Plugins, Root};
    let deep = format!("<metadata>{}", "<a>".repeat(100_000));
    let many = "<plugin><prefix>p</prefix><artifactId>a</artifactId></plugin>".repeat(1_001);
    let many = format!("<metadata><plugins>{many}</plugins></metadata>");
    for (text, expected) in [
        ("", Root),
        ("   ", Root),
        ("hello", Root),
        ("<html/>", Root),
        ("<metadata/><metadata/>", Root),
        ("<metadata/>more", Root),
        (
            "<!DOCTYPE a [<!ENTITY a \"x\"><!ENTITY b \"&a;&a;\">]><metadata>&b;</metadata>",
            Entities,
        ),
        ("<metadata>&lol;</metadata>", Entities),
        (&deep, Depth),
        (&many, Plugins),
    ] {
        let shown: String = text.chars().take(60).collect();
        assert_eq!(MavenPlugin::read_all(text.as_bytes()), Err(expected), "{shown}");
    }
    for text in ["<metadata>", "<metadata></a></metadata>", "<metadata", "<metadata>&#x0;"] {
        let error = MavenPlugin::read_all(text.as_bytes()).unwrap_err();
        assert!(matches!(error, MavenXmlError::Syntax(_)), "{text}: {error}");
    }
    assert!(matches!(MavenPlugin::read_all(b"<metadata>\xff"), Err(MavenXmlError::Syntax(_))));
}

fn snapshot(files: &[(&str, u64)]) -> MavenSnapshot {
    let mut snapshot = MavenSnapshot::default();
    for (file, second) in files {
        let file = MavenFile::read("com/acme/app", "1.0-SNAPSHOT", file).unwrap();
        snapshot.add(file, Timestamp(second * 1_000_000));
    }
    snapshot
}

#[test]
fn a_snapshots_metadata_names_the_newest_of_each_kind() {
    let mut files = [
        ("app-1.0-20181107.152550-1.jar", 10),
        ("app-1.0-20181107.152550-1-sources.jar", 11),
        ("app-1.0-20181107.152550-1.pom", 12),
        ("app-1.0-20181108.000000-2.jar", 13),
        ("app-1.0-20181108.000000-2.pom", 14),
    ];
    let text = snapshot(&files).render("com/acme/app", "1.0-SNAPSHOT").unwrap();
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata"), "{text}");
    assert!(text.contains("  <groupId>com.acme</groupId>\n  <artifactId>app</artifactId>\n"));
    assert!(text.contains("  <version>1.0-SNAPSHOT</version>\n"), "{text}");
    assert!(text.contains("      <timestamp>20181108.000000</timestamp>\n"), "{text}");
    assert!(text.contains("      <buildNumber>2</buildNumber>\n"), "{text}");
    assert!(text.contains("    <lastUpdated>20181108000000</lastUpdated>\n"), "{text}");
    assert_eq!(text.matches("<snapshotVersion>").count(), 3, "{text}");
    assert!(
        text.contains(
            "        <classifier>sources</classifier>\n        \
             <extension>jar</extension>\n        \
             <value>1.0-20181107.152550-1</value>\n        \
             <updated>20181107152550</updated>\n"
        ),
        "{text}"
    );
    files.reverse();
    assert_eq!(snapshot(&files).render("com/acme/app", "1.0-SNAPSHOT").unwrap(), text);
}

#[test]
fn a_snapshot_without_builds_is_named_by_its_version() {
    let plain = ("app-1.0-SNAPSHOT.jar", 1_541_604_350);
    let text = snapshot(&[plain]).render("com/acme/app", "1.0-SNAPSHOT").unwrap();
    assert!(!text.contains("<snapshot>"), "{text}");
    assert!(text.contains("<value>1.0-SNAPSHOT</value>"), "{text}");
    assert!(text.contains("<updated>20181107152550</updated>"), "{text}");
}

#[test]
fn of_a_build_and_a_file_without_one_the_later_upload_counts() {
    let value = |files: &[(&str, u64)]| {
        let text = snapshot(files).render("com/acme/app", "1.0-SNAPSHOT").unwrap();
        let value = text.split("<value>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        (value, text.contains("<buildNumber>"))
    };
    let (built, plain) = ("app-1.0-20181107.152550-1.jar", "app-1.0-SNAPSHOT.jar");
    assert_eq!(value(&[(built, 1), (plain, 2)]), ("1.0-SNAPSHOT".to_owned(), false));
    assert_eq!(value(&[(plain, 1), (built, 2)]), ("1.0-20181107.152550-1".to_owned(), true));
}
