//! The machine stops while entries are deleted, and at every effect of a day of the proxy.

use super::super::gate::Fault;
use super::super::house::Loss;
use super::*;

#[test]
fn at_most_so_many_batches_are_claimed_and_a_crash_gives_them_back() {
    for (batches, most) in [(1, 100), (2, 200)] {
        let mut house = House::new();
        house.settings.rows_max = 40;
        house.restart();
        let group = group(&house, "acme");
        capacity(&house, batches);
        let mut seen = 0;
        for effect in (20..260).step_by(12) {
            blobs(&house, group, 250);
            purge(&house, group);
            house.gate.set(effect, Fault::Stop);
            reclaim(&mut house);
            house.crash(Loss::Nothing);
            let counts = waiting(&house, CachedKind::Blob);
            assert!(counts.processing <= most, "{counts:?} with {batches}");
            seen = seen.max(counts.processing);
            assert_consistent(house.store());
            house.clock.advance(HOUR);
            let run = reclaim(&mut house);
            assert_eq!((run.errors, usage(&house, group)), (Vec::new(), 0));
        }
        assert!(seen > most / 2, "only {seen} were ever claimed with {batches}");
    }
}

#[test]
fn a_stop_ends_deleting_between_two_slices() {
    let mut house = House::new();
    house.settings.rows_max = 10;
    house.restart();
    let group = group(&house, "acme");
    blobs(&house, group, 250);
    purge(&house, group);
    capacity(&house, 0);
    reclaim(&mut house);
    capacity(&house, 2);
    let stop = house.running().stop.clone();
    house.gate.at(80, move || stop.request());
    let run = reclaim(&mut house);
    assert_eq!((run.ended, run.error_count), (None, 0));
    let left = usage(&house, group);
    assert!(left > 0 && left < 250, "{left}");
    // What was claimed is given back, so the next one goes on at once.
    let counts = waiting(&house, CachedKind::Blob);
    assert_eq!((counts.pending, counts.processing), (left, 0));
    assert_consistent(house.store());
    house.gate.open();
    house.restart();
    reclaim(&mut house);
    assert_eq!(usage(&house, group), 0);
}

type Step = fn(&mut House, GroupId) -> Result<(), Error>;

const DAY_OF_PROXY: &[Step] = &[
    |house, group| pull(house, group),
    |house, group| house.store().purge_cached(group).wait(),
    |house, group| pull(house, group),
    |house, _| {
        house.sweep();
        Ok(())
    },
    |house, group| manifest(house.store(), group, "newer", &["layer"]).map(drop),
    |house, group| {
        house.clock.advance(DAY * 2);
        let id = house.store().view()?.cached(group, CachedKind::Blob, digest("layer"))?;
        if let Some((id, _)) = id {
            house.store().note_cached_read(id);
        }
        Ok(())
    },
    |house, _| {
        house.sweep();
        Ok(())
    },
    |house, group| pull(house, group),
    |house, group| house.store().purge_cached(group).wait(),
    |house, _| {
        house.sweep();
        house.clock.advance(LEASE_OVER);
        house.sweep();
        Ok(())
    },
];

#[test]
fn the_machine_may_stop_at_any_effect_of_a_day_of_the_proxy() {
    let mut house = House::new();
    let group = group(&house, "acme");
    keep_for(&house, group, 1);
    for n in 0.. {
        let loss = if n % 2 == 0 { Loss::Everything } else { Loss::Nothing };
        house.gate.set(n, Fault::Stop);
        for step in DAY_OF_PROXY {
            let _ = step(&mut house, group);
            if house.gate.has_stopped() {
                break;
            }
        }
        if !house.gate.has_failed() {
            assert!(n > 50, "a day has more effects than {n}");
            assert_eq!((usage(&house, group), house.totals().free.files), (0, 0));
            return;
        }
        let when = format!("stop at effect {n}, {loss:?} lost");
        house.crash(loss);
        house.check(&when);
        purge(&house, group);
        assert!(!serves(&house, group), "{when}");
        house.clock.advance(HOUR);
        let run = house.sweep();
        assert_eq!(run.errors, [""; 0], "{when}");
        assert_eq!(usage(&house, group), 0, "{when}");
        house.clear(&when);
    }
}
