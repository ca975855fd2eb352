//! Who is asking (spec dlrepo §15): first start, passwords, tokens, back ends, slow-down.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use super::harness::people::password_of;
use super::harness::{
    Outcome, Response, TestServer, eventually, larder, needs, needs_client, noise,
};

/// A page that is the same for everybody who may come in.
const PAGE: &str = "/";

#[track_caller]
fn refused(response: &Response) {
    assert_eq!(response.status, 401, "{response:?}");
    let challenge = response.header("www-authenticate");
    assert_eq!(challenge, Some("Basic realm=\"Larder\", charset=\"UTF-8\""));
}

fn bearer(server: &TestServer, token: &str) -> u16 {
    let value = format!("Bearer {token}");
    server.get(PAGE).header("Authorization", &value).send().status
}

/// The table of tokens or users that a command shows as JSON.
fn list(server: &TestServer, what: &str) -> Vec<Value> {
    let shown = server.command(&[what, "list", "--json"]).succeeds();
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    shown[format!("{what}s")].as_array().unwrap().clone()
}

#[test]
fn the_first_start_makes_an_administrator_and_tells_the_password_once() {
    let mut server = TestServer::with_people().start();
    let password = server.first_password().unwrap();
    let greeting = server.greeting().to_owned();
    assert!(greeting.starts_with(&format!("listening on {}\n", server.url(""))), "{greeting}");
    assert!(greeting.contains(&format!("curl -u admin:{password} -T README.md")), "{greeting}");
    for secret in ["admin-password", "larder.redb", "larder.journal"] {
        let file = fs::metadata(server.data().join(secret)).unwrap();
        assert_eq!(file.permissions().mode() & 0o7777, 0o600, "{secret}");
    }
    assert!(password.len() >= 20 && !server.log().contains(&password));
    let upload = server.put("/branches/main/v1/docs/text/README.md").body("hello");
    upload.by("admin", &password).expect(201);
    server.restart();
    assert!(!server.greeting().contains(&password), "{}", server.greeting());
    assert!(server.greeting().contains("larder user list"), "{}", server.greeting());
    assert_eq!(server.first_password().unwrap(), password);
    server.get(PAGE).by("admin", &password).expect(200);
    server.delete("/branches/main/v1/").by("Admin", &password).expect(200);
    let line = server.logs(&["larder::access] DELETE /branches/main/v1/ 200 "]);
    assert!(line.ends_with(" 127.0.0.1 admin"), "{line}");
    let users = list(&server, "user");
    assert_eq!((users.len(), &users[0]["rank"]), (1, &Value::from("admin")));
}

#[test]
fn wrong_credentials_are_refused_everywhere_but_on_the_pages_for_everybody() {
    let server = TestServer::with_people().start();
    server.has_user("eve", &["dev"]);
    let good = password_of("eve");
    let mut elsewhere = 0;
    server.get(PAGE).by("eve", &good).expect(200);
    server.get(PAGE).by("EVE", &good).expect(200);
    for (login, password) in
        [("eve", "wrong"), ("eve", ""), ("nobody", good.as_str()), ("a/b", "x")]
    {
        for target in ["/", "/branches/", "/branches/none/", "/nowhere", "/-/stats"] {
            // From elsewhere each time: guesses from one address are soon not looked at.
            elsewhere += 1;
            let ask = server.get(target).header("X-Forwarded-For", &format!("192.0.2.{elsewhere}"));
            refused(&ask.by(login, password).send());
        }
        for target in ["/-/health", "/-/ready"] {
            server.get(target).by(login, password).expect(200);
        }
        server.get("/favicon.ico").by(login, password).expect(404);
        if login == "eve" {
            server.get(PAGE).by(login, &good).expect(200);
        }
    }
    let large = server.put("/branches/b/t/j/f/a").body(noise(1, 3_000_000));
    refused(&large.by("nobody", "at all").send());
    for value in ["Basic", "Basic !", "Basic bm9jb2xvbg==", "Basic OnB3", "Digest a=b"] {
        server.get("/-/health").header("Authorization", value).expect(200);
        let nobody = server.get(PAGE).send().status;
        server.get(PAGE).header("Authorization", value).expect(nobody);
    }
}

