//! The socket in a folder of its own, and what goes over it.

use std::fs;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::wire::{Reply, Request, receive, send};
use super::*;
use crate::app::admin::people::{Expiry, Hash, People};
use crate::app::admin::{Command, Progress, Sweep};
use crate::cleanup::{Contents, Mode};
use crate::config::Settings;
use crate::model::{Digest, Timestamp, TokenScope, UserName};
use crate::stop::Stop;

/// A house with a sweeper that never runs, so that a sweep is waited for.
struct Fixture {
    control: Option<Control>,
    house: Arc<House>,
    _folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self::below("")
    }

    fn below(inner: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.server.data = folder.path().join(inner);
        settings.space.ballast = 0;
        let house = Arc::new(House::open(&settings).unwrap());
        let sweeper = house.sweeper(&settings, Stop::new()).unwrap();
        let control = Some(Control::start(Arc::clone(&house), sweeper.handle()).unwrap());
        Self { control, house, _folder: folder }
    }

    fn connect(&self) -> UnixStream {
        address::connect(self.house.root()).unwrap()
    }

    /// What comes back for `line`, until the server closes.
    fn answer(&self, line: &[u8]) -> Vec<Value> {
        let mut stream = self.connect();
        stream.write_all(line).unwrap();
        BufReader::new(stream)
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect()
    }

    fn ask(&self, command: Command) -> Result<crate::app::admin::Answer, Unanswered> {
        ask(self.house.root(), command, &mut |_| ())
    }
}

const SWEEP: &[u8] = b"{\"command\":{\"sweep\":\"full\"}}\n";

fn error_of(replies: &[Value]) -> &str {
    replies.last().unwrap()["error"].as_str().unwrap()
}

fn eve() -> UserName {
    UserName::parse("eve").unwrap()
}

#[test]
fn a_log_does_not_show_passwords() {
    let command = People::SetPassword { login: eve(), hash: Hash("$argon2id$".into()) };
    assert!(!format!("{:?}", Command::People(command)).contains("argon"));
}

#[test]
fn commands_are_json_that_stays_as_it_is() {
    let digest = Digest([0xab; 32]);
    let check = Command::Check { mode: Mode::Repair, contents: Contents::Trust };
    for (command, expected) in [
        (Command::Sweep(Sweep::DryRun), json!({"sweep": "dry_run"})),
        (Command::Sweep(Sweep::AcceptClock), json!({"sweep": "accept_clock"})),
        (check, json!({"check": {"mode": "repair", "contents": "trust"}})),
        (Command::Why { digest }, json!({"why": {"digest": "ab".repeat(32)}})),
        (Command::Stats, json!("stats")),
        (
            Command::People(People::SetPassword { login: eve(), hash: Hash("$argon2id$".into()) }),
            json!({"people": {"set_password": {"login": "eve", "hash": "$argon2id$"}}}),
        ),
        (
            Command::People(People::CreateToken {
                user: eve(),
                name: "n".into(),
                scopes: vec![TokenScope::ReadApi],
                groups: vec!["g".into()],
                expires: Some(Expiry::At(Timestamp(5))),
            }),
            json!({"people": {"create_token": {
                "user": "eve", "name": "n", "scopes": ["read_api"], "groups": ["g"],
                "expires": {"at": 5},
            }}}),
        ),
    ] {
        let mut line = Vec::new();
        send(&mut line, &Request { command: command.clone() }).unwrap();
        let (text, rest) = line.split_at(line.len() - 1);
        assert_eq!(rest, b"\n");
        let value: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(value, json!({ "command": expected }));
        let read: Option<Request> = receive(&mut Cursor::new(line), 4096).unwrap();
        assert_eq!(read, Some(Request { command }));
    }
}

