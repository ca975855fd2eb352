//! PATCH of a format with a command that may change its files (spec §16, §17: 14 and 21): all of
//! what it did or nothing, whatever happens meanwhile.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, test_kill_process};
use serde_json::json;
use tempfile::TempDir;

use super::harness::server::Builder;
use super::harness::{TestServer, eventually, noise, sha256};

const FORMAT: &str = "/branches/b/t/j/f/";

/// A script and the files by which it and its test talk to each other.
struct Script {
    folder: TempDir,
}

impl Script {
    /// `$DIR` is the folder that [`Script::at`] speaks of.
    fn new(text: &str) -> Self {
        let folder = TempDir::with_prefix("larder-script-").unwrap();
        let dir = folder.path().display();
        fs::write(folder.path().join("script"), format!("set -e\nDIR={dir}\n{text}\n")).unwrap();
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self) -> Builder {
        let command = format!("/bin/sh {}", self.at("script").display());
        TestServer::swept_at_once().with("post-process", &command)
    }

    fn start(&self) -> TestServer {
        self.server().start()
    }

    /// Waits until the script has made this file.
    fn has_made(&self, name: &str) {
        eventually(&format!("the script's {name}"), || self.at(name).exists().then_some(()));
    }

    fn allows(&self, name: &str) {
        fs::write(self.at(name), "").unwrap();
    }

    /// Waits until the process whose number the script left has ended.
    fn process_has_ended(&self) {
        self.has_made("pid");
        let pid = eventually("a process number", || {
            let text = fs::read_to_string(self.at("pid")).unwrap();
            text.trim().parse().ok().and_then(Pid::from_raw)
        });
        eventually("the end of the process", || is_gone(pid).then_some(()));
    }
}

/// Whether there is no such process, or only one that nobody has waited for yet.
fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    let is_dead = stat.is_ok_and(|stat| stat.contains(") Z "));
    is_dead || test_kill_process(pid).is_err()
}

fn files(server: &TestServer) -> Vec<String> {
    let page = server.get(FORMAT).expect(200).json();
    let files = page["artifact_format"]["files"].as_array().unwrap().clone();
    files.iter().map(|path| path.as_str().unwrap().to_owned()).collect()
}

fn is_dirty(server: &TestServer) -> bool {
    server.get(FORMAT).expect(200).json()["artifact_format"]["dirty"].as_bool().unwrap()
}

