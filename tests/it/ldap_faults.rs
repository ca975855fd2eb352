//! A directory that is down, slow, or not what it should be: an error within the time that is
//! set, and no password in the clear.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use larder::access::ldap::{Error, Ldap, Settings};

use super::harness::eventually;
use super::harness::slapd::{self, ALICE, BOB, Proof, Readers, Slapd};

/// More than any step takes, and less than would go unnoticed.
const SLACK: Duration = Duration::from_secs(5);

/// Somebody on the line between Larder and the directory who writes down what he hears.
struct Wiretap {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Wiretap {
    fn on(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let notes = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)));
                let server = server.unwrap();
                let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (there, back) = (Arc::clone(&notes), Arc::clone(&notes));
                thread::spawn(move || pass_on(client, server, &there));
                thread::spawn(move || pass_on(ends.1, ends.0, &back));
            }
        });
        Self { port: own, heard }
    }

    fn settings(&self, slapd: &Slapd, scheme: &str) -> Settings {
        let ca = Some(slapd.file("ca.pem"));
        Settings { ca, ..slapd::settings(&format!("{scheme}://127.0.0.1:{}", self.port)) }
    }

    fn has_heard(&self, words: &str) -> bool {
        let heard = self.heard.lock().unwrap();
        heard.windows(words.len()).any(|part| part == words.as_bytes())
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, notes: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        notes.lock().unwrap().extend(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// The error of a login, which must come within the time that is set.
#[track_caller]
fn fails(settings: &Settings) -> Error {
    let ldap = Ldap::new(settings.clone()).unwrap();
    let started = Instant::now();
    let error = ldap.login(ALICE.0, ALICE.1).unwrap_err();
    let took = started.elapsed();
    assert!(took < settings.timeout + SLACK, "{took:?}: {error}");
    error
}

/// Settings for something on this machine that is not encrypted and perhaps no directory.
fn clear_text(port: u16) -> Settings {
    Settings { start_tls: false, ..slapd::settings(&format!("ldap://127.0.0.1:{port}")) }
}

/// Listens, and leaves what comes of it to the test.
fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn nothing_is_to_be_heard_on_the_line() {
    let Some(slapd) = Slapd::start() else { return };
    for (scheme, port) in [("ldap", slapd.ldap_port()), ("ldaps", slapd.ldaps_port())] {
        let tap = Wiretap::on(port);
        let ldap = Ldap::new(tap.settings(&slapd, scheme)).unwrap();
        assert!(ldap.login(ALICE.0, ALICE.1).unwrap().is_some());
        for words in [ALICE.0, ALICE.1, "developers"] {
            assert!(!tap.has_heard(words), "{scheme}: {words}");
        }
    }
    // The same in the clear, so that it is known what there would be to hear.
    let tap = Wiretap::on(slapd.ldap_port());
    let settings = Settings { start_tls: false, ..tap.settings(&slapd, "ldap") };
    assert!(Ldap::new(settings).unwrap().login(ALICE.0, ALICE.1).unwrap().is_some());
    eventually("the password is heard", || tap.has_heard(ALICE.1).then_some(()));
}

#[test]
fn no_encryption_is_no_login() {
    let Some(slapd) = Slapd::with(Readers::Anybody, Proof::None) else { return };
    let tap = Wiretap::on(slapd.ldap_port());
    let error = fails(&tap.settings(&slapd, "ldap"));
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    assert!(!tap.has_heard(ALICE.0) && !tap.has_heard(ALICE.1));

    let error = fails(&Settings { timeout: SLACK, ..tap.settings(&slapd, "ldaps") });
    assert!(matches!(error, Error::Untrusted { .. } | Error::Timeout { .. }), "{error}");
    assert!(!tap.has_heard(ALICE.0) && !tap.has_heard(ALICE.1));
}

#[test]
fn a_directory_that_is_down_is_an_error_until_it_is_back() {
    let Some(mut slapd) = Slapd::start() else { return };
    let ldap = Ldap::new(slapd.settings()).unwrap();
    assert!(ldap.login(ALICE.0, ALICE.1).unwrap().is_some());
    slapd.stop();
    for _ in 0..3 {
        let started = Instant::now();
        let error = ldap.login(ALICE.0, ALICE.1).unwrap_err();
        assert!(started.elapsed() < SLACK);
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(&format!("127.0.0.1:{}", slapd.ldap_port())));
    }
    assert!(slapd.start_again());
    assert!(ldap.login(ALICE.0, ALICE.1).unwrap().is_some());
}

#[test]
fn a_directory_that_says_nothing_is_given_up() {
    let (_listener, port) = listener();
    let timeout = Duration::from_millis(300);
    let error = fails(&Settings { timeout, ..clear_text(port) });
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("within 0.3 s"), "{error}");
    let Some(slapd) = Slapd::start() else { return };
    for url in ["ldap", "ldaps"].map(|scheme| format!("{scheme}://127.0.0.1:{port}")) {
        let ca = Some(slapd.file("ca.pem"));
        let error = fails(&Settings { timeout, ca, ..slapd::settings(&url) });
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
    }
}

#[test]
fn an_answer_that_is_not_ldap_is_an_error() {
    let unknown_operation = b"\x30\x0c\x02\x01\x01\x7e\x07\x0a\x01\x00\x04\x00\x04\x00";
    let nameless = b"\x30\x0a\x02\x01\x01\x64\x05\x04\x01\xff\x30\x00\
                     \x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
    let nobody = b"\x30\x09\x02\x01\x01\x64\x04\x04\x00\x30\x00\
                   \x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
    for (answer, said) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "broke off"),
        (b"", "broke off"),
        (b"\x30\x84\xff\xff", "broke off"),
        (unknown_operation, "broke off"),
        (nameless, "not LDAP"),
        (nobody, "has no name"),
    ] {
        let (listener, port) = listener();
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 1024]).unwrap();
            client.write_all(answer).unwrap();
        });
        let error = fails(&clear_text(port)).to_string();
        assert!(error.contains(said), "{answer:02x?}: {error}");
        server.join().unwrap();
    }
}

#[test]
fn no_more_connections_than_are_set() {
    let (listener, port) = listener();
    let settings = Settings { max_connections: 2, timeout: SLACK, ..clear_text(port) };
    let ldap = Ldap::new(settings).unwrap();
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| ldap.login(ALICE.0, ALICE.1).unwrap_err());
        }
        let mut open = vec![listener.accept().unwrap().0, listener.accept().unwrap().0];
        listener.set_nonblocking(true).unwrap();
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(100));
            assert!(listener.accept().is_err(), "there is one more connection");
            // Whoever waits gets the place of one that ends.
            open.remove(0).shutdown(Shutdown::Both).unwrap();
            open.push(eventually("the next connection", || listener.accept().ok()).0);
        }
        drop(open);
    });
}

#[test]
fn many_at_once_over_few_connections() {
    let Some(slapd) = Slapd::start() else { return };
    let ldap = Ldap::new(Settings { max_connections: 2, ..slapd.settings() }).unwrap();
    thread::scope(|scope| {
        for number in 0..16 {
            let ldap = &ldap;
            scope.spawn(move || {
                let (login, password) = if number % 2 == 0 { ALICE } else { BOB };
                let groups = ldap.login(login, password).unwrap().unwrap();
                assert_eq!(groups.len(), if number % 2 == 0 { 2 } else { 1 });
                assert_eq!(ldap.login(login, "x").unwrap(), None);
            });
        }
    });
}