#[test]
fn a_token_works_in_three_forms_until_it_is_revoked() {
    let mut server = TestServer::with_people().start();
    server.has_user("ci", &["dev"]);
    let token = server.token_of("ci", "api");
    assert!(token.starts_with("larder_") && !token.contains(char::is_whitespace), "{token}");
    let status = |server: &TestServer| {
        [
            server.get(PAGE).by("ci", &token).send().status,
            server.get(PAGE).by("whoever", &token).send().status,
            bearer(server, &token),
            server.get(PAGE).header("PRIVATE-TOKEN", &token).send().status,
        ]
    };
    assert_eq!(status(&server), [200; 4]);
    server.put("/branches/b/t/j/f/a").body("a").by("x", &token).send();
    let line = server.logs(&["larder::access] PUT /branches/b/t/j/f/a "]);
    assert!(line.ends_with(" 127.0.0.1 ci"), "it stands for its owner: {line}");
    server.restart();
    assert_eq!(status(&server), [200; 4]);
    let tokens = list(&server, "token");
    assert!(tokens[0]["last_used"].as_u64() > tokens[0]["created"].as_u64(), "{tokens:?}");
    assert!(!server.command(&["token", "list"]).succeeds().out.contains(&token));
    let id = tokens[0]["id"].to_string();
    assert_eq!(token.split('_').nth(1), Some(id.as_str()));
    server.command(&["token", "revoke", &id]).succeeds();
    assert_eq!(status(&server), [401; 4]);
    server.command(&["token", "revoke", &id]).exits(2).complains(&["there is no token"]);
    assert!(!server.log().contains(&token));
}

#[test]
fn where_nobody_logs_in_credentials_are_not_looked_at() {
    let server = TestServer::start();
    server.get(PAGE).by("eve", "wrong").expect(200);
    server.get(PAGE).header("PRIVATE-TOKEN", "x").expect(200);
    server.get(PAGE).header("Host", "repo.example").expect(421);
    assert_eq!(server.first_password(), None);
    let open = TestServer::with("open-to-everybody", "true").start();
    open.get(PAGE).header("Host", "repo.example").expect(200);
}

#[test]
fn many_first_requests_at_once_are_all_let_in() {
    let server = TestServer::with_people().start();
    let password = server.first_password().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| server.get(PAGE).by("admin", &password).expect(200));
        }
    });
}

#[test]
fn last_uses_survive_a_stop() {
    let mut server = TestServer::with_people().start();
    server.stop();
    let token = server.token_of("admin", "api");
    server.start_again();
    assert_eq!(bearer(&server, &token), 200);
    server.stop();
    assert!(list(&server, "token")[0]["last_used"].is_u64());
}

#[test]
fn a_token_is_worth_no_more_than_it_says() {
    let server = TestServer::with_people().start();
    let read = server.token_of("admin", "read_api");
    let header = format!("Bearer {read}");
    server.get(PAGE).header("Authorization", &header).expect(200);
    for method in ["PUT", "POST", "PATCH", "DELETE"] {
        let refused = server.ask(method, "/branches/b/t/j/f/a").header("Authorization", &header);
        refused.expect(403).says("Forbidden");
    }
    let create = ["token", "create", "--user", "admin", "--name", "n", "--scope", "api"];
    let past = server.command(&[&create[..], &["--expires", "2020-01-01"]].concat()).succeeds();
    assert_eq!(bearer(&server, past.out.trim_end()), 401);
    let future = server.command(&[&create[..], &["--expires", "1d"]].concat()).succeeds();
    let future = future.out.trim_end();
    assert_eq!(bearer(&server, future), 200);
    let other = if future.ends_with('0') { "1" } else { "0" };
    for bad in [
        &future[..future.len() - 1],
        "larder_1_2",
        "x",
        &(future[..future.len() - 1].to_owned() + other),
    ] {
        assert_eq!(bearer(&server, bad), 401, "{bad}");
    }
    let stranger = ["token", "create", "--user", "stranger", "--name", "n", "--scope", "api"];
    server.command(&stranger).exits(2).complains(&["no account stranger", "--group"]);
    let known = server.command(&[&stranger[..], &["--group", "dev"]].concat()).succeeds();
    assert_eq!(bearer(&server, known.out.trim_end()), 200);
}

