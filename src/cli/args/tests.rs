//! Tables of command lines and what they mean.

use clap::{CommandFactory, Parser};

use super::{AclCommand, Args, Command};
use crate::config::{Form, SETTINGS, Setting};
use crate::model::Caller;

fn parse(line: &str) -> Result<Command, clap::Error> {
    let words = std::iter::once("larder").chain(line.split_whitespace());
    Args::try_parse_from(words).map(|args| args.command)
}

fn setting(flag: &str) -> &'static Setting {
    SETTINGS.iter().find(|setting| setting.flag == flag).unwrap()
}

#[test]
fn the_definitions_fit_together() {
    Args::command().debug_assert();
}

#[test]
fn every_setting_is_a_flag_of_serve_and_config() {
    for declared in SETTINGS {
        for command in ["serve", "config"] {
            let given = match parse(&format!("{command} --{} x", declared.flag)).unwrap() {
                Command::Serve(serve) => serve.settings.0,
                Command::Config(show) => show.settings.0,
                other => panic!("{other:?}"),
            };
            assert_eq!(given.get(declared), Some("x"), "{command} --{}", declared.flag);
        }
    }
}

#[test]
fn data_and_config_are_flags_of_all() {
    let digest = "0".repeat(64);
    for command in ["sweep", "check", &format!("why {digest}"), "stats"] {
        let line = format!("{command} --data there --config c.toml --json");
        let common = match parse(&line).unwrap() {
            Command::Sweep(sweep) => sweep.common,
            Command::Check(check) => check.common,
            Command::Why(why) => why.common,
            Command::Stats(stats) => stats.common,
            other => panic!("{other:?}"),
        };
        assert_eq!(common.flags().get(setting("data")), Some("there"));
        assert_eq!(common.flags().config.as_deref(), Some("c.toml".as_ref()));
        assert_eq!(common.answer.form(), Form::Json);
    }
}

#[test]
fn rules_are_asked_about_somebody_or_nobody() {
    let parse = |line: &str| match parse(&format!("acl check {line}")) {
        Ok(Command::Acl(acl)) => match acl.command {
            AclCommand::Check(check) => Ok(check),
        },
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    let check = parse("Eve put /x --groups a,b --acls-dir d --data there").unwrap();
    let Caller::User(user) = check.caller() else { panic!() };
    assert_eq!((user.login.as_str(), user.groups), ("eve", vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!((check.method.as_str(), check.path.as_str()), ("PUT", "/x"));
    assert_eq!(check.acls_dir.as_deref(), Some("d".as_ref()));
    assert_eq!(check.place.0.get(setting("data")), Some("there"));
    assert_eq!(parse("- GET /x").unwrap().caller(), Caller::Anonymous);
    for line in ["a/b GET /x", "eve G,T /x", "eve GET", ".x GET /"] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn switches() {
    let Command::Sweep(sweep) = parse("sweep --dry-run").unwrap() else { panic!() };
    assert!(sweep.dry_run && !sweep.accept_clock);
    assert_eq!(sweep.common.answer.form(), Form::Text);
    let Command::Sweep(sweep) = parse("sweep --accept-clock").unwrap() else { panic!() };
    assert!(!sweep.dry_run && sweep.accept_clock);
    let Command::Check(check) = parse("check --repair --hash").unwrap() else { panic!() };
    assert!(check.repair && check.hash);
    let Command::Config(show) = parse("config --json --lease 0").unwrap() else { panic!() };
    assert_eq!(
        (show.answer.form(), show.settings.0.get(setting("lease"))),
        (Form::Json, Some("0"))
    );
}

#[test]
fn digests() {
    let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for given in [hex.to_owned(), format!("sha256:{hex}"), hex.to_uppercase()] {
        let Command::Why(why) = parse(&format!("why {given}")).unwrap() else { panic!() };
        assert_eq!(why.digest.to_string(), hex);
    }
    let error = parse("why 9f86").unwrap_err().to_string();
    assert!(error.contains("64 hex digits"), "{error}");
}

#[test]
fn what_is_no_command_line() {
    for line in [
        "",
        "eat",
        "why",
        "sweep --lease 0",
        "sweep --dry-run --accept-clock",
        "check extra",
        "serve --listen",
        "serve --no-such-setting 1",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
    let version = parse("--version").unwrap_err().to_string();
    assert_eq!(version, format!("larder {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_tells_name_default_and_allowed_values() {
    let help = parse("serve --help").unwrap_err().to_string();
    for words in ["--lease <TIME>", "[default: 10m]", "[env: LARDER_LEASE]", "[file: store.lease]"]
    {
        assert!(help.contains(words), "{words} is not in\n{help}");
    }
}