fn work(server: &TestServer) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(server.data().join("work")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_the_command_changes_becomes_the_format() {
    let script = Script::new(
        "printf signed >> small; printf signed >> dir/large; rm gone; mkdir -p new/er
         echo made > new/er/file; cp kept copy; ln kept hard
         echo \"of $LARDER_FORMAT at $LARDER_URL\"; printf 'told\\nwithout end' >&2
         stat -c %a small dir | tr '\\n' ' ' > modes",
    );
    let server = script.start();
    let (large, kept) = (noise(1, 100_000), noise(2, 50_000));
    for (path, content) in
        [("small", b"s".to_vec()), ("dir/large", large.clone()), ("kept", kept.clone())]
    {
        server.holds(&format!("{FORMAT}{path}"), content.clone());
        server.holds(&format!("/branches/b/other/j/f/{path}"), content);
    }
    server.holds(&format!("{FORMAT}gone"), "gone");
    let kept_since = || {
        let answer = server.head(&format!("{FORMAT}kept")).expect(200);
        answer.header("last-modified").map(str::to_owned)
    };
    let uploaded = kept_since();
    server.patch(FORMAT).expect(200).without_body();
    let wanted = ["copy", "dir/large", "hard", "kept", "modes", "new/er/file", "small"];
    assert_eq!(files(&server), wanted);
    assert!(!is_dirty(&server));
    let signed = [&large[..], b"signed"].concat();
    for (path, content) in [
        ("small", b"ssigned".to_vec()),
        ("dir/large", signed.clone()),
        ("kept", kept.clone()),
        ("copy", kept.clone()),
        ("new/er/file", b"made\n".to_vec()),
        ("modes", b"644 755 ".to_vec()),
    ] {
        server.get(&format!("{FORMAT}{path}")).expect(200).body_is(content);
    }
    server.get(&format!("{FORMAT}gone")).expect(404);
    let sums = server.get("/branches/b/t/j/f.sha256").expect(200).text();
    assert!(sums.contains(&format!("{}  dir/large\n", sha256(&signed))), "{sums}");
    assert_eq!(kept_since(), uploaded, "what did not change is as old as it was");
    // Nobody else's files were touched by editing in place.
    server.get("/branches/b/other/j/f/small").expect(200).body_is("s");
    server.get("/branches/b/other/j/f/dir/large").expect(200).body_is(large);
    server.logs(&["INFO", FORMAT, "of /branches/b/t/j/f/ at http://127.0.0.1:"]);
    server.logs(&[FORMAT, "told"]);
    server.logs(&[FORMAT, "without end"]);
    assert!(work(&server).is_empty());
    // The old files' space comes back by itself.
    eventually("only what is needed", || (server.blob_files().0 == 3).then_some(()));
    // Again, also when it is clean (spec §16).
    fs::write(script.at("script"), "echo again > again").unwrap();
    server.patch(FORMAT).expect(200);
    server.get(&format!("{FORMAT}again")).expect(200).body_is("again\n");
}

#[test]
fn a_command_that_fails_changes_nothing() {
    let script = Script::new("echo half > a; rm b; exit 3");
    let server = script.start();
    server.holds(&format!("{FORMAT}a"), "a");
    server.holds(&format!("{FORMAT}b"), noise(1, 50_000));
    server.patch(FORMAT).expect(500).says("post process failed");
    assert_eq!(files(&server), ["a", "b"]);
    assert!(is_dirty(&server));
    server.get(&format!("{FORMAT}a")).expect(200).body_is("a");
    server.logs(&["WARN", FORMAT, "the command ended with exit status: 3"]);
    assert!(work(&server).is_empty());
    for (left, words) in [
        ("ln -s a link", "it left \"link\", which is neither a file nor a folder"),
        ("mkfifo pipe", "it left \"pipe\""),
        ("echo > .dirty", "this name is reserved"),
        ("kill -9 $$", "signal: 9"),
    ] {
        fs::write(script.at("script"), left).unwrap();
        server.patch(FORMAT).expect(500).says("post process failed");
        server.logs(&["WARN", words]);
        assert_eq!(files(&server), ["a", "b"], "{left}");
    }
    fs::write(script.at("script"), "true").unwrap();
    server.patch(FORMAT).expect(200);
    assert!(!is_dirty(&server), "it changed nothing, which is well");
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let server = TestServer::with("post-process", "/nowhere/sign").start();
    server.holds(&format!("{FORMAT}a"), "a");
    server.patch(FORMAT).expect(500).says("post process failed");
    server.logs(&["/nowhere/sign cannot be started", "post_process.post_process"]);
    assert!(is_dirty(&server));
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_its_children() {
    let script = Script::new("sleep 1000 & echo $! > $DIR/pid; echo half > a; wait");
    let server = script.server().with("post-process-timeout", "500ms").start();
    server.holds(&format!("{FORMAT}a"), "a");
    server.patch(FORMAT).expect(500).says("post process failed");
    script.process_has_ended();
    server.logs(&["WARN", "did not end within 500ms", "post_process_timeout"]);
    assert!(work(&server).is_empty() && is_dirty(&server));
    server.get(&format!("{FORMAT}a")).expect(200).body_is("a");
}

#[test]
fn a_command_that_fills_the_disk_is_killed() {
    let script = Script::new("echo $$ > $DIR/pid; echo half > a; sleep 1000");
    let mut server = script.start();
    server.holds(&format!("{FORMAT}a"), "a");
    // As if all but this were used by now.
    server.change("reserve", "1TiB");
    server.restart();
    server
        .patch(FORMAT)
        .expect(507)
        .says("The disk is full: delete something or enlarge it, then upload again");
    script.process_has_ended();
    assert!(work(&server).is_empty() && is_dirty(&server));
}

#[test]
fn what_a_command_leaves_running_is_killed() {
    let script = Script::new("sleep 1000 & echo $! > $DIR/pid; echo done > a");
    let server = script.start();
    server.holds(&format!("{FORMAT}a"), "a");
    server.patch(FORMAT).expect(200);
    script.process_has_ended();
    server.get(&format!("{FORMAT}a")).expect(200).body_is("done\n");
}

#[test]
fn only_formats_with_a_matching_file_are_processed() {
    let script = Script::new("echo made > made");
    let server = script.server().with("post-process-filter", "rpm/").start();
    server.holds(&format!("{FORMAT}a/rpm/x"), "x");
    server.patch(FORMAT).expect(200);
    assert_eq!(files(&server), ["a/rpm/x"]);
    assert!(!is_dirty(&server));
    server.holds(&format!("{FORMAT}rpm/x"), "x");
    server.patch(FORMAT).expect(200);
    assert_eq!(files(&server), ["a/rpm/x", "made", "rpm/x"]);
    server.patch("/branches/b/t/j/none/").expect(404);
}

/// Waits for the test in the middle of its work.
const WAITING: &str = "echo done >> a; touch $DIR/started
    while [ ! -e $DIR/go ]; do sleep 0.02; done";

#[test]
fn an_upload_meanwhile_wins_and_the_command_has_to_run_again() {
    let script = Script::new(WAITING);
    let server = script.start();
    server.holds(&format!("{FORMAT}a"), "a");
    std::thread::scope(|scope| {
        let patch = scope.spawn(|| server.patch(FORMAT).expect(409));
        script.has_made("started");
        // Readers see the old files meanwhile, and writers do not wait.
        server.get(&format!("{FORMAT}a")).expect(200).body_is("a");
        server.holds(&format!("{FORMAT}b"), "b");
        script.allows("go");
        let answer = patch.join().unwrap();
        answer.says("/branches/b/t/j/f/ was changed at the same time, try again");
    });
    assert!(is_dirty(&server));
    assert_eq!(files(&server), ["a", "b"]);
    server.patch(FORMAT).expect(200);
    server.get(&format!("{FORMAT}a")).expect(200).body_is("adone\n");
    server.get(&format!("{FORMAT}b")).expect(200).body_is("b");
}

#[test]
fn a_format_that_is_deleted_meanwhile_stays_deleted() {
    let script = Script::new(WAITING);
    let server = script.start();
    for (again, status) in [(false, 404), (true, 409)] {
        server.holds(&format!("{FORMAT}a"), "a");
        let _ = fs::remove_file(script.at("started"));
        let _ = fs::remove_file(script.at("go"));
        std::thread::scope(|scope| {
            let patch = scope.spawn(|| server.patch(FORMAT).expect(status));
            script.has_made("started");
            server.delete(FORMAT).expect(200);
            if again {
                server.holds(&format!("{FORMAT}a"), "another");
            }
            script.allows("go");
            patch.join().unwrap();
        });
        if again {
            server.get(&format!("{FORMAT}a")).expect(200).body_is("another");
        } else {
            server.get(FORMAT).expect(404);
        }
    }
}

#[test]
fn two_patches_of_one_format_run_one_after_the_other() {
    let script =
        Script::new("[ ! -e $DIR/runs ]; touch $DIR/runs; sleep 0.2; echo line >> a; rm $DIR/runs");
    let server = script.start();
    server.holds(&format!("{FORMAT}a"), "");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| server.patch(FORMAT).expect(200));
        }
    });
    server.get(&format!("{FORMAT}a")).expect(200).body_is("line\nline\nline\n");
}

