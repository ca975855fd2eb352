//! Rules of folders and built-in ones, asked as the server asks them.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::model::{User, UserName};

fn user(login: &str, groups: &[&str]) -> Caller {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Caller::User(User { login: UserName::parse(login).unwrap(), groups, rank: Rank::Ordinary })
}

fn admin(login: &str) -> Caller {
    let login = UserName::parse(login).unwrap();
    Caller::User(User { login, groups: Vec::new(), rank: Rank::Admin })
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const ALL: [Right; 4] = [Right::Read, Right::Add, Right::Update, Right::Delete];

#[test]
fn built_in_rules() {
    let access = Access::built_in();
    let eve = user("eve", &["any"]);
    for (path, anonymous, users) in [
        ("/", true, true),
        ("/cli", true, true),
        ("/static/x.css", true, true),
        ("/branches/", false, true),
        ("/branches/b/t/", false, true),
        ("/products/p/", false, true),
        ("/~bob/branches/", false, false),
        ("/~eve", false, false),
        ("/~evelyn/branches/", false, false),
        ("/v2/", false, true),
        ("/v2/_catalog", false, true),
        ("/v2/main/build/manifests/1", false, true),
        ("/v2/u/bob/x/manifests/1", false, false),
        ("/v2/u/evelyn/x/manifests/1", false, false),
        ("/-/stats", false, false),
        ("/anything", false, false),
        ("", false, false),
    ] {
        assert_eq!(access.allows(&Caller::Anonymous, Right::Read, path), anonymous, "{path}");
        assert_eq!(access.explain(&eve, Right::Read, path).allowed, users, "{path}");
        assert_eq!(access.allows(&eve, Right::Read, path), users, "{path}");
        for right in [Right::Add, Right::Update, Right::Delete] {
            assert!(!access.allows(&eve, right, path), "{right} {path}");
            assert!(!access.allows(&Caller::Anonymous, right, path), "{right} {path}");
        }
        assert!(ALL.iter().all(|right| access.allows(&admin("root"), *right, path)), "{path}");
    }
    for own in ["/~eve/branches/b/", "/v2/u/eve/x/manifests/1"] {
        assert!(ALL.iter().all(|right| access.allows(&eve, *right, own)), "{own}");
    }
    assert!(ALL.iter().all(|right| Access::open().allows(&Caller::Anonymous, *right, "/x")));
}

#[test]
fn a_group_has_the_rights_of_its_file_only() {
    let folder = folder(&[
        ("ANONYMOUS", "rw /public/**\n"),
        ("dev", "ra /branches/dev/**\nrw /~$user/**\n"),
        ("ops", "rd /branches/**\n"),
        (".hidden", "rw **\n"),
    ]);
    fs::create_dir(folder.path().join("sub")).unwrap();
    let access = Access::with_rules(folder.path()).unwrap();
    let shown = |caller: &Caller, path: &str| -> String {
        let letter = |right: &Right| right.to_string().remove(0);
        let allowed = |right: &&Right| {
            let allowed = access.allows(caller, **right, path);
            assert_eq!(access.explain(caller, **right, path).allowed, allowed, "{right} {path}");
            allowed
        };
        ALL.iter().filter(allowed).map(letter).collect()
    };
    for (caller, path, rights) in [
        (&Caller::Anonymous, "/public/x", "r"),
        (&Caller::Anonymous, "/branches/dev/", ""),
        (&user("eve", &["dev"]), "/branches/dev/", "ra"),
        (&user("eve", &["dev"]), "/public/x", ""),
        (&user("eve", &["dev", "ops"]), "/branches/dev/", "rad"),
        (&user("eve", &["ops", "none"]), "/branches/dev/", "rd"),
        (&user("eve", &["ANONYMOUS"]), "/public/x", "raud"),
        (&user("eve", &["dev"]), "/~eve/x", "raud"),
        (&user("bob", &["dev"]), "/~eve/x", ""),
        (&user("eve", &["ops"]), "/~eve/x", ""),
        (&user("eve", &[".hidden"]), "/x", ""),
        (&user("eve", &["sub"]), "/x", ""),
        (&user("eve", &["../dev"]), "/branches/dev/", ""),
        (&user("eve", &[]), "/branches/dev/", ""),
        (&admin("root"), "/-/stats", "raud"),
    ] {
        // Twice: once decided, once remembered.
        for _ in 0..2 {
            assert_eq!(shown(caller, path), rights, "{caller:?} {path}");
        }
    }
    let long = format!("/branches/dev/{}", "x".repeat(4096));
    assert_eq!(shown(&user("eve", &["dev"]), &long), "ra");
}

#[test]
fn what_is_remembered_stays_bounded_and_right() {
    let folder = folder(&[("users", "r /~$user/**\n")]);
    let access = Access::with_rules(folder.path()).unwrap();
    for number in 0..3000 {
        let (one, other) = (number.to_string(), (number + 1).to_string());
        let caller = user(&one, &["users"]);
        assert!(access.allows(&caller, Right::Read, &format!("/~{one}/")));
        assert!(!access.allows(&caller, Right::Read, &format!("/~{other}/")));
    }
    let Current::Files(rules) = &*access.current() else { panic!() };
    let (users, decisions) = rules.remembered();
    assert!(users <= 1024 && decisions <= 16 * 1024, "{users}, {decisions}");
}

#[test]
fn a_wrong_file_is_refused_with_its_line_and_leaves_the_rules_as_they_were() {
    let folder = folder(&[("dev", "r /a\n")]);
    let access = Access::with_rules(folder.path()).unwrap();
    let dev = user("eve", &["dev"]);
    let file = folder.path().join("dev");
    for (bytes, words) in [
        (&b"r /b\n\nr ~[\n"[..], ["dev, line 3: \"~[\" cannot be read", "character class"]),
        (b"r /b\nr /\xff\n", ["dev, line 2", "UTF-8"]),
    ] {
        fs::write(&file, bytes).unwrap();
        let error = access.reload().unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert!(Access::with_rules(folder.path()).is_err());
        assert!(access.allows(&dev, Right::Read, "/a") && !access.allows(&dev, Right::Read, "/b"));
    }
    fs::write(&file, "r /b\n").unwrap();
    access.reload().unwrap();
    assert!(!access.allows(&dev, Right::Read, "/a") && access.allows(&dev, Right::Read, "/b"));
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(matches!(access.reload(), Err(AclError::Unreadable { .. })));
    assert!(access.allows(&dev, Right::Read, "/b"));
}

#[test]
fn a_decision_is_told_with_the_lines_that_it_rests_on() {
    let folder = folder(&[
        ("dev", "# dev\nr /branches/**\nra ~/branches/dev\nrw /branches/** !/branches/main/**\n"),
        ("ops", "ru /branches/**\nr **\n"),
    ]);
    let access = Access::with_rules(folder.path()).unwrap();
    let file = |line: &str| format!("{}/{line}", folder.path().display());
    let tell = |groups: &[&str], right, path| access.explain(&user("eve", groups), right, path);
    let read = tell(&["dev"], Right::Read, "/branches/main/");
    assert!(read.allowed);
    assert_eq!(read.reasons, [file("dev, line 2: r /branches/**")]);
    let add = tell(&["dev"], Right::Add, "/branches/dev/");
    assert!(add.allowed && add.reasons.len() == 2, "{add:?}");
    assert!(add.warnings[0].contains("line 3") && add.warnings.len() == 1, "{add:?}");
    let update = tell(&["dev"], Right::Update, "/branches/main/");
    let but = file("dev, line 4: rw /branches/** !/branches/main/** (but for !/branches/main/**)");
    let only = file("dev, line 2: r /branches/** (it grants read only)");
    assert_eq!(update.reasons, ["no line grants update".to_owned(), only, but]);
    assert!(!update.allowed);
    assert!(tell(&["dev", "ops"], Right::Update, "/branches/main/").allowed);
    let own = tell(&["ops"], Right::Read, "/-/stats");
    assert!(!own.allowed && own.reasons[1].contains("has to name it"), "{own:?}");
    let nobody = access.explain(&Caller::Anonymous, Right::Delete, "/");
    assert!(!nobody.allowed && nobody.reasons[0].contains("not logged in"));
    assert!(access.explain(&admin("root"), Right::Delete, "/").allowed);
    assert!(Access::open().explain(&Caller::Anonymous, Right::Delete, "/").allowed);
    let home = Access::built_in().explain(&user("eve", &[]), Right::Delete, "/~eve/branches/");
    assert!(home.allowed && home.reasons[0].contains("/~login/"));
}
