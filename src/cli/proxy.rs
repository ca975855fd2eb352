//! `larder proxy`: files with secrets and certificates are read here, by whoever types; the rest
//! is done like every administration command.

use std::fs;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use super::admin;
use super::args::proxy::{Kind, ProxyCommand, SetProxy, Switch};
use crate::app::admin::Command;
use crate::app::admin::proxy::{Change, Credentials, Own, Proxy, Secret};
use crate::model::time::micros;

/// Most bytes of a file with a secret or with certificates: a command has to fit them.
const FILE_BYTES_MAX: u64 = 64 << 10;

pub(super) fn proxy(command: ProxyCommand) -> Result<ExitCode, String> {
    let (common, command) = match command {
        ProxyCommand::List(list) => {
            (list.common, Proxy::List { group: list.group, kind: list.kind.map(Kind::of_entry) })
        }
        ProxyCommand::Purge(of) => (of.common, Proxy::Purge { group: of.group }),
        ProxyCommand::Retry(retry) => {
            let group = retry.group.map(|group| group.to_string());
            (retry.common, Proxy::Retry { group })
        }
        ProxyCommand::Stats(all) => (all.common, Proxy::Stats),
        ProxyCommand::Show(of) => (of.common, Proxy::Show { group: of.group }),
        ProxyCommand::Set(set) => {
            let change = Box::new(change(&set)?);
            (set.common, Proxy::Set { group: set.group, change })
        }
        ProxyCommand::Capacity(capacity) => {
            (capacity.common, Proxy::Capacity { capacity: capacity.capacity })
        }
    };
    admin::run(&common, Command::Proxy(command))
}

fn change(set: &SetProxy) -> Result<Change, String> {
    let is_on = |switch: Switch| switch == Switch::On;
    let upstream = set.upstream.as_deref().map(|text| own(text, "default"));
    let certificates = set.certificates.as_deref().map(certificates).transpose()?;
    let credentials = set.identity.as_deref().map(|login| credentials(set, login)).transpose()?;
    let milliseconds = |time| micros(time) / 1000;
    let change = Change {
        enabled: set.enabled.map(is_on),
        upstream,
        library: set.library.map(is_on),
        certificates,
        credentials,
        patience_ms: set.patience.map(|patience| match patience {
            Own::Default => Own::Default,
            Own::Value(time) => Own::Value(milliseconds(time).max(1)),
        }),
        requests_max: set.requests,
        ttl: set.ttl.map(is_on),
        ttl_days: set.ttl_days,
        admins: set.admins,
    };
    if change == Change::default() {
        return Err("nothing is to be changed; `larder proxy set --help` tells what can be".into());
    }
    Ok(change)
}

fn own(text: &str, default: &str) -> Own<String> {
    if text == default { Own::Default } else { Own::Value(text.to_owned()) }
}

fn certificates(path: &Path) -> Result<Own<String>, String> {
    if path.as_os_str() == "none" {
        return Ok(Own::Default);
    }
    let pem = read(path)?;
    if pem.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(Own::Value(pem));
    }
    Err(format!("{} has no certificate in PEM", path.display()))
}

fn credentials(set: &SetProxy, login: &str) -> Result<Own<Credentials>, String> {
    if login == "none" {
        return Ok(Own::Default);
    }
    let secret = match &set.secret_file {
        Some(path) => first_line(&read(path)?).to_owned(),
        None if std::io::stdin().is_terminal() => {
            rpassword::prompt_password(format!("Password or token of {login}: "))
                .map_err(|error| format!("no secret: {error}"))?
        }
        None => return Err("give the password or token of the login with --secret-file".into()),
    };
    if secret.is_empty() {
        return Err("the password or token is empty".into());
    }
    Ok(Own::Value(Credentials { identity: login.to_owned(), secret: Secret(secret) }))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn read(path: &Path) -> Result<String, String> {
    let unread = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let mut text = String::new();
    let file = fs::File::open(path).map_err(unread)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unread)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        return Ok(text);
    }
    Err(format!("{} has more than {FILE_BYTES_MAX} bytes", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Args, Command as Given};
    use super::*;

    fn changed(arguments: &[&str]) -> Result<Change, String> {
        let all = [&["larder", "proxy", "set", "acme"], arguments].concat();
        let args = Args::try_parse_from(all).map_err(|error| error.to_string())?;
        let Given::Proxy(proxy) = args.command else { return Err("another command".into()) };
        let ProxyCommand::Set(set) = proxy.command else { return Err("another command".into()) };
        change(&set)
    }

    #[test]
    fn only_what_is_given_is_changed() {
        let change = changed(&["--ttl", "on", "--ttl-days", "30", "--patience", "2s"]).unwrap();
        let expected = Change {
            ttl: Some(true),
            ttl_days: Some(Own::Value(30)),
            patience_ms: Some(Own::Value(2000)),
            ..Change::default()
        };
        assert_eq!(change, expected);
        let change = changed(&["--upstream", "default", "--identity", "none"]).unwrap();
        assert_eq!((change.upstream, change.credentials), (Some(Own::Default), Some(Own::Default)));
        assert!(changed(&[]).unwrap_err().contains("nothing is to be changed"));
        assert!(changed(&["--secret-file", "x"]).is_err(), "a secret without a login");
    }

    #[test]
    fn a_secret_is_the_first_line_of_its_file_and_shows_itself_to_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "hunter2\r\nmore\n").unwrap();
        let file = file.to_str().unwrap();
        let change = changed(&["--identity", "ci", "--secret-file", file]).unwrap();
        assert!(!format!("{change:?}").contains("hunter2"));
        let secret = Secret("hunter2".into());
        let expected = Credentials { identity: "ci".into(), secret };
        assert_eq!(change.credentials, Some(Own::Value(expected)));
        assert!(changed(&["--certificates", file]).unwrap_err().contains("no certificate"));
    }
}
