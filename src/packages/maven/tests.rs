//! Texts of checksums.

use super::*;

#[test]
fn the_value_of_a_checksum_is_found_in_what_tools_write() {
    for text in [
        "00ff",
        " 00FF\r\n",
        "00ff  app-1.0.jar\n",
        "00ff *app.jar",
        "SHA1 (app.jar) = 00ff",
        "SHA1(app.jar)= 00fF\n",
    ] {
        assert_eq!(claimed(text.as_bytes()), Some(vec![0, 255]), "{text:?}");
    }
    for text in [&b""[..], b"  ", b"0ff", b"nothing", b"\xff\xff", b"app.jar: 00ff"] {
        assert_eq!(claimed(text), None, "{text:?}");
    }
}
