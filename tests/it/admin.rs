//! The administration commands as an operator types them, while the server runs and while it
//! does not: `sweep`, `check`, `why`, `stats`.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::sweeps::done;
use super::harness::{Outcome, TestServer, eventually, larder, noise, sha256};

const LARGE: usize = 50_000;

/// A server with two tags more than its policy keeps: each has a large and a small file of its
/// own, and a large one that all have. Leases end at once, also for commands without a server.
fn overfull() -> TestServer {
    let server = TestServer::start();
    let file = server.data().join("larder.toml");
    fs::write(file, "[store]\nlease = 0\n[sweeper]\nsweep_period = 0\n").unwrap();
    for (number, tag) in (10..).zip(["old", "older", "new"]) {
        server.holds(&format!("/branches/main/{tag}/j/f/large"), noise(number, LARGE));
        server.holds(&format!("/branches/main/{tag}/j/f/small"), tag);
        server.holds(&format!("/branches/main/{tag}/j/f/shared"), noise(1, LARGE));
    }
    let policy = json!({"branch": {"max_daily_tags": 1, "max_released_tags": 0}});
    server.post("/branches/main/").json(&policy).expect(200);
    server
}

/// The JSON that a command answers.
#[track_caller]
fn json_of(server: &TestServer, arguments: &[&str], code: i32) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let outcome = server.command(&arguments).exits(code);
    assert_eq!(outcome.err, "", "{arguments:?}");
    serde_json::from_str(&outcome.out).unwrap()
}

/// Runs `test` with a server that runs, then with one that was stopped.
fn online_and_offline(test: fn(&TestServer)) {
    test(&overfull());
    let mut server = overfull();
    server.stop();
    test(&server);
}

#[test]
fn a_dry_run_says_exactly_what_the_sweep_then_gives_back() {
    online_and_offline(|server| {
        let text = server.command(&["sweep", "--dry-run"]).succeeds().out;
        let reason = "max_daily_tags = 1: number 2 of the unreleased tags, newest first";
        assert!(text.contains(reason), "{text}");
        let plan = json_of(server, &["sweep", "--dry-run"], 0);
        let large = u64::try_from(LARGE).unwrap();
        let names: Vec<_> = ["old", "older"].into();
        let tags = plan["branches"][0]["tags"].as_array().unwrap();
        assert_eq!(tags.iter().map(|tag| &tag["name"]).collect::<Vec<_>>(), names);
        assert_eq!(tags[0]["bytes"], 2 * large + 3);
        let (files, inline) = (&plan["cost"]["files"], &plan["cost"]["inline"]);
        assert_eq!(
            (files, inline),
            (&json!({"files": 2, "bytes": 2 * large}), &json!({"files": 2, "bytes": 8}))
        );
        let before = server.blob_files();
        assert_eq!(before.0, 4, "a dry run has removed something");
        let run = json_of(server, &["sweep"], 0);
        assert_eq!(
            (&run["scope"], &run["trigger"], &run["errors"]),
            (&json!("full"), &json!("request"), &json!([]))
        );
        assert_eq!((done(&run, "policies").0, done(&run, "unlink")), (2, (4, 2 * large + 8)));
        let after = server.blob_files();
        assert_eq!((before.0 - after.0, before.1 - after.1), (2, 2 * large));
        let text = server.command(&["sweep", "--dry-run"]).succeeds().out;
        assert_eq!(text, "The policies would remove nothing.\n");
        let text = server.command(&["sweep", "--accept-clock"]).succeeds().out;
        assert!(text.contains("0 bytes came back"), "{text}");
    });
}

#[test]
fn why_names_those_who_hold_a_blob() {
    online_and_offline(|server| {
        let shared = sha256(noise(1, LARGE));
        let text = server.command(&["why", &shared]).succeeds().out;
        for tag in ["new", "old", "older"] {
            assert!(text.contains(&format!("\n  /branches/main/{tag}/j/f/shared\n")), "{text}");
        }
        let why = json_of(server, &["why", &format!("SHA256:{}", sha256("old"))], 0);
        assert_eq!(
            (&why["state"], &why["count"], &why["place"]),
            (&json!("held"), &json!(1), &json!("inline"))
        );
        assert_eq!(
            why["owners"],
            json!([{"path": "/branches/main/old/j/f/small", "detached": null}])
        );
        let unknown = sha256("unknown");
        assert_eq!(
            json_of(server, &["why", &unknown], 1),
            json!({"digest": unknown, "state": "unknown"})
        );
    });
}

#[test]
fn stats_are_those_of_the_server() {
    online_and_offline(|server| {
        let stats = json_of(server, &["stats"], 0);
        assert_eq!(stats["numbers"]["artifacts"], 9);
        assert_eq!((&stats["files"]["files"], &stats["inline"]["files"]), (&json!(4), &json!(3)));
        assert!(stats["database_used_bytes"].as_u64().unwrap() > 0);
        let text = server.command(&["stats"]).succeeds().out;
        assert!(text.contains("1 branch, 3 tags, 3 jobs, 3 formats, 9 files"), "{text}");
    });
    let server = overfull();
    let (mut command, mut page) =
        (json_of(&server, &["stats"], 0), server.get("/-/stats").expect(200).json());
    // What was pushed and pulled since the start is known to the process that serves.
    for known_there in ["images", "dependency_proxy"] {
        assert!(page.as_object_mut().unwrap().remove(known_there).is_some(), "{known_there}");
    }
    for stats in [&mut command, &mut page] {
        // The machine's disk is used by others too.
        stats["disk_free_bytes"] = Value::Null;
    }
    assert_eq!(command, page);
}

