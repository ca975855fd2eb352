//! Room on the disk: the reserve, and the ballast that pays for deleting on a full disk.

use rustix::io::Errno;

use super::*;

const RESERVE: u64 = 1_000_000;
const BALLAST: u64 = 300_000;

fn space(fixture: &Fixture, free_bytes: u64) -> Space {
    fixture.disk.set_free(free_bytes);
    let disk = Arc::<TestDisk>::clone(&fixture.disk);
    Space::open(fixture.root.path(), disk, RESERVE, BALLAST).unwrap()
}

fn ballast(fixture: &Fixture) -> Option<u64> {
    fs::metadata(fixture.root.path().join("ballast")).ok().map(|meta| meta.len())
}

#[test]
fn uploads_stop_at_the_reserve() {
    let fixture = Fixture::new();
    assert!(space(&fixture, RESERVE).has_room().unwrap());
    assert!(!space(&fixture, RESERVE - 1).has_room().unwrap());
}

#[test]
fn the_ballast_comes_when_there_is_plenty_and_goes_when_asked() {
    let fixture = Fixture::new();
    let space = space(&fixture, RESERVE + BALLAST);
    assert!(!space.restore_ballast().unwrap());
    assert_eq!(ballast(&fixture), None);
    fixture.disk.set_free(RESERVE + BALLAST + 1);
    assert!(space.restore_ballast().unwrap());
    assert_eq!(ballast(&fixture), Some(BALLAST));
    fixture.disk.set_free(0);
    assert!(space.restore_ballast().unwrap(), "it is there already");
    assert!(space.release_ballast().unwrap());
    assert!(!space.release_ballast().unwrap());
    assert_eq!(ballast(&fixture), None);
    assert_eq!(space.free_bytes().unwrap(), 0, "measured again after the release");
}

#[test]
fn a_ballast_of_another_size_is_made_again() {
    let fixture = Fixture::new();
    fs::write(fixture.root.path().join("ballast"), "half").unwrap();
    assert!(space(&fixture, u64::MAX).restore_ballast().unwrap());
    assert_eq!(ballast(&fixture), Some(BALLAST));
}

#[test]
fn a_ballast_that_cannot_be_made_leaves_nothing() {
    let fixture = Fixture::new();
    for effect in ["create ballast", "allocate", "sync"] {
        fixture.disk.restart();
        fixture.disk.fail(effect, Errno::NOSPC);
        assert!(space(&fixture, u64::MAX).restore_ballast().unwrap_err().is_full());
        assert_eq!(ballast(&fixture), None, "{effect}");
    }
}

#[test]
fn asking_again_and_again_measures_once() {
    let fixture = Fixture::new();
    let asked = std::time::Instant::now();
    let space = space(&fixture, RESERVE);
    fixture.disk.fail("free_bytes", Errno::IO);
    let answer = space.has_room();
    // A test machine may stand still for longer than a measurement is good.
    assert!(answer.is_ok_and(|room| room) || asked.elapsed().as_millis() >= 100);
}
