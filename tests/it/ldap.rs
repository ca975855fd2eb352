//! Logging in with a real directory (spec dlrepo §15): whom it lets in, their groups, and what a
//! connection must look like before a password goes over it.

use std::path::Path;

use larder::access::ldap::{Error, Filter, Ldap, Settings, Url};

use super::harness::slapd::{ALICE, BOB, BOB_BY_NAME, CAROL, Proof, Readers, SERVICE, Slapd};

/// What the directory says to a login, as one line of text.
fn says(ldap: &Ldap, login: &str, password: &str) -> String {
    match ldap.login(login, password) {
        Ok(Some(groups)) => groups.join(" "),
        Ok(None) => "nobody".to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

fn open(settings: Settings) -> Ldap {
    Ldap::new(settings).unwrap()
}

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn who_comes_in_and_with_which_groups() {
    let Some(slapd) = Slapd::start() else { return };
    let ldap = open(slapd.settings());
    for (login, password, said) in [
        (ALICE.0, ALICE.1, "developers admins"),
        (BOB.0, BOB.1, "developers"),
        (ALICE.0, BOB.1, "nobody"),
        (ALICE.0, "", "nobody"),
        (ALICE.0, "\0", "nobody"),
        ("", ALICE.1, "nobody"),
        ("", "", "nobody"),
        ("mallory", "x", "nobody"),
        // Has no password at all.
        ("dave", "x", "nobody"),
    ] {
        assert_eq!(says(&ldap, login, password), said, "{login} {password}");
    }
}

#[test]
fn a_user_without_groups_is_one() {
    let Some(slapd) = Slapd::start() else { return };
    let groups_filter = Some(filter("(&(objectClass=posixGroup)(memberUid={login}))"));
    let ldap = open(Settings { groups_filter, ..slapd.settings() });
    assert_eq!(ldap.login(ALICE.0, ALICE.1).unwrap(), Some(Vec::new()));
    assert_eq!(ldap.login(ALICE.0, BOB.1).unwrap(), None);
}

#[test]
fn special_characters_are_only_ever_themselves() {
    let Some(slapd) = Slapd::start() else { return };
    let by_uid = open(slapd.settings());
    let by_name = open(Settings {
        user_filter: Some(filter("(|(cn={login})(uid={login}))")),
        groups_filter: Some(filter("(&(objectClass=groupOfNames)(|(member={dn})(cn={login})))")),
        ..slapd.settings()
    });
    assert_eq!(says(&by_name, BOB_BY_NAME, BOB.1), "developers");
    assert_eq!(says(&by_name, BOB_BY_NAME, ALICE.1), "nobody");
    assert_eq!(says(&by_name, CAROL.0, CAROL.1), "guests");
    assert_eq!(says(&by_uid, CAROL.0, CAROL.1), "guests");
    for login in [
        "*",
        "a*",
        "alice*",
        "*)(uid=*",
        "alice)(uid=*",
        "alice))(|(uid=*",
        "alice)(|(objectClass=*",
        "*)(objectClass=*",
        "alice\0",
        "alice\\",
        "\\61lice",
        "\\2a",
        "(alice)",
        "uid=alice,ou=people,dc=acme,dc=test",
        "{login}",
        "{dn}",
        "Bob (ops) *",
        "Bob*",
        "ä\u{1f512}",
    ] {
        for ldap in [&by_uid, &by_name] {
            for password in [ALICE.1, BOB.1, CAROL.1] {
                assert_eq!(says(ldap, login, password), "nobody", "{login}");
            }
        }
    }
}

#[test]
fn a_person_has_the_directorys_spelling() {
    let Some(slapd) = Slapd::start() else { return };
    let by_uid = open(slapd.settings());
    let by_name = open(Settings {
        user_filter: Some(filter("(|(cn={login})(uid={login}))")),
        ..slapd.settings()
    });
    let by_start =
        open(Settings { user_filter: Some(filter("(uid={login}*)")), ..slapd.settings() });
    for (ldap, login, password, spelt) in [
        (&by_uid, "alice", ALICE.1, "alice"),
        (&by_uid, "ALICE", ALICE.1, "alice"),
        (&by_uid, "  Alice ", ALICE.1, "alice"),
        (&by_uid, CAROL.0, CAROL.1, CAROL.0),
        (&by_name, "alice", ALICE.1, "alice"),
        (&by_name, "alice  a", ALICE.1, "Alice A"),
        (&by_name, "bob (OPS)  *B", BOB.1, BOB_BY_NAME),
        // Nothing says how that would be spelt.
        (&by_start, "Ali", ALICE.1, "Ali"),
    ] {
        let person = ldap.person(login, password).unwrap().unwrap();
        assert_eq!(person.login, spelt, "{login}");
        assert!(!person.groups.is_empty(), "{login}");
    }
    assert_eq!(by_uid.person("ALICE", "x").unwrap(), None);
}

#[test]
fn two_entries_for_a_login_are_an_error() {
    let Some(slapd) = Slapd::start() else { return };
    let ldap = open(Settings { user_filter: Some(filter("(sn={login})")), ..slapd.settings() });
    for password in [ALICE.1, BOB.1, "x"] {
        let error = ldap.login("Same", password).unwrap_err();
        assert!(matches!(error, Error::Several { .. }), "{error}");
        assert!(error.to_string().contains("ldap.user_filter"), "{error}");
    }
    assert_eq!(says(&ldap, "Carol", CAROL.1), "guests");
}

#[test]
fn every_way_of_encrypting() {
    let Some(slapd) = Slapd::start() else { return };
    let (ldap, ldaps) = (slapd.ldap_port(), slapd.ldaps_port());
    for address in [
        format!("ldap://127.0.0.1:{ldap}"),
        format!("ldap://localhost:{ldap}"),
        format!("ldaps://127.0.0.1:{ldaps}"),
        format!("ldaps://localhost:{ldaps}"),
    ] {
        let open = open(Settings { url: Some(url(&address)), ..slapd.settings() });
        assert_eq!(says(&open, ALICE.0, ALICE.1), "developers admins", "{address}");
    }
    // An ldaps:// address is encrypted whatever is said about `StartTLS`.
    let url = Some(url(&format!("ldaps://127.0.0.1:{ldaps}")));
    let open = open(Settings { url, start_tls: false, ..slapd.settings() });
    assert_eq!(says(&open, BOB.0, BOB.1), "developers");
}

/// Nobody comes in with these settings, and the error is about the certificate.
#[track_caller]
fn distrusts(settings: Settings) {
    let error = open(settings).login(ALICE.0, ALICE.1).unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("certificate") && error.contains("ldap.ca"), "{error}");
}

/// The addresses of a directory, one for each way of encrypting.
fn addresses(slapd: &Slapd, host: &str) -> [Option<Url>; 2] {
    let (ldap, ldaps) = (slapd.ldap_port(), slapd.ldaps_port());
    [format!("ldap://{host}:{ldap}"), format!("ldaps://{host}:{ldaps}")]
        .map(|text| Some(url(&text)))
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let Some(slapd) = Slapd::start() else { return };
    for url in addresses(&slapd, "127.0.0.1") {
        let ca = Some(slapd.file("other-ca.pem"));
        distrusts(Settings { url, ca, ..slapd.settings() });
    }
}

#[test]
fn the_systems_authorities_do_not_vouch_for_it() {
    let bundle = Path::new("/etc/ssl/certs/ca-certificates.crt");
    let Some(slapd) = Slapd::start() else { return };
    for url in addresses(&slapd, "127.0.0.1") {
        let settings = Settings { url, ca: None, ..slapd.settings() };
        match Ldap::new(settings.clone()) {
            Ok(_) => distrusts(settings),
            Err(error) => {
                assert!(matches!(error, Error::NoCertificates) && !bundle.exists(), "{error}");
            }
        }
    }
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let Some(slapd) = Slapd::with(Readers::Anybody, Proof::ForAnotherHost) else { return };
    for host in ["127.0.0.1", "localhost"] {
        for url in addresses(&slapd, host) {
            distrusts(Settings { url, ..slapd.settings() });
        }
    }
}

#[test]
fn where_not_everybody_may_look_an_account_does() {
    let Some(slapd) = Slapd::with(Readers::Users, Proof::Good) else { return };
    let anonymous = open(slapd.settings());
    let said = says(&anonymous, ALICE.0, ALICE.1);
    assert!(said.contains("refuses to look for a user") && said.contains("ldap.bind_dn"), "{said}");

    let settings = Settings {
        bind_dn: Some(SERVICE.0.to_owned()),
        bind_password_file: Some(slapd.file("svc-password")),
        ..slapd.settings()
    };
    let ldap = open(settings.clone());
    assert_eq!(says(&ldap, ALICE.0, ALICE.1), "developers admins");
    assert_eq!(says(&ldap, ALICE.0, SERVICE.1), "nobody");
    assert_eq!(says(&ldap, "mallory", SERVICE.1), "nobody");

    let ca = Some(slapd.file("ca.pem"));
    let wrong = Settings { bind_password_file: ca, ..settings };
    let said = says(&open(wrong), ALICE.0, ALICE.1);
    assert!(said.contains("ldap.bind_dn") && said.contains("invalidCredentials"), "{said}");
}

#[test]
fn a_base_that_is_not_there_is_an_error() {
    let Some(slapd) = Slapd::start() else { return };
    for base in ["dc=nowhere", "ou=robots,dc=acme,dc=test", "no DN"] {
        let ldap = open(Settings { base_dn: Some(base.to_owned()), ..slapd.settings() });
        let said = says(&ldap, ALICE.0, ALICE.1);
        assert!(said.starts_with("error: ") && said.contains("ldap.base_dn"), "{base}: {said}");
    }
}
