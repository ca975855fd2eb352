//! Uploads to the artifact tree and to the registry by whoever is shut out before their end: what
//! they came in with is looked at again in the transaction that would keep the bytes.

use serde_json::json;

use super::harness::{Response, TestServer, digest_of, noise};

/// How long the server has to let a request in.
const A_MOMENT: std::time::Duration = std::time::Duration::from_millis(300);

/// Sends half of a body with a token, lets `end` happen, and sends the rest.
fn halfway(
    server: &TestServer,
    line: &str,
    body: &[u8],
    token: &str,
    end: impl FnOnce(),
) -> Response {
    let mut connection = server.connect();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    connection.write(head.as_bytes());
    let (first, rest) = body.split_at(body.len() / 2);
    connection.write_chunk(first);
    // It was let in: its bytes are taken, so the door is behind it.
    std::thread::sleep(A_MOMENT);
    end();
    connection.write_chunk(rest);
    connection.write(b"0\r\n\r\n");
    connection.answer_to(line.split(' ').next().unwrap())
}

/// A server with somebody who has tokens.
struct Setting(TestServer);

impl Setting {
    fn new() -> Self {
        let server = TestServer::with_people().start();
        server.has_user("eve", &["people"]);
        Self(server)
    }

    fn revoke(&self, token: &str) {
        let id = token.split('_').nth(1).unwrap();
        self.0.command(&["token", "revoke", id]).succeeds();
    }

    /// Whose token is revoked halfway is asked who they are, and whose is not gets `fine`.
    #[track_caller]
    fn refuses(&self, line: &str, body: &[u8], fine: u16) -> Response {
        let token = self.0.token_of("eve", "api");
        let refused = halfway(&self.0, line, body, &token, || self.revoke(&token));
        assert_eq!(refused.status, 401, "{line}: {}", refused.text());
        assert!(refused.header("www-authenticate").is_some(), "{refused:?}");
        self.0.has_nothing_staged();
        let token = self.0.token_of("eve", "api");
        let done = halfway(&self.0, line, body, &token, || {});
        assert_eq!(done.status, fine, "{line}: {}", done.text());
        refused
    }

    fn ask(&self, line: &str) -> Response {
        let (method, path) = line.split_once(' ').unwrap();
        let token = self.0.token_of("eve", "api");
        self.0.ask(method, path).header("PRIVATE-TOKEN", &token).send()
    }
}

#[test]
fn a_token_that_is_revoked_meanwhile_puts_no_file_into_the_tree() {
    let setting = Setting::new();
    for (name, body) in [("small", noise(1, 10)), ("large", noise(2, 200_000))] {
        let path = format!("/~eve/branches/b/t/j/f/{name}");
        let token = setting.0.token_of("eve", "api");
        let revoke = || setting.revoke(&token);
        let refused = halfway(&setting.0, &format!("PUT {path}"), &body, &token, revoke);
        assert_eq!(refused.status, 401, "{}", refused.text());
        assert_eq!(setting.ask(&format!("GET {path}")).status, 404);
        // Also where the content is here already, which is the shorter way to a file.
        setting.refuses(&format!("PUT {path}-again"), &body, 201);
        setting.refuses(&format!("PUT {path}-once-more"), &body, 201);
    }
}

#[test]
fn an_account_that_is_deleted_meanwhile_puts_no_file_into_the_tree() {
    let setting = Setting::new();
    let token = setting.0.token_of("eve", "api");
    let path = "/~eve/branches/b/t/j/f/x";
    let refused = halfway(&setting.0, &format!("PUT {path}"), &noise(1, 200_000), &token, || {
        setting.0.command(&["user", "del", "eve"]).succeeds();
    });
    assert_eq!(refused.status, 401, "{}", refused.text());
    setting.0.has_user("eve", &["people"]);
    assert_eq!(setting.ask(&format!("GET {path}")).status, 404);
    setting.0.has_nothing_staged();
}

#[test]
fn a_token_that_is_revoked_meanwhile_pushes_nothing() {
    let setting = Setting::new();
    let uploads = "/v2/u/eve/b/j/blobs/uploads/";
    for body in [noise(1, 100), noise(2, 200_000)] {
        let digest = digest_of(&body);
        setting.refuses(&format!("POST {uploads}?digest={digest}"), &body, 201);
    }
    let config = b"{}".to_vec();
    let digest = digest_of(&config);
    setting.refuses(&format!("POST {uploads}?digest={digest}"), &config, 201);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest,
            "size": config.len(),
        },
        "layers": [],
    });
    let line = "PUT /v2/u/eve/b/j/manifests/t";
    setting.refuses(line, manifest.to_string().as_bytes(), 201);
}

#[test]
fn an_upload_in_pieces_keeps_what_was_acknowledged_before_and_ends_where_it_would_be_a_blob() {
    let setting = Setting::new();
    let body = noise(3, 200_000);
    let token = setting.0.token_of("eve", "api");
    let begin = || {
        let post = setting.0.post("/v2/u/eve/b/j/blobs/uploads/");
        let begun = post.header("Authorization", &format!("Bearer {token}")).expect(202);
        begun.header("location").unwrap().to_owned()
    };
    let (one, other) = (begin(), begin());
    setting.refuses(&format!("PATCH {one}"), &body, 202);
    let state = setting.ask(&format!("GET {one}"));
    assert_eq!((state.status, state.header("range")), (204, Some("0-199999")));
    assert_eq!(setting.ask(&format!("DELETE {one}")).status, 204);
    let line = format!("PUT {other}?digest={}", digest_of(&body));
    let refused = halfway(&setting.0, &line, &body, &token, || setting.revoke(&token));
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert_eq!(setting.ask(&format!("GET {other}")).status, 404, "it is ended");
    setting.0.has_nothing_staged();
}