#[test]
fn lines_are_bounded_and_whole() {
    let progress = Progress { stage: "rows".into(), done: 1, of: Some(2), bytes: None };
    let mut line = Vec::new();
    send(&mut line, &Reply::Progress(progress.clone())).unwrap();
    let read = |bytes_max, line: &[u8]| receive::<Reply>(&mut Cursor::new(line), bytes_max);
    assert_eq!(read(4096, &line).unwrap(), Some(Reply::Progress(progress)));
    assert_eq!(read(4096, b"").unwrap(), None);
    assert!(read(10, &line).unwrap_err().to_string().contains("more than 10 bytes"));
    assert!(read(4096, &line[..line.len() - 1]).is_err());
    assert!(read(4096, b"nonsense\n").is_err());
}

#[test]
fn a_command_is_answered_once_after_its_progress() {
    let it = Fixture::new();
    let replies = it.answer(b"{\"command\":\"stats\"}\n");
    let (answer, progress) = replies.split_last().unwrap();
    assert_eq!(progress[0]["progress"]["stage"], "begin");
    assert!(progress.iter().all(|reply| reply.get("progress").is_some()));
    assert_eq!(answer["answer"]["verdict"], "fine");
    assert_eq!(answer["answer"]["value"]["numbers"]["blobs"], 0);
    let why = it.ask(Command::Why { digest: Digest([1; 32]) }).unwrap();
    assert_eq!(why.value["state"], "unknown");
}

#[test]
fn what_is_no_command_is_told_so() {
    let it = Fixture::new();
    let long = vec![b' '; 400_000];
    for line in [&b"hello\n"[..], b"{\"command\":\"eat\"}\n", b"{\"command\":\"stats\",\"x\":1}\n"]
    {
        let replies = it.answer(line);
        assert!(error_of(&replies).starts_with("the command was not understood"), "{replies:?}");
    }
    let mut stream = it.connect();
    // The server may close before it has read all of it.
    let _ = stream.write_all(&long);
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    assert!(said.is_empty() || said.contains("more than 262144 bytes"), "{said}");
}

#[test]
fn only_the_owner_may_open_the_socket_which_replaces_a_stale_one() {
    let mut it = Fixture::new();
    let path = it.house.root().join("control.sock");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    it.control = None;
    assert!(!path.exists());
    // What a crash leaves: in the middle, and at the end.
    fs::create_dir(it.house.root().join("control.new")).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    assert!(matches!(it.ask(Command::Stats), Err(Unanswered::NoServer { .. })));
    let listener = address::listen(it.house.root()).unwrap();
    assert!(address::connect(it.house.root()).is_ok());
    assert!(!it.house.root().join("control.new").exists());
    drop(listener);
}

#[test]
fn a_long_path_is_no_obstacle() {
    let it = Fixture::below(&["a-long-name"; 20].join("/"));
    assert!(it.house.root().as_os_str().len() > 200);
    it.ask(Command::Stats).unwrap();
}

#[test]
fn a_stop_ends_what_is_waited_for_and_tells_the_client() {
    let mut it = Fixture::new();
    let mut waiting = BufReader::new(it.connect());
    waiting.get_mut().write_all(SWEEP).unwrap();
    let mut line = String::new();
    waiting.read_line(&mut line).unwrap();
    let silent = it.connect();
    let started = Instant::now();
    it.control = None;
    assert!(started.elapsed() < Duration::from_secs(4), "it waited for the silent client");
    let replies: Vec<Value> =
        waiting.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(error_of(&replies).contains("stopped before the sweep was done"), "{replies:?}");
    drop(silent);
}

#[test]
fn clients_that_are_too_many_are_told_so_and_those_that_leave_make_room() {
    let it = Fixture::new();
    let mut waiting: Vec<UnixStream> = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = it.connect();
        stream.write_all(SWEEP).unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        waiting.push(stream);
    }
    let error = it.ask(Command::Stats).unwrap_err();
    assert!(error.to_string().contains("too many"), "{error}");
    waiting.clear();
    let started = Instant::now();
    while it.ask(Command::Stats).is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "those who left are still waited for");
    }
}
