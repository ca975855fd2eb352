//! A loss of power at any moment, on real file systems: what was acknowledged is there (I5), and
//! what is there is whole (I1).

use crate::harness::TestServer;
use crate::harness::load::{Load, rounds};
use crate::harness::mounts::Mount;

fn lose_power_on(kind: &str) {
    let Some(disk) = Mount::disk(kind, 400) else { return };
    let mut load = Load::new();
    // A disk that is gone is told as one.
    let mut server = TestServer::swept_at_once().below(&disk.path()).expecting(" ERROR ").start();
    for round in 0..rounds(2) {
        let answers = 40 + round * 37 % 200;
        load.work(&mut server, answers, |server| {
            disk.cut_power();
            server.kill9();
        });
        disk.mount_again();
        server.start_again();
        assert_eq!(server.staged_files(), 0, "round {round}");
        load.verify(&server, &format!("{kind}, round {round}"));
        server.command(&["check", "--hash"]).succeeds();
    }
    assert!(!server.log().contains("panicked at"), "{}", server.log());
}

#[test]
fn on_ext4_nothing_acknowledged_is_lost_with_the_power() {
    lose_power_on("ext4");
}

#[test]
fn on_xfs_nothing_acknowledged_is_lost_with_the_power() {
    lose_power_on("xfs");
}