#[test]
fn a_check_finds_repairs_and_is_clean_again() {
    online_and_offline(|server| {
        let clean = json_of(server, &["check", "--hash"], 0);
        assert_eq!(
            (&clean["count"], &clean["hashed"]["files"], &clean["files"]),
            (&json!(0), &json!(7), &json!(4))
        );
        let digest = sha256("stray");
        let stray = server.data().join(format!("blobs/{}/{digest}.0123456789abcdef", &digest[..2]));
        fs::write(&stray, "stray").unwrap();
        let found = server.command(&["check"]).exits(1).out;
        assert!(found.contains("no row names the file"), "{found}");
        let found = json_of(server, &["check"], 1);
        assert_eq!((&found["count"], &found["repaired"]), (&json!(1), &json!(0)));
        assert!(stray.exists());
        let found = json_of(server, &["check", "--repair"], 0);
        assert_eq!((&found["count"], &found["repaired"]), (&json!(1), &json!(1)));
        assert!(!stray.exists());
        server.command(&["check"]).succeeds();
    });
}

#[test]
fn damage_that_nothing_can_repair_stays_a_difference() {
    let server = overfull();
    let digest = sha256(noise(1, LARGE));
    let folder = server.data().join("blobs").join(&digest[..2]);
    let find = |name: &str| name.starts_with(&digest);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
    let file = entries.into_iter().find(|e| find(e.file_name().to_str().unwrap())).unwrap().path();
    let good = fs::read(&file).unwrap();
    fs::write(&file, vec![0; LARGE]).unwrap();
    server.command(&["check"]).succeeds();
    let found = server.command(&["check", "--hash", "--repair"]).exits(1).out;
    assert!(
        found.contains("is damaged") && found.contains("/branches/main/new/j/f/shared"),
        "{found}"
    );
    fs::write(&file, good).unwrap();
}

#[test]
fn what_a_kill_leaves_is_in_order_without_a_server() {
    let mut server = overfull();
    server.kill9();
    assert!(server.data().join("control.sock").exists());
    server.command(&["check", "--hash"]).succeeds();
    server.command(&["stats"]).succeeds();
    server.start_again();
    server.command(&["stats"]).succeeds();
    server.stop();
    assert!(!server.data().join("control.sock").exists());
}

#[test]
fn who_reads_no_further_is_not_an_error_and_a_full_disk_is() {
    let server = overfull();
    let data = server.data();
    let stats = |to: Stdio| {
        let mut command = larder(&["stats", "--json", "--data"]);
        let output = command.arg(&data).stdout(to).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    assert_eq!(stats(writer.into()), (Some(0), String::new()));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let (code, complaint) = stats(full.into());
    assert_eq!(code, Some(2));
    assert!(complaint.contains("the answer cannot be written: No space left"), "{complaint}");
}

#[test]
fn a_folder_that_is_none_of_larder_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("thesis.tex"), "mine").unwrap();
    let missing = folder.path().join("missing");
    for place in [folder.path(), &missing] {
        for command in [&["sweep"][..], &["check"], &["stats"], &["why", &sha256("x")]] {
            let mut command = larder(command);
            let outcome = Outcome::of(command.arg("--data").arg(place)).exits(2);
            outcome.complains(&["holds no Larder data", "--data"]);
        }
    }
    assert!(!missing.exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_in_use_without_a_server_is_told() {
    let server = overfull();
    // As if the server were still starting.
    fs::remove_file(server.data().join("control.sock")).unwrap();
    let outcome = server.command(&["stats"]).exits(2);
    outcome.complains(&["is in use by process", "control.sock", "try again"]);
    let mut server = server;
    server.restart();
    // A second server neither starts nor takes the socket of the first away.
    let data = server.data();
    let second = Outcome::of(larder(&["serve", "--listen=127.0.0.1:0"]).arg("--data").arg(&data));
    second.exits(2).complains(&["is in use"]);
    server.command(&["stats"]).succeeds();
}

#[test]
fn only_the_owner_reaches_the_socket_and_one_line_asks() {
    let server = overfull();
    let socket = server.data().join("control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o7777, 0o600);
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(b"{\"command\": {\"sweep\": \"dry_run\"}}\n").unwrap();
    let lines: Vec<Value> = BufReader::new(stream)
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let (last, progress) = lines.split_last().unwrap();
    assert_eq!(last["answer"]["value"]["tags"], 2);
    assert!(!progress.is_empty() && progress.iter().all(|line| line["progress"].is_object()));
}

#[test]
fn commands_at_once_are_all_answered() {
    let server = overfull();
    std::thread::scope(|scope| {
        let server = &server;
        for command in ["sweep", "sweep", "check", "stats"] {
            scope.spawn(move || server.command(&[command]).succeeds());
        }
    });
    assert_eq!(server.blob_files().0, 2);
}

#[test]
fn a_client_that_is_interrupted_leaves_the_server_alone() {
    let server = overfull();
    let mut sweep = larder(&["sweep"]);
    sweep.arg("--data").arg(server.data()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = sweep.spawn().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    child.wait().unwrap();
    server.command(&["sweep"]).succeeds();
    assert_eq!(server.blob_files().0, 2);
}

#[test]
fn an_interrupted_check_leaves_the_folder_in_order() {
    let mut server = overfull();
    server.stop();
    let pipe = || Stdio::piped();
    for _ in 0..5 {
        let mut check = larder(&["check", "--hash"]);
        let check = check.arg("--data").arg(server.data()).stdout(pipe()).stderr(pipe());
        let mut child = check.spawn().unwrap();
        // Whether it is still opening the folder, checks, or has ended by now.
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let status = eventually("the end of the check", || child.try_wait().unwrap());
        assert_ne!(status.code(), Some(2));
    }
    server.command(&["check"]).succeeds();
}
