//! Settings on the way from flags, variables and files to the server (issue of the core, F).

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use super::harness::{Outcome, TestServer, larder};

/// The value and the source of a setting that `larder config` shows with these variables.
fn effective(variables: &[(&str, &str)], key: &str) -> (String, String) {
    let mut command = larder(&["config", "--json"]);
    let shown = Outcome::of(command.envs(variables.iter().copied())).succeeds();
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    let settings = shown["settings"].as_array().unwrap();
    let setting = settings.iter().find(|setting| setting["key"] == key).unwrap();
    let text = |name: &str| setting[name].as_str().unwrap_or_default().to_owned();
    (text("value"), text("source"))
}

#[test]
fn what_nobody_reads_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let rules = ["acl", "check", "admin", "GET", "/"];
    for arguments in [&["config"][..], &rules[..]] {
        let mut command = larder(arguments);
        let command = command.current_dir(&folder).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), said.contains("panicked")), (Some(0), false), "{said}");
    }
}

#[test]
fn only_loopback_is_listened_on_where_nobody_logs_in() {
    for address in ["0.0.0.0:1337", "192.0.2.1:80", "[::]:0"] {
        let refused = Outcome::of(&mut larder(&["serve", "--auth=none", "--listen", address]));
        let words = ["flag --listen", "server.listen", address, "loopback", "--open-to-everybody"];
        refused.exits(2).complains(&words);
    }
    let mut command = larder(&["serve"]);
    command.env("DLREPO_AUTH_DISABLED", "1").env("DLREPO_LISTEN_ADDRESS", "0.0.0.0");
    let refused = Outcome::of(&mut command).exits(2);
    refused.complains(&["DLREPO_LISTEN_ADDRESS", "0.0.0.0:1337", "loopback"]);
}

#[test]
fn unknown_keys_and_bad_values_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("larder.toml");
    for (text, words) in [
        ("[store]\nlesse = \"1h\"\n", ["larder.toml:2", "store.lesse", "is not a setting"]),
        ("[store]\nlease = \"soon\"\n", ["larder.toml:2", "store.lease", "Allowed:"]),
        ("[uploads]\n\nmax_upload = -1\n", ["larder.toml:3", "uploads.max_upload", "Allowed:"]),
        ("[store\n", ["larder.toml:1", "TOML", ""]),
    ] {
        fs::write(&file, text).unwrap();
        let mut command = larder(&["serve", "--data"]);
        Outcome::of(command.arg(folder.path())).exits(2).complains(&words);
    }
    let refused = Outcome::of(&mut larder(&["serve", "--lease", "soon"])).exits(2);
    refused.complains(&["flag --lease", "store.lease cannot be `soon`", "Allowed:"]);
    let mut command = larder(&["serve"]);
    let refused = Outcome::of(command.env("LARDER_SLICE", "0")).exits(2);
    refused.complains(&["variable LARDER_SLICE", "store.slice"]);
    Outcome::of(&mut larder(&["serve", "--unknown"])).exits(2).complains(&["--unknown"]);
}

#[test]
fn variables_of_dlrepo_are_other_names_of_ours() {
    for (name, value, key, shown) in [
        ("DLREPO_ROOT_DIR", "/srv/dlrepo", "server.data", "/srv/dlrepo"),
        ("DLREPO_LISTEN_ADDRESS", "127.0.0.2", "server.listen", "127.0.0.2:1337"),
        ("DLREPO_LISTEN_PORT", "8080", "server.listen", "127.0.0.1:8080"),
        ("DLREPO_PUBLIC_URL", "https://a.example/", "server.public_url", "https://a.example"),
        ("DLREPO_ORPHAN_BLOB_LIFETIME", "60", "store.lease", "1m"),
        ("DLREPO_TAG_CLEANUP_PERIOD", "0", "sweeper.sweep_period", "0s"),
        ("DLREPO_INTERNAL_FORMAT_FILTER", "dbg", "tree.internal_format_filter", "dbg"),
        ("DLREPO_AUTH_DISABLED", "1", "auth.auth", "none"),
        ("DLREPO_AUTH_FILE", "/etc/people", "auth.file", "/etc/people"),
        ("DLREPO_LOG_LEVEL", "WARNING", "log.log", "warn"),
    ] {
        let (text, source) = effective(&[(name, value)], key);
        assert_eq!((text.as_str(), source.contains(name)), (shown, true), "{name}: {source}");
    }
    let both = [("DLREPO_ORPHAN_BLOB_LIFETIME", "60"), ("LARDER_LEASE", "2m")];
    let (text, source) = effective(&both, "store.lease");
    assert_eq!((text.as_str(), source.as_str()), ("2m", "variable LARDER_LEASE"));
}

#[test]
fn a_service_file_of_dlrepo_keeps_working() {
    let server = TestServer::swept_at_once()
        .variable("DLREPO_INTERNAL_FORMAT_FILTER", "debug")
        .variable("DLREPO_AUTH_DISABLED", "1")
        .variable("DLREPO_CHUNK_SIZE", "1")
        .variable("DLREPO_PUBLIC_URL", "http://repo.example")
        .start();
    server.logs(&["WARN", "DLREPO_CHUNK_SIZE"]);
    server.holds("/branches/b/t/j/debug-info/a", "a");
    let format = server.get("/branches/b/t/j/debug-info/").expect(200).json();
    assert_eq!(format["artifact_format"]["internal"], true);
    server.get("/").header("Host", "repo.example").expect(200);
}