#[test]
fn a_changed_password_and_a_deleted_account_count_at_once() {
    let mut server = TestServer::with_people().start();
    server.has_user("eve", &["dev"]);
    let (old, new) = (password_of("eve"), "another password");
    let token = server.token_of("eve", "api");
    let status =
        |server: &TestServer, password: &str| server.get(PAGE).by("eve", password).send().status;
    assert_eq!((status(&server, &old), status(&server, new)), (200, 401));
    server.command_with(&["user", "passwd", "eve", "--password-stdin"], new).succeeds();
    assert_eq!((status(&server, &old), status(&server, new)), (401, 200));
    server.stop();
    server.command_with(&["user", "passwd", "eve", "--password-stdin"], &old).succeeds();
    server.start_again();
    assert_eq!((status(&server, &old), status(&server, new)), (200, 401));
    assert_eq!(bearer(&server, &token), 200);
    let deleted = server.command(&["user", "del", "eve"]).succeeds();
    assert!(deleted.out.contains("eve is deleted with 1 token"), "{}", deleted.out);
    assert_eq!((status(&server, &old), bearer(&server, &token)), (401, 401));
    server.has_user("eve", &["dev"]);
    assert_eq!((status(&server, &old), bearer(&server, &token)), (200, 401));
}

#[test]
fn accounts_are_told_when_something_is_wrong_with_them() {
    let server = TestServer::with_people().start();
    let add = |arguments: &[&str], input: &str| {
        server.command_with(&[&["user", "add"], arguments].concat(), input)
    };
    add(&["eve", "--password-stdin"], "long enough").exits(2).complains(&["--group"]);
    add(&["eve", "--group=g", "--password-stdin"], "short\n").exits(2).complains(&["8 or more"]);
    add(&["a/b", "--group=g", "--password-stdin"], "long enough").exits(2);
    add(&["Eve", "--group=g", "--password-stdin"], "long enough\n").succeeds();
    server.get(PAGE).by("eve", "long enough").expect(200);
    add(&["eve", "--group=g", "--password-stdin"], "long enough").exits(2).complains(&["already"]);
    server.command(&["user", "passwd", "nobody"]).exits(2).complains(&["no account nobody"]);
    server.command(&["user", "del", "admin"]).exits(2).complains(&["only administrator"]);
    let made_up = add(&["bob", "--group=g"], "").succeeds().out;
    let password = made_up.trim_end().rsplit(' ').next().unwrap();
    server.get(PAGE).by("bob", password).expect(200);
    let first = server.first_password().unwrap();
    server.command(&["user", "passwd", "admin"]).succeeds();
    assert_eq!(server.first_password(), None, "the file is out of date");
    refused(&server.get(PAGE).by("admin", &first).send());
}

