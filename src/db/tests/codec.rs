//! Bytes that no encoder wrote are refused with a reason, and never a panic.

use super::golden::{Sample, samples};
use super::random::{Random, for_seeds};

fn records() -> Vec<Sample> {
    let bare = ["number", "blob id", "nothing", "bytes", "tag name", "user name"];
    let more = ["image name", "sha-256", "sha-512", "cached id", "group id", "user number"];
    let packages = ["project id", "package id"];
    let bare = [&bare[..], &more, &packages].concat();
    samples().into_iter().filter(|sample| !bare.contains(&sample.name)).collect()
}

fn refused(sample: &Sample, bytes: &[u8]) -> String {
    match (sample.again)(bytes) {
        Ok(_) => panic!("{} was read from {bytes:x?}", sample.name),
        Err(why) => why,
    }
}

#[test]
fn other_versions_left_over_bytes_and_missing_ones_are_refused() {
    for sample in records() {
        let bytes = &sample.bytes;
        assert_eq!(refused(&sample, &[]), "it is empty");
        for version in [0, 2, 255] {
            let other = [&[version], &bytes[1..]].concat();
            let why = refused(&sample, &other);
            assert_eq!(why, format!("its version is {version}, 1 is known"));
        }
        let longer = [bytes, &[0, 0][..]].concat();
        assert_eq!(refused(&sample, &longer), "2 bytes are left over");
        for end in 1..bytes.len() {
            refused(&sample, &bytes[..end]);
        }
    }
}

#[test]
fn bare_values_have_their_own_length() {
    for sample in samples().iter().filter(|sample| ["number", "blob id"].contains(&sample.name)) {
        for length in [0, 7, 9] {
            assert!(refused(sample, &vec![0; length]).contains("8 bytes"));
        }
    }
    let nothing = samples().into_iter().find(|sample| sample.name == "nothing").unwrap();
    assert_eq!(refused(&nothing, &[0]), "it should be empty");
    let name = samples().into_iter().find(|sample| sample.name == "tag name").unwrap();
    for bad in [&b""[..], b"\xff", b"a/b", b".a"] {
        refused(&name, bad);
    }
    let name = samples().into_iter().find(|sample| sample.name == "image name").unwrap();
    for bad in [&b""[..], b"\xff", b"a//b", b"u/a", b"A"] {
        refused(&name, bad);
    }
    for (name, length) in [("sha-256", 32), ("sha-512", 64)] {
        let sum = samples().into_iter().find(|sample| sample.name == name).unwrap();
        for wrong in [0, length - 1, length + 1] {
            assert!(refused(&sum, &vec![0; wrong]).contains(&format!("not {length}")));
        }
    }
}

#[test]
fn a_length_beyond_reason_is_refused_and_asks_for_no_memory() {
    for sample in records() {
        for at in 1..sample.bytes.len() {
            for marker in [252_u8, 253, 254, 255] {
                // A number of 4, 8 or 16 bytes follows the marker: here, a huge one.
                let mut bytes = sample.bytes[..at].to_vec();
                bytes.push(marker);
                bytes.extend([0x7f; 24]);
                drop((sample.again)(&bytes));
            }
        }
    }
}

#[test]
fn no_mutation_panics_and_what_is_read_can_be_written() {
    for_seeds(0..4, |random| {
        for sample in samples() {
            for _ in 0..400 {
                let mut bytes = sample.bytes.clone();
                for _ in 0..=random.below(3) {
                    mutate(&mut bytes, random);
                }
                if let Ok(again) = (sample.again)(&bytes) {
                    assert!((sample.again)(&again).is_ok(), "{}: {bytes:x?}", sample.name);
                }
            }
        }
    });
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let byte = *random.pick(&[0, 1, 2, 0x7f, 0x80, 250, 251, 252, 253, 254, 255]);
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, byte),
        2 if at < bytes.len() => bytes[at] = byte,
        3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        4 if at < bytes.len() => drop(bytes.remove(at)),
        _ => {}
    }
}
