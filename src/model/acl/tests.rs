//! Tables of lines, paths and what is granted.

use super::*;
use crate::model::Right;

fn acl(text: &str) -> Acl {
    Acl::parse(text).unwrap()
}

/// What the lines grant to a login at a path.
fn rights(text: &str, login: Option<&str>, path: &str) -> Rights {
    let (personal, common): (Vec<_>, Vec<_>) =
        acl(text).rules.into_iter().partition(|rule| rule.is_personal());
    let personal = Matcher::new(personal, login).unwrap().rights(path);
    Matcher::new(common, None).unwrap().rights(path).and(personal)
}

fn reads(line: &str, login: &str, path: &str) -> bool {
    rights(&format!("r {line}"), Some(login), path).has(Right::Read)
}

#[test]
fn letters() {
    for (token, names) in [
        ("r", "read"),
        ("ro", "read"),
        ("ra", "read, add"),
        ("ur", "read, update"),
        ("dr", "read, delete"),
        ("rw", "read, add, update, delete"),
        ("wr", "read, add, update, delete"),
        ("rowadu", "read, add, update, delete"),
    ] {
        assert_eq!(Rights::parse(token).unwrap().to_string(), names, "{token}");
    }
    for token in ["", "w", "o", "adu", "rx", "R", "r/"] {
        assert!(Rights::parse(token).is_err(), "{token}");
    }
}

#[test]
fn globs_hold_for_the_whole_path() {
    for (line, path, granted) in [
        ("/branches/**", "/branches/", true),
        ("/branches/**", "/branches/b/t/", true),
        ("/branches/**", "/branches", false),
        ("/branches/**", "/x/branches/", false),
        ("**", "/", true),
        ("/branches/*/", "/branches/b/", true),
        ("/branches/*/", "/branches/b/t/", false),
        ("/branches/b*/**", "/branches/b/x", true),
        ("/branches/b*/**", "/branches/c/x", false),
        ("/branches/b?/", "/branches/b1/", true),
        ("/branches/b?/", "/branches/b\u{e4}/", true),
        ("/branches/b?/", "/branches/b/", false),
        ("/branches/b?/", "/branches/b//", false),
        ("/branches/b", "/branches/b", true),
        ("/branches/b", "/branches/bc", false),
        ("/branches/b.c/", "/branches/bxc/", false),
        ("/branches/[b](c)+$/", "/branches/[b](c)+$/", true),
        ("/branches/*\u{e9}/", "/branches/caf\u{e9}/", true),
        ("/a**z", "/a/x\n/z", true),
        ("/a***z", "/abz", true),
    ] {
        assert_eq!(reads(line, "eve", path), granted, "{line} {path}");
    }
}

#[test]
fn regular_expressions_hold_from_the_start_on() {
    for (line, path, granted) in [
        ("~/branches/b", "/branches/b/t/", true),
        ("~/branches/b", "/branches/bc/", true),
        ("~/branches/b", "/x/branches/b/", false),
        ("~branches", "/branches/", false),
        ("~/branches/b/$", "/branches/b/t/", false),
        ("~/a|/b", "/b", true),
        ("~/a|/b", "/c/b", false),
        ("~(?i)/A", "/a", true),
        ("~/branches/(?P<x>[^/]+)/$", "/branches/b/", true),
    ] {
        assert_eq!(reads(line, "eve", path), granted, "{line} {path}");
    }
}

#[test]
fn all_positive_patterns_and_no_exclusion() {
    for (line, path, granted) in [
        ("/branches/** **/1/", "/branches/b/1/", true),
        ("/branches/** **/1/", "/branches/b/2/", false),
        ("**/1/ /branches/**", "/x/1/", false),
        ("/branches/** !/branches/secret/**", "/branches/b/", true),
        ("!/branches/secret/** /branches/**", "/branches/secret/", false),
        ("/branches/** !~.*/secret", "/branches/b/secret/x", false),
        ("!/branches/secret/**", "/anything/else", true),
        ("!/branches/secret/**", "/branches/secret/", false),
        ("/branches/** !/branches/a/** !/branches/b/**", "/branches/b/", false),
        // What excludes does so whatever the case, and over ends of lines.
        ("/branches/** !/branches/SECRET/**", "/branches/secret/x", false),
        ("/branches/** !**/*.KEY", "/branches/b/t/j/f/my.key", false),
        ("/branches/** !~/branches/.*key", "/branches/b/t/j/f/a\nkey", false),
    ] {
        assert_eq!(reads(line, "eve", path), granted, "{line} {path}");
    }
}

#[test]
fn names_of_a_glob_have_no_case_and_paths_of_files_have() {
    for (line, path, granted) in [
        ("/branches/Main/**", "/branches/main/t/", true),
        ("/branches/B/T/J/F/App.TGZ", "/branches/b/t/j/f/App.TGZ", true),
        ("/branches/B/T/J/F/App.TGZ", "/branches/b/t/j/f/app.tgz", false),
        ("/~Eve/Branches/**", "/~eve/branches/", false),
        ("/~Eve/branches/B/T/J/F/X", "/~eve/branches/b/t/j/f/X", true),
        ("/products/P/V/B/X/F/Y", "/products/p/v/b/x/f/Y", true),
        ("/branches/**/X/", "/branches/b/x/", false),
        ("/CLI", "/cli", false),
    ] {
        assert_eq!(reads(line, "eve", path), granted, "{line} {path}");
    }
}