#[test]
fn formats_of_a_locked_job_are_not_processed() {
    let script = Script::new("echo made > made");
    let server = script.server().with("internal-format-filter", "int-").start();
    let internal = "/branches/b/t/j/int-f/";
    server.holds(&format!("{FORMAT}a"), "a");
    server.patch(FORMAT).expect(200);
    server.put("/branches/b/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
    let digest = server.get("/branches/b/t/j/").expect(200).json()["job"]["digest"].clone();
    fs::write(script.at("script"), "echo other > made").unwrap();
    server.patch(FORMAT).expect(400).says("Job is locked");
    server.get(&format!("{FORMAT}made")).expect(200).body_is("made\n");
    server.holds(&format!("{internal}a"), "a");
    server.patch(internal).expect(200);
    server.get(&format!("{internal}made")).expect(200).body_is("other\n");
    let job = server.get("/branches/b/t/j/").expect(200).json();
    assert_eq!(job["job"]["digest"], digest);
}

#[test]
fn a_job_that_is_locked_meanwhile_stays_as_it_is() {
    let script = Script::new(WAITING);
    let server = script.server().with("post-process-filter", "a").start();
    server.holds(&format!("{FORMAT}b"), "b");
    server.patch(FORMAT).expect(200);
    server.holds(&format!("{FORMAT}a"), "a");
    script.allows("go");
    server.patch(FORMAT).expect(200);
    fs::remove_file(script.at("go")).unwrap();
    fs::remove_file(script.at("started")).unwrap();
    std::thread::scope(|scope| {
        let patch = scope.spawn(|| server.patch(FORMAT).expect(400));
        script.has_made("started");
        server.put("/branches/b/t/j/").json(&json!({"job": {"locked": true}})).expect(200);
        script.allows("go");
        patch.join().unwrap().says("Job is locked");
    });
    server.get(&format!("{FORMAT}a")).expect(200).body_is("adone\n");
}

#[test]
fn a_server_that_stops_takes_the_command_with_it() {
    let script = Script::new("sleep 1000 & echo $! > $DIR/pid; echo half > a; wait");
    let mut server = script.start();
    server.holds(&format!("{FORMAT}a"), "a");
    let mut connection = server.connect();
    connection.write(format!("PATCH {FORMAT} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes());
    script.has_made("pid");
    server.stop();
    connection.answer_to("PATCH").with_status(503).says("post process failed");
    script.process_has_ended();
    assert!(work(&server).is_empty());
    server.start_again();
    assert!(is_dirty(&server));
    server.get(&format!("{FORMAT}a")).expect(200).body_is("a");
}

#[test]
fn killed_in_the_middle_it_leaves_nothing_behind() {
    let script = Script::new(WAITING);
    let mut server = script.start();
    server.holds(&format!("{FORMAT}a"), noise(1, 50_000));
    let mut connection = server.connect();
    connection.write(format!("PATCH {FORMAT} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes());
    script.has_made("started");
    assert_eq!(work(&server).len(), 1);
    server.kill9();
    server.start_again();
    assert!(work(&server).is_empty());
    assert!(is_dirty(&server));
    assert_eq!(files(&server), ["a"]);
    server.command(&["check", "--hash"]).succeeds();
    script.allows("go");
    server.patch(FORMAT).expect(200);
    server
        .get(&format!("{FORMAT}a"))
        .expect(200)
        .body_is([&noise(1, 50_000)[..], b"done\n"].concat());
}

#[test]
fn a_long_list_is_swapped_in_at_once() {
    let script = Script::new("for i in $(seq 0 9 1500); do echo new > d/$i; done; rm d/1");
    let server = script.start();
    for i in 0..1500 {
        server.holds(&format!("{FORMAT}d/{i}"), format!("old {i}"));
    }
    std::thread::scope(|scope| {
        let patch = scope.spawn(|| server.patch(FORMAT).expect(200));
        while !patch.is_finished() {
            let sums = server.get("/branches/b/t/j/f.sha256").expect(200).text();
            let new = sums.matches(&sha256("new\n")).count();
            let seen = (sums.lines().count(), new);
            assert!([(1500, 0), (1499, 167)].contains(&seen), "{seen:?}");
        }
    });
    assert_eq!(files(&server).len(), 1499);
    assert!(work(&server).is_empty());
}
