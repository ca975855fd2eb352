//! Keys of tokens: one signs, old ones are known as long as they may be needed, none is lost by a
//! crash (I5), and a wrong clock does not keep one for ever.

use std::time::Duration;

use super::House;
use crate::db::Span;
use crate::db::schema::SIGNING_KEYS;
use crate::model::Timestamp;
use crate::store::signing_keys::{KEY_LIFETIME, NamedKey, TOKEN_LIFETIME_MAX, signs_at};

const MINUTE: Duration = Duration::from_secs(60);

impl House {
    fn rotate(&self, secret: u8) -> NamedKey {
        self.store.rotate_signing_key([secret; 32]).wait().unwrap()
    }

    fn known(&self) -> Vec<Timestamp> {
        let keys = SIGNING_KEYS.all(&self.store.view().unwrap().snapshot, Span::all()).unwrap();
        keys.into_iter().map(|(made, _)| made).collect()
    }

    fn current(&self) -> Option<NamedKey> {
        let newest = self.store.view().unwrap().newest_signing_key().unwrap();
        newest.filter(|(made, _)| signs_at(*made, self.now()))
    }
}

#[test]
fn one_key_signs_for_a_day_and_survives_a_restart() {
    let house = House::new();
    assert_eq!(house.current(), None);
    let first = house.rotate(1);
    assert_eq!(first.1.secret, vec![1; 32]);
    house.clock.advance(KEY_LIFETIME.saturating_sub(MINUTE));
    assert_eq!(house.rotate(2), first, "it is young enough");
    let house = house.reopen().after_power_loss(None);
    assert_eq!(house.current(), Some(first.clone()));
    house.clock.advance(MINUTE);
    assert_eq!(house.current(), None);
    let second = house.rotate(2);
    assert_eq!((second.1.secret.as_slice(), second.0), (&[2; 32][..], house.now()));
    assert_eq!(house.known(), [first.0, second.0]);
    let view = house.store.view().unwrap();
    assert_eq!(view.signing_key(first.0).unwrap(), Some(first.1));
    assert_eq!(view.signing_key(Timestamp(7)).unwrap(), None);
}

#[test]
fn a_key_is_known_until_the_last_token_it_signed_is_over() {
    let house = House::new();
    let first = house.rotate(1);
    // It goes on signing where no other can be made, so the next one's time counts.
    house.clock.advance(KEY_LIFETIME * 5);
    let second = house.rotate(2);
    house.clock.advance(KEY_LIFETIME.max(TOKEN_LIFETIME_MAX).saturating_sub(MINUTE));
    assert_eq!(house.known(), [first.0, second.0]);
    house.clock.advance(MINUTE);
    let third = house.rotate(3);
    assert_eq!(house.known(), [second.0, third.0]);
}

#[test]
fn a_key_from_the_future_is_given_up() {
    let house = House::new();
    house.clock.advance(KEY_LIFETIME * 400);
    let wrong = house.rotate(1);
    house.clock.jump(wrong.0.before(MINUTE));
    assert_eq!(house.rotate(2), wrong, "clocks are corrected by little all the time");
    house.clock.jump(wrong.0.before(KEY_LIFETIME * 365));
    assert_eq!(house.current(), None);
    let right = house.rotate(2);
    assert_eq!((house.known(), house.current()), (vec![right.0], Some(right)));
}
