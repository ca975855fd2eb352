//! `larder health`: what supervisors ask.

use super::harness::{Outcome, TestServer, larder};

#[test]
fn a_server_that_is_ready_is_healthy() {
    let mut server = TestServer::start();
    let (url, address) = (server.url(""), server.address().to_string());
    let data = server.data();
    let data = data.to_str().unwrap();
    let health = |arguments: &[&str]| {
        let all = [&["health", "--data", data], arguments].concat();
        Outcome::of(&mut larder(&all))
    };
    assert_eq!(health(&["--url", &url]).succeeds().out, "ready\n");
    assert_eq!(health(&["--listen", &address]).succeeds().out, "ready\n");
    let by_variable = Outcome::of(larder(&["health"]).env("LARDER_LISTEN", &address));
    by_variable.succeeds();
    let settings = server.data().join("larder.toml");
    std::fs::write(&settings, format!("[server]\nlisten = \"{address}\"\n")).unwrap();
    health(&[]).succeeds();
    let elsewhere = health(&["--url", &format!("{url}/nowhere")]).exits(1);
    elsewhere.complains(&["is not ready: it says \"HTTP/1.1 404 "]);
    server.stop();
    health(&[]).exits(1).complains(&[&address, "does not answer", "is the server running?"]);
    // Whatever is wrong, the exit code is the one that supervisors know.
    std::fs::write(&settings, "[server]\nlisten = 5\n").unwrap();
    health(&[]).exits(1).complains(&["larder.toml"]);
    std::fs::remove_file(settings).unwrap();
}
