//! Sums in headers.

use super::*;

const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn read(name: &'static str, value: &str) -> Result<Vec<Checksum>, ApiError> {
    claims(&[(http::HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect())
}

#[test]
fn a_sum_may_be_said_in_many_ways() {
    let sha256 = vec![Checksum::parse(&format!("sha256:{SHA256}")).unwrap()];
    let base64 = STANDARD.encode(&sha256[0].value);
    for (name, value) in [
        ("x-checksum-sha256", SHA256.to_owned()),
        ("x-checksum-sha256", SHA256.to_uppercase()),
        ("digest", format!("sha256:{SHA256}")),
        ("digest", format!("SHA-256={base64}")),
        ("digest", format!("unixsum=30637, sha-256={base64}")),
        ("content-digest", format!("sha-256=:{base64}:")),
        ("repr-digest", format!("id-sha-1=:AAAA:, sha-256=:{base64}:")),
    ] {
        assert_eq!(read(name, &value), Ok(sha256.clone()), "{name}: {value}");
    }
    let md5 = Checksum::parse("md5:900150983cd24fb0d6963f7d28e17f72").unwrap();
    assert_eq!(read("x-checksum-md5", "900150983cd24fb0d6963f7d28e17f72"), Ok(vec![md5]));
    assert_eq!(claims(&HeaderMap::new()), Ok(Vec::new()));
}

#[test]
fn what_is_no_sum_is_refused_and_not_passed_over() {
    for (name, value) in [
        ("x-checksum-sha256", ""),
        ("x-checksum-sha256", "abc"),
        ("x-checksum-sha1", SHA256),
        ("x-checksum-sha512", SHA256),
        ("digest", "sha256:zz"),
        ("digest", "nonsense"),
        ("content-digest", "sha-256=:!!:"),
        ("content-digest", "sha-512=:AAAA:"),
    ] {
        assert_eq!(read(name, value).unwrap_err().status(), 400, "{name}: {value}");
    }
}