#[test]
fn whoever_guesses_is_slowed_down_and_locks_nobody_out() {
    let server = TestServer::with_people().start();
    let good = server.first_password().unwrap();
    // A proxy on this machine tells where requests come from.
    let from = |address: &str, password: &str| {
        let ask = server.get(PAGE).header("X-Forwarded-For", address);
        ask.by("admin", password).send()
    };
    let known = from("192.0.2.7", &good);
    assert_eq!(known.status, 200);
    let mut guesses = (0..7).map(|guess| from("198.51.100.9", &format!("guess {guess}")));
    let slow =
        guesses.find(|answer| answer.status != 401).expect("a guess too many").with_status(429);
    let wait: u64 = slow.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    slow.says("Too many logins have failed, try again later");
    from("192.0.2.8", &good).with_status(200);
    from("192.0.2.7", &good).with_status(200);
    assert_eq!(server.get(PAGE).by("admin", &good).send().status, 200, "it is known already");
}

#[test]
fn an_auth_file_is_asked_about_whoever_has_no_account() {
    let folder = tempfile::tempdir().unwrap();
    let people = folder.path().join("people");
    let argon2 = larder::access::password::hash("argon pass").unwrap();
    let bcrypt = bcrypt::hash("bcrypt pass", 4).unwrap();
    let write = |more: &str| {
        let text = format!("# people\n\nann:{argon2}:dev\nben:{bcrypt}:dev ops\n{more}");
        fs::write(&people, text).unwrap();
    };
    write("cid:plain:x:pass:dev\nadmin:other password:dev\n");
    let file = people.to_str().unwrap();
    let server = TestServer::with_people().with("auth-file", file).start();
    server.logs(&["WARN", file, "plain text (lines 5, 6)"]);
    let status = |login: &str, password: &str| server.get(PAGE).by(login, password).send().status;
    assert_eq!(status("ann", "argon pass"), 200);
    assert_eq!(status("Ben", "bcrypt pass"), 200);
    assert_eq!(status("cid", "plain:x:pass"), 200);
    assert_eq!(status("admin", "other password"), 401, "the account counts, not the file");
    assert_eq!(status("admin", &server.first_password().unwrap()), 200);
    assert_eq!((status("ann", "plain"), status("dan", "pass of dan")), (401, 401));
    write("dan:pass of dan:dev\n");
    server.signal(Signal::HUP);
    server.logs(&["SIGHUP", "read again"]);
    assert_eq!((status("dan", "pass of dan"), status("cid", "plain:x:pass")), (200, 401));
}

#[test]
fn an_auth_file_that_cannot_be_read_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let people = folder.path().join("people");
    fs::write(&people, "ann:the pass:dev\n").unwrap();
    let file = people.to_str().unwrap();
    let server =
        TestServer::with_people().with("auth-file", file).expecting("stays as it was").start();
    fs::remove_file(&people).unwrap();
    server.signal(Signal::HUP);
    server.logs(&["ERROR", "everything stays as it was", file]);
    server.get(PAGE).by("ann", "the pass").expect(200);
    let data = folder.path().join("data");
    let mut command = larder(&["serve", "--listen=127.0.0.1:0", "--auth-file", file, "--data"]);
    Outcome::of(command.arg(&data)).exits(2).complains(&["auth file", file, "--auth-file"]);
}

#[test]
fn a_proxy_tells_who_asks_when_it_is_trusted() {
    let proxied = |trusted: &str| {
        let server = TestServer::with_people().with("http-login-header", "X-Login");
        server.with("http-groups-header", "X-Groups").with("trusted-proxies", trusted).start()
    };
    let ask = |server: &TestServer, login: &str, groups: &str, target: &str| {
        let ask = server.get(target).header("X-Login", login);
        let answer =
            if groups.is_empty() { ask.send() } else { ask.header("x-groups", groups).send() };
        let line = server.logs(&[&format!("larder::access] GET {target} ")]);
        (answer.status, line.rsplit(' ').next().unwrap().to_owned())
    };
    let server = proxied("loopback");
    assert_eq!(ask(&server, "Eve", " dev , ops", "/branches/x0/").0, 404);
    assert_eq!(ask(&server, "Eve", "dev", "/branches/x1/").1, "eve");
    assert_eq!(
        ask(&server, "Eve", "", "/branches/x2/").0,
        401,
        "nobody without a group is anybody"
    );
    assert_eq!(ask(&server, "../eve", "dev", "/branches/x3/").0, 401);
    let first = server.first_password().unwrap();
    server.get(PAGE).by("admin", &first).expect(200);
    refused(&server.get(PAGE).by("eve", "x").send());
    // Beside the proxy's own header the client's must not count, nor two names become one.
    for (first, second) in
        [(("X-Login", "bob"), ("X-Login", "eve")), (("X-Groups", "a"), ("x-groups", "b"))]
    {
        let ask = server.get(PAGE).header("X-Login", "eve").header("X-Groups", "dev");
        let ask = ask.header(first.0, first.1).header(second.0, second.1);
        assert!(ask.expect(400).text().contains("must be there once"));
    }
    let server = proxied("192.0.2.0/24");
    assert_eq!(
        ask(&server, "admin", "dev", "/branches/x4/").1,
        "-",
        "a header of anybody says nothing"
    );
    server.logs(&["WARN", "no trusted proxy", "--trusted-proxies"]);
}

