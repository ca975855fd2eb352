//! Settings that do not fit each other, and places that are all taken. What a directory says is
//! tested with a real one (`tests/it/ldap.rs`).

use std::fs;
use std::time::Duration;

use super::*;

fn settings() -> Settings {
    let filter = |text| Some(Filter::parse(text).unwrap());
    Settings {
        url: Some(Url::parse("ldap://127.0.0.1:9").unwrap()),
        start_tls: false,
        base_dn: Some("dc=acme".to_owned()),
        user_filter: filter("(uid={login})"),
        groups_filter: filter("(member={dn})"),
        ..Settings::default()
    }
}

fn refusal(settings: Settings) -> String {
    Ldap::new(settings).err().unwrap().to_string()
}

#[test]
fn settings_that_do_not_fit_each_other() {
    assert!(Ldap::new(settings()).is_ok());
    let filter = |text| Some(Filter::parse(text).unwrap());
    let dn = || Some("cn=svc".to_owned());
    for (settings, words) in [
        (Settings { url: None, ..settings() }, "ldap.url is not set"),
        (Settings { base_dn: None, ..settings() }, "ldap.base_dn is not set"),
        (Settings { user_filter: None, ..settings() }, "ldap.user_filter is not set"),
        (Settings { groups_filter: None, ..settings() }, "ldap.groups_filter is not set"),
        (Settings { user_filter: filter("(a={dn})"), ..settings() }, "must name {login}"),
        (Settings { user_filter: filter("(|(a={dn})(b={login}))"), ..settings() }, "not {dn}"),
        (Settings { bind_dn: dn(), ..settings() }, "ldap.bind_password_file is not set"),
        (
            Settings { bind_password_file: Some("x".into()), ..settings() },
            "ldap.bind_dn is not set",
        ),
        (
            Settings { bind_dn: dn(), bind_password_file: Some("/none".into()), ..settings() },
            "ldap.bind_password_file names /none, which cannot be read",
        ),
        (
            Settings { start_tls: true, ca: Some("/none".into()), ..settings() },
            "ldap.ca names /none, which cannot be read",
        ),
    ] {
        let said = refusal(settings);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn files_that_hold_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let with_password = || Settings {
        bind_dn: Some("cn=svc".to_owned()),
        bind_password_file: Some(file.clone()),
        ..settings()
    };
    for (text, fits) in [("", false), ("\nsecret", false), ("secret", true), ("a b\r\n\n", true)] {
        fs::write(&file, text).unwrap();
        assert_eq!(Ldap::new(with_password()).is_ok(), fits, "{text:?}");
    }
    fs::write(&file, "a b \r\nc").unwrap();
    assert_eq!(password(&file).unwrap(), "a b ");
    let begun = "-----BEGIN CERTIFICATE-----\n";
    for text in ["", "hello", begun, &format!("{begun}AAAA\n-----END CERTIFICATE-----\n")] {
        fs::write(&file, text).unwrap();
        let said = refusal(Settings { start_tls: true, ca: Some(file.clone()), ..settings() });
        assert!(said.contains("which is no file of PEM certificates"), "{text}: {said}");
    }
}

#[test]
fn who_finds_all_connections_in_use_waits_no_longer_than_is_set() {
    let timeout = Duration::from_millis(50);
    let ldap = Ldap::new(Settings { max_connections: 2, timeout, ..settings() }).unwrap();
    let taken = ldap.directory.seats.try_acquire_many(2).unwrap();
    let error = ldap.login("alice", "secret").unwrap_err();
    assert!(matches!(error, Error::Busy { connections: 2, .. }), "{error}");
    assert!(error.to_string().contains("ldap.max_connections"), "{error}");
    drop(taken);
    let error = ldap.login("alice", "secret").unwrap_err();
    assert!(!matches!(error, Error::Busy { .. }), "{error}");
}

#[test]
fn it_may_be_dropped_where_waiting_is_not_allowed() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ldap = Ldap::new(settings()).unwrap();
    runtime.block_on(async move { drop(ldap) });
}
