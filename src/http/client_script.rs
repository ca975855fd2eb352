//! `GET /cli`: the client as one Python script, made for the address that it was got from.
//!
//! The script (`cli.py`) is whole as it stands; only its default address is replaced. That
//! address may come from a `Host` header, so what could end a string literal is never put into
//! the program that people run.
//! Deliberately absent: other clients, and a script that the owner of the server brings.

use std::borrow::Cow;

use warp::reply::Response;

use super::reply;

const SCRIPT: &str = include_str!("cli.py");

/// What stands in the script for the address of the server.
const PLACEHOLDER: &str = "http://127.0.0.1:1337";

/// The script for the server at `address`, which has no slash at the end.
pub(super) fn answer(address: &str) -> Response {
    reply::plain(script(address).into_owned())
}

fn script(address: &str) -> Cow<'static, str> {
    if is_harmless(address) {
        Cow::Owned(SCRIPT.replace(PLACEHOLDER, address))
    } else {
        Cow::Borrowed(SCRIPT)
    }
}

/// Whether `address` stays what it is inside of a string, of a shell line and of a comment.
fn is_harmless(address: &str) -> bool {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte);
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_put_in_everywhere() {
        let uses = SCRIPT.matches(PLACEHOLDER).count();
        assert!(uses > 0);
        for address in ["https://larder.example/files", "http://[::1]:8080", "http://10.0.0.1"] {
            let script = script(address);
            assert!(!script.contains(PLACEHOLDER), "{address}");
            assert_eq!(script.matches(address).count(), uses);
        }
    }

    #[test]
    fn an_address_cannot_become_code() {
        for address in [
            "http://x\"; import os; \"",
            "http://x'",
            "http://x\\",
            "http://x\n",
            "http://x$(reboot)",
            "http://x y",
            "http://é",
            "http://x%22",
            "http://",
            "javascript:x",
            "",
        ] {
            assert_eq!(script(address), SCRIPT, "{address:?}");
        }
    }

    #[test]
    fn the_script_has_the_version_of_the_server() {
        assert!(SCRIPT.contains(concat!("\nVERSION = \"", env!("CARGO_PKG_VERSION"), "\"\n")));
    }
}
