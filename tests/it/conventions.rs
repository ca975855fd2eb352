//! What holds for every URL: errors, JSON bodies, hosts and origins, bodies (spec dlrepo §2).

use serde_json::json;

use super::harness::TestServer;

#[test]
fn unknown_urls_are_not_found() {
    let server = TestServer::start();
    for path in ["/x", "/v1/", "/productsx", "/clix", "/-/", "/-/x", "/favicon.ico", "/branchesx/"]
    {
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let answer = server.ask(method, path).expect(404);
            if method != "HEAD" {
                answer.says("Not Found");
            }
        }
    }
}

#[test]
fn an_error_is_text_whatever_is_accepted() {
    let server = TestServer::start();
    for accept in ["text/html", "application/json", "*/*"] {
        let answer = server.get("/branches/x/").header("Accept", accept).expect(404);
        answer.has("x-content-type-options", "nosniff").says("/branches/x/ does not exist");
    }
    // A name can neither break the status line nor the body.
    let answer = server.get("/branches/a%0D%0AX:%20y%C3%A9/").expect(404).lacks("x");
    assert_eq!(answer.reason, "/branches/a??x: y?/ does not exist");
    assert_eq!(answer.text(), "404: /branches/a\r\nx: y\u{e9}/ does not exist");
}

#[test]
fn json_is_told_to_be_json_and_accept_is_not_asked() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/a", "a");
    for path in ["/branches/", "/branches/b/", "/branches/b/t/", "/branches/b/t/j/"] {
        for accept in ["text/html", "application/json", "image/png"] {
            let answer = server.get(path).header("Accept", accept).expect(200);
            let answer = answer.has("content-type", "application/json; charset=utf-8");
            answer.has("x-content-type-options", "nosniff").json();
        }
    }
}

#[test]
fn a_json_body_has_a_limit() {
    const MIB: usize = 1 << 20;
    let server = TestServer::start();
    let fits = " ".repeat(MIB - 30) + "{\"job\": {\"k\": \"v\"}}";
    server.patch("/branches/b/t/j/").body(fits).expect(200);
    let filler = " ".repeat(MIB);
    for request in [
        server.patch("/branches/b/t/j/").body(filler.clone() + "{}"),
        server.patch("/branches/b/t/j/").chunked(filler.clone() + "{}"),
        server.post("/branches/b/").body(filler.clone() + "{}"),
        server.post("/-/sweeps").body(filler + "{}"),
    ] {
        let refused = request.expect(413);
        let reason = "413: Maximum request body size 1048576 exceeded, actual body size ";
        assert!(refused.text().starts_with(reason), "{}", refused.text());
    }
}

#[test]
fn json_bodies_may_come_in_chunks_and_of_any_type() {
    let server = TestServer::start();
    let metadata = json!({"job": {"k": "v"}}).to_string();
    let request = server.patch("/branches/b/t/j/").header("Content-Type", "text/plain");
    request.chunked(metadata).expect(200);
    assert_eq!(server.get("/branches/b/t/j/").expect(200).json()["job"]["k"], "v");
}

#[test]
fn continue_is_said_when_the_body_is_wanted() {
    let server = TestServer::start();
    let head = |path: &str| {
        format!(
            "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\
             Expect: 100-continue\r\n\r\n"
        )
    };
    let mut connection = server.connect();
    connection.write(head("/branches/b/t/j/f/a").as_bytes());
    connection.write(b"hello");
    let answer = connection.answer_to("PUT").with_status(201);
    assert_eq!(answer.interim, [100]);
    let mut connection = server.connect();
    connection.write(head("/branches/b/t/j/f/.dirty").as_bytes());
    let answer = connection.answer_to("PUT").with_status(400);
    assert_eq!(answer.interim, [0; 0], "a refusal comes at once");
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let server = TestServer::start();
    let mut connection = server.connect();
    for _ in 0..3 {
        connection.write(b"PUT /branches/b/t/j/f/a HTTP/1.1\r\nHost: localhost\r\n");
        connection.write(b"Content-Length: 5\r\n\r\nhello");
        connection.answer_to("PUT").with_status(201).lacks("connection");
        connection.write(b"GET /branches/b/t/j/f/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        connection.answer_to("GET").with_status(200).body_is("hello");
        connection.write(b"HEAD /branches/b/t/j/f/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        connection.answer_to("HEAD").with_status(200).has("content-length", "5");
    }
}

#[test]
fn the_answer_to_a_refused_upload_arrives() {
    let server = TestServer::start();
    // Much more than what fits the buffers between the two.
    let refused = server.put("/branches/b/t/j/f/.dirty").body(vec![0; 30 << 20]).expect(400);
    refused.has("connection", "close");
}

#[test]
fn only_this_machine_is_a_host() {
    let server = TestServer::start();
    for host in ["localhost", "127.0.0.1", "127.1.2.3:80", "[::1]:1337", "LOCALHOST:9"] {
        server.get("/-/health").header("Host", host).expect(200);
    }
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1:1337", "0.0.0.0", ""] {
        let refused = server.get("/branches/").header("Host", host).expect(421);
        let reason = "this server answers for localhost, 127.0.0.0/8 and [::1], not for";
        refused.says(&format!("{reason} {host:?}"));
    }
    let both = server.get("/").header("Host", "localhost").header("Host", "evil.example");
    both.expect(421);
    let mut connection = server.connect();
    connection.write(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!([400, 421].contains(&connection.answer_to("GET").status));
}

#[test]
fn the_public_name_is_a_host_too() {
    let server = TestServer::swept_at_once().with("public-url", "https://larder.example").start();
    server.get("/").header("Host", "larder.example").expect(200);
    server.get("/").header("Host", "localhost").expect(200);
    server.get("/").header("Host", "other.example").expect(421);
    let origin = |origin: &str| {
        let request = server.post("/-/sweeps").header("Host", "larder.example");
        request.header("Origin", origin).send().status
    };
    assert_eq!(origin("https://larder.example"), 202);
    assert_eq!(origin("https://other.example"), 403);
}

#[test]
fn pages_of_other_origins_change_nothing() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/a", "a");
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        for (method, path) in [
            ("DELETE", "/branches/b/"),
            ("PUT", "/branches/b/t/j/f/a"),
            ("POST", "/branches/b/t/"),
            ("PATCH", "/branches/b/t/j/"),
            ("POST", "/-/sweeps"),
        ] {
            let refused = server.ask(method, path).header("Origin", origin).body("{}").expect(403);
            assert!(refused.text().starts_with(&format!("403: a page of {origin:?} may not")));
        }
        server.get("/branches/b/").header("Origin", origin).expect(200).lacks("vary");
    }
    let own = server.url("");
    server.post("/-/sweeps").header("Origin", &own).expect(202);
    // No answer invites scripts of other origins.
    let answer = server.get("/branches/").header("Origin", "http://evil.example").expect(200);
    answer.lacks("access-control-allow-origin");
}

#[test]
fn nonsense_is_refused_without_harm() {
    let server = TestServer::start();
    for nonsense in [
        "hello\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n",
        "GET /branches/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        "PUT /branches/b/t/j/f/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
    ] {
        let mut connection = server.connect();
        connection.write(nonsense.as_bytes());
        connection.answer_to("GET").with_status(400);
    }
    for target in ["*", "http://localhost/branches/"] {
        let mut connection = server.connect();
        connection
            .write(format!("OPTIONS {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let status = connection.answer_to("OPTIONS").status;
        assert!([404, 405].contains(&status), "{target}: {status}");
    }
    server.get("/branches/").expect(200).body_is(r#"{"branches": []}"#);
}