#[test]
fn where_people_log_in_any_address_may_be_listened_on_and_any_name_is_served() {
    let server = TestServer::with_people().start();
    let first = server.first_password().unwrap();
    let page = server.get(PAGE).by("admin", &first).header("Host", "repo.example").expect(200);
    // No cache on the way may give it to others.
    page.has("cache-control", "private");
    let evil = server.post("/-/sweeps").by("admin", &first).header("Origin", "http://evil.example");
    evil.expect(403);
    let data = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = larder(&["serve", "--listen", &format!("0.0.0.0:{free}"), "--data"])
        .arg(data.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("a server on all addresses", || {
        std::net::TcpStream::connect(("127.0.0.1", free)).ok()
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn dlrepo_cli_logs_in_with_a_password_and_with_a_token() {
    let (Some(_), Some(client)) = (needs("python3"), needs_client("dlrepo-cli")) else { return };
    let server = TestServer::with_people().start();
    let file = server.scratch("file.txt");
    fs::write(&file, "hello").unwrap();
    let password = server.first_password().unwrap();
    let token = server.token_of("admin", "api");
    let run = |password: &str, arguments: &[&str]| {
        let mut command = Command::new("python3");
        command.args(["-I", "-S"]).arg(&client);
        command.args(["--url", &server.url("/"), "--prefix", "/", "--no-print-url"]);
        command.args(arguments).env("HOME", server.scratch("")).env_remove("http_proxy");
        Outcome::of(command.env("DLREPO_USER", "admin").env("DLREPO_PASSWORD", password))
    };
    for (tag, secret) in [("1", password.as_str()), ("2", token.as_str())] {
        run(secret, &["upload", "b", tag, "j", "f", file.to_str().unwrap()]).succeeds();
        let line = server.logs(&["PATCH /branches/b/", &format!("/{tag}/j/f/ 200 ")]);
        assert!(line.ends_with(" admin"), "{line}");
        assert_eq!(run(secret, &["jobs", "b", tag]).succeeds().out, "j\n");
    }
    run("wrong", &["jobs", "b", "1"]).exits(1).complains(&["Unauthorized"]);
}

#[test]
fn curl_logs_in_as_the_greeting_shows() {
    let Some(_) = needs("curl") else { return };
    let server = TestServer::with_people().start();
    let folder = server.scratch("here");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("README.md"), "hello").unwrap();
    let lines: Vec<_> = server.greeting().lines().map(str::trim).collect();
    let shown: Vec<_> = lines.iter().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(shown.len(), 2, "{lines:?}");
    let said = |line: &str| {
        let line = line.replacen("curl ", "curl -q -sS -f ", 1);
        Outcome::of(Command::new("sh").args(["-c", &line]).current_dir(&folder)).succeeds().out
    };
    assert_eq!((said(shown[0]), said(shown[1])), ("201: Created".into(), "hello".into()));
}
