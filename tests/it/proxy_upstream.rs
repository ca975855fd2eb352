//! The client of upstream registries against one that fails.

use super::harness::bad_upstream::BadUpstream;

#[test]
fn it_serves() {
    let upstream = BadUpstream::start();
    assert!(upstream.asked().is_empty());
}