#[test]
fn a_login_is_a_name_and_nothing_else() {
    for (line, login, path, granted) in [
        ("/~$user/**", "eve", "/~eve/branches/", true),
        ("/~$user/**", "eve", "/~bob/branches/", false),
        ("/~$user/**", "*", "/~bob/branches/", false),
        ("/~$user/**", "*", "/~*/branches/", true),
        ("/~$user/**", "**", "/~a/b/", false),
        ("/~$user/**", "?", "/~b/branches/", false),
        ("~/~$user/", ".*", "/~bob/", false),
        ("~/~$user/", ".*", "/~.*/", true),
        ("~/~($user)/", "a|bob", "/~bob/", false),
        ("~/~[$user]/", "a-z", "/~m/", false),
        ("~/~$user$", "bob|.*", "/~x", false),
        ("** !/~$user/**", "*", "/~bob/", true),
        ("** !/~$user/**", "bob", "/~bob/", false),
        ("/branches/$user-*/", "eve", "/branches/eve-1/", true),
        ("/~$user/$user/**", "eve", "/~eve/eve/", true),
        ("/~$USER/**", "eve", "/~eve/branches/", false),
    ] {
        assert_eq!(reads(line, login, path), granted, "{line} {login} {path}");
    }
    // Nobody has no login, so what is for one is not for nobody.
    for line in ["~/~$user", "/~$user/**", "/$user**"] {
        assert_eq!(rights(&format!("r {line}"), None, "/~bob/"), Rights::NONE, "{line}");
        assert_eq!(rights(&format!("r {line}"), None, "/~/"), Rights::NONE, "{line}");
    }
    assert!(rights("r ** !/~$user/**", None, "/branches/").has(Right::Read));
}

#[test]
fn lines_add_up() {
    let text = "r /branches/**\nru /branches/main/*/\nrd /branches/old/** # cleanup\n";
    let shown = |path| rights(text, Some("eve"), path).to_string();
    assert_eq!(shown("/branches/main/1/"), "read, update");
    assert_eq!(shown("/branches/old/1/"), "read, delete");
    assert_eq!(shown("/branches/main/1/j/"), "read");
    assert_eq!(shown("/products/"), "");
}

#[test]
fn the_servers_own_pages_have_to_be_named() {
    for (line, granted) in [
        ("**", false),
        ("!/branches/**", false),
        ("~.*", false),
        ("/-/**", true),
        ("/-/stats", true),
        ("~/-/st", true),
        ("~^/-/", true),
        ("** /-/**", false),
        ("/-/** !/-/stats", false),
    ] {
        assert_eq!(reads(line, "eve", "/-/stats"), granted, "{line}");
    }
    assert!(reads("**", "eve", "/-"));
}

#[test]
fn lines_that_grant_nothing_are_passed_over_and_told() {
    let text = "\u{feff}# head\n\nr /a\r\n  r\nrx /b\nw /c # no r\n\tr\t/d\t!/e # end\nr #/x\n";
    let acl = acl(text);
    let lines: Vec<_> = acl.rules.iter().map(|rule| (rule.line, rule.text.as_str())).collect();
    assert_eq!(lines, [(3, "r /a"), (7, "r\t/d\t!/e")]);
    let ignored: Vec<_> = acl.ignored.iter().map(|bad| bad.line).collect();
    assert_eq!(ignored, [4, 5, 6, 8]);
}

#[test]
fn a_pattern_that_cannot_be_read_makes_the_file_wrong() {
    for (text, line, word) in [
        ("r /a\nr ~(\n", 2, "unclosed group"),
        ("r ~/a(?=b)", 1, "look-around"),
        ("r /a !~[", 1, "unclosed character class"),
        // Not a regular expression by itself, though it would be one within parentheses.
        ("\n\nr ~/a)|(.*", 3, "unopened group"),
        ("r ~/(a{1000}){1000}{1000}", 1, "size limit"),
    ] {
        let bad = Acl::parse(text).unwrap_err();
        assert_eq!(bad.line, line, "{text}");
        assert!(bad.why.contains(word), "{text}: {}", bad.why);
    }
}

#[test]
fn open_ends_are_known() {
    for (word, open) in
        [("~/a", true), ("~/a$", false), ("~/a/.*", false), (r"~/a\z", false), ("/a", false)]
    {
        assert_eq!(Pattern::parse(word).unwrap().is_open_ended(), open, "{word}");
    }
}

#[test]
fn findings_say_what_the_rights_rest_on() {
    let text = "r /a/**\nrw /a/** !/a/b\nr /c\nr **\n";
    let matcher = Matcher::new(acl(text).rules, None).unwrap();
    let outcomes = |path| matcher.findings(path).map(|f| f.outcome).collect::<Vec<_>>();
    let excluded = Outcome::Excluded("!/a/b".to_owned());
    let (grants, silent) = (Outcome::Grants, Outcome::Silent);
    assert_eq!(outcomes("/a/b"), [grants.clone(), excluded, silent.clone(), grants]);
    assert_eq!(outcomes("/-/x"), [silent.clone(), silent.clone(), silent, Outcome::OwnPage]);
}
