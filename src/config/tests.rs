//! Layers, places and refusals, as tables; nothing here touches the process.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::*;

/// A world to load settings from, as pairs of name and value.
#[derive(Default)]
struct World<'a> {
    flags: &'a [(&'a str, &'a str)],
    env: &'a [(&'a str, &'a str)],
    files: &'a [(&'a str, &'a str)],
}

impl World<'_> {
    fn load(&self) -> Result<Loaded, Error> {
        let find = |pairs: &[(&str, &str)], name: &str| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        let mut flags = Flags::new(find(self.flags, "config").map(PathBuf::from));
        for (flag, text) in self.flags.iter().filter(|(flag, _)| *flag != "config") {
            flags.set(named(flag), *text);
        }
        let read = |path: &Path| match find(self.files, path.to_str().unwrap()) {
            Some(text) if text == "unreadable" => Err(io::ErrorKind::PermissionDenied.into()),
            Some(text) => Ok(text),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        Settings::load(&flags, |name| find(self.env, name), read)
    }

    fn error(&self) -> String {
        self.load().unwrap_err().to_string()
    }

    fn value(&self, flag: &str) -> (String, String) {
        let loaded = self.load().unwrap();
        let (_, value, place) = loaded.entries().find(|(s, ..)| s.flag == flag).unwrap();
        (value.unwrap_or_else(|| "none".to_owned()), place.to_string())
    }
}

fn named(flag: &str) -> &'static Setting {
    SETTINGS.iter().find(|setting| setting.flag == flag).unwrap()
}

#[test]
fn names_follow_from_the_flag_and_are_unique() {
    let listen = named("max-connections");
    assert_eq!(listen.key(), "server.max_connections");
    assert_eq!(listen.variable(), "LARDER_MAX_CONNECTIONS");
    let url = named("ldap-url");
    assert_eq!((url.key(), url.variable()), ("ldap.url".to_owned(), "LARDER_LDAP_URL".to_owned()));
    let keys: HashSet<_> = SETTINGS.iter().map(Setting::key).collect();
    assert_eq!(keys.len(), SETTINGS.len());
    let names: HashSet<_> = SETTINGS.iter().map(|setting| setting.flag).collect();
    assert_eq!(names.len(), SETTINGS.len());
    assert!(!names.contains("config") && !names.contains("json"));
    assert_eq!(setting::data().flag, "data");
}

#[test]
fn every_default_is_read_back_by_its_own_setting() {
    for setting in SETTINGS {
        let mut settings = Settings::default();
        if let Some(text) = setting.default_text() {
            setting.kind.put(&mut settings, &text).unwrap();
        }
        assert_eq!(settings, Settings::default(), "{}", setting.flag);
    }
}

#[test]
fn every_setting_has_a_field_of_its_own() {
    for setting in SETTINGS {
        let other = match setting.kind {
            Kind::Folder(_) | Kind::OptionalFolder(_) => "elsewhere",
            Kind::Listen(_) => "[::1]:1",
            Kind::Command(_) => "/bin/sign --all",
            Kind::Header(_) => "x-sendfile",
            Kind::UrlPrefix(_) => "/files",
            Kind::Url(_) => "http://example",
            Kind::Urls(_) => "http://example,https://example:1/x",
            Kind::File(_) => "some/file",
            Kind::Pattern(_) => "^debug$",
            Kind::Filter(_) => "trace",
            Kind::Text(_) | Kind::Realm(_) => "something",
            Kind::Switch(_) if setting.default_text().as_deref() == Some("true") => "false",
            Kind::Switch(_) => "true",
            Kind::LdapUrl(_) => "ldaps://example",
            Kind::LdapFilter(_) => "(uid={login})",
            Kind::Auth(_) => "none",
            Kind::Networks(_) => "10.0.0.0/8",
            Kind::Time(..) => "999ms",
            Kind::Size(..) => "1MiB",
            Kind::Count(..) => "7",
            Kind::Untagged(_) => "u/**=7d,main/*=keep",
        };
        let other = if ["upload-idle", "registry-token-lifetime"].contains(&setting.flag) {
            "7s"
        } else {
            other
        };
        let loaded = World { flags: &[(setting.flag, other)], ..World::default() }.load().unwrap();
        for (shown, value, place) in loaded.entries() {
            let here = shown.flag == setting.flag;
            let expected = if here { Some(other.to_owned()) } else { shown.default_text() };
            assert_eq!(value, expected, "{} after {}", shown.flag, setting.flag);
            assert_eq!(*place != Place::Default, here);
        }
    }
}

#[test]
fn defaults() {
    let settings = Settings::default();
    let Settings { server, store, space, sweeper, uploads, tree, publish, .. } = settings;
    let Settings { users, access, auth, ldap, post_process, log, .. } = Settings::default();
    assert_eq!(server.listen.to_string(), "127.0.0.1:1337");
    assert_eq!((server.max_connections, server.public_url), (1024, None));
    assert_eq!((store.lease, store.slice), (Duration::from_secs(600), Duration::from_millis(5)));
    assert_eq!((store.inline_max, store.cache), (16384 - 64, 64 << 20));
    assert_eq!((space.reserve, space.ballast), (32 << 20, 4 << 20));
    assert_eq!((sweeper.sweep_period, sweeper.unlink_capacity), (Duration::from_secs(86400), 2));
    assert_eq!((uploads.max_upload, tree.internal_format_filter), (0, None));
    assert_eq!((publish.url.len(), publish.max_requests), (0, 4));
    assert_eq!(publish.timeout, Duration::from_secs(300));
    assert_eq!((ldap.url, ldap.start_tls, ldap.max_connections), (None, true, 4));
    assert_eq!(ldap.timeout, Duration::from_secs(10));
    assert_eq!((post_process.post_process, post_process.post_process_runs), (None, 2));
    assert_eq!((users.quota, log.log.as_str()), (10 << 30, "info"));
    assert_eq!(access.acls_dir, None);
    assert_eq!(log.log.as_str(), "info");
    assert_eq!((auth.auth, auth.open_to_everybody), (AuthMode::On, false));
    assert_eq!((auth.auth_cache_size, auth.auth_cache_ttl), (4096, Duration::from_secs(600)));
    assert_eq!(auth.trusted_proxies.to_string(), "127.0.0.0/8,::1/128,unix");
}

#[test]
fn each_layer_lies_over_the_one_before() {
    let file = ("larder-data/larder.toml", "[store]\nlease = 1\n");
    let theirs = ("DLREPO_ORPHAN_BLOB_LIFETIME", "2");
    let ours = ("LARDER_LEASE", "3");
    let flag = ("lease", "4");
    let layers = [
        (World::default(), "10m", "default"),
        (World { files: &[file], ..World::default() }, "1s", "larder-data/larder.toml:2"),
        (
            World { files: &[file], env: &[theirs], ..World::default() },
            "2s",
            "variable DLREPO_ORPHAN_BLOB_LIFETIME",
        ),
        (
            World { files: &[file], env: &[theirs, ours], ..World::default() },
            "3s",
            "variable LARDER_LEASE",
        ),
        (World { files: &[file], env: &[theirs, ours], flags: &[flag] }, "4s", "flag --lease"),
    ];
    for (world, value, place) in layers {
        assert_eq!(world.value("lease"), (value.to_owned(), place.to_owned()));
    }
}

#[test]
fn an_empty_variable_is_not_set() {
    let env = &[("LARDER_LEASE", ""), ("DLREPO_ORPHAN_BLOB_LIFETIME", ""), (FILE_VARIABLE, "")];
    let world = World { env, ..World::default() };
    assert_eq!(world.value("lease"), ("10m".to_owned(), "default".to_owned()));
    let world = World { flags: &[("data", "")], ..World::default() };
    assert!(world.error().starts_with("flag --data: server.data cannot be ``: it is empty"));
}

#[test]
fn which_file_is_read() {
    let files = &[
        ("larder-data/larder.toml", "[log]\nlog = \"error\""),
        ("there/larder.toml", "[log]\nlog = \"warn\""),
        ("named.toml", "[server]\ndata = \"there\"\n[log]\nlog = \"debug\""),
        ("other.toml", "[log]\nlog = \"trace\""),
    ];
    let flag: &[(&str, &str)] = &[("config", "other.toml"), ("data", "there")];
    for (flags, env, level) in [
        (&[][..], &[][..], "error"),
        (&[("data", "there")], &[], "warn"),
        (&[], &[("LARDER_DATA", "there")], "warn"),
        (&[], &[("DLREPO_ROOT_DIR", "there")], "warn"),
        (&[("data", "nowhere")], &[("LARDER_DATA", "there")], "info"),
        (&[], &[("LARDER_CONFIG", "named.toml")], "debug"),
        (flag, &[("LARDER_CONFIG", "named.toml")], "trace"),
    ] {
        let world = World { flags, env, files };
        assert_eq!(world.value("log").0, level, "{flags:?} {env:?}");
    }
}

#[test]
fn a_file_that_was_named_must_be_there_and_any_must_be_readable() {
    let world = World { flags: &[("config", "gone.toml")], ..World::default() };
    assert!(world.error().starts_with("gone.toml: entity not found. Name another"));
    let files = &[("larder-data/larder.toml", "unreadable")];
    let world = World { files, ..World::default() };
    assert!(world.error().starts_with("larder-data/larder.toml: permission denied"));
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_line() {
    for (text, line, words) in [
        ("listen = \"127.0.0.1:1\"", 1, "`listen` is not a setting. Meant is `server.listen`"),
        ("[server]\nmax-connections = 1", 2, "Meant is `server.max_connections`"),
        ("[server]\nlisten = \"localhost:1\"\n\nlsten = 3", 4, "There are: server.data, server.l"),
        ("[ldap]\nldap_url = \"\"", 2, "`ldap.ldap_url` is not a setting. Meant is `ldap.url`"),
        ("[server]\nurl = \"\"", 2, "`server.url` is not a setting. There are: server.data, "),
        ("[ldap]\nstart_tls = \"maybe\"", 2, "neither on nor off. Allowed: true, yes, on or 1;"),
        ("[ldap]\nstart_tls = 0", 2, "`0`: it is neither true nor false"),
        ("[ldap]\ntimeout = false", 2, "`false`: it is neither text in quotes nor a whole"),
        ("[ldap]\nurl = \"http://x\"", 2, "not start with ldap:// or ldaps://. Allowed: ldap:"),
        ("[ldap]\nuser_filter = \"(uid={u})\"", 2, "`{u}` is neither {login} nor {dn}"),
        ("# \n[serve]\n", 2, "`serve` is not a setting. There are: server.data, "),
        ("[store.more]\nlease = 1", 1, "`store.more` is not a setting. There are: store.lease"),
        ("[[store]]\nlease = 1", 1, "`store` is not a setting"),
        ("[store]\n\nlease = \"soon\"", 3, "store.lease cannot be `soon`: it does not start with"),
        ("[store]\nlease = 1.5", 2, "`1.5`: it is neither text in quotes nor a whole number"),
        ("[store]\nlease = true", 2, "cannot be `true`"),
        ("[store]\nlease = -1", 2, "cannot be `-1`"),
        ("[store]\nlease = 0x10", 2, "cannot be `0x10`"),
        ("[store]\nlease = [\n1,\n2]", 2, "store.lease cannot be"),
        ("[store]\ncache = \"1KiB\"", 2, "too small. Allowed: bytes from 1MiB to 1TiB, such as"),
        ("[store]\nslice = \"1m\"", 2, "too large. Allowed: a time from 1ms to 1s, such as 600"),
        ("[sweeper]\nunlink_capacity = 65", 2, "Allowed: a number from 0 to 64"),
        ("[log]\nlog = 1", 2, "`1`: it is not text in quotes. Allowed: off, error, warn"),
        ("[log]\nlog = \"loud\"", 2, "`loud` is no level"),
        ("[tree]\ninternal_format_filter = \"(\"", 2, "unclosed group. Allowed: a regular expr"),
        ("[server]\nlisten = \"0.0.0.0:80\"\n[auth]\nauth = \"none\"", 2, "nobody has to log in"),
        ("[auth]\nopen_to_everybody = 1", 2, "neither true nor false"),
        ("[auth]\nrealm = \"a\\\"b\"", 2, "cannot stand there"),
        ("[server]\npublic_url = \"example\"", 2, "Allowed: http://HOST"),
        ("[store]\nlease = ", 2, "not readable as TOML"),
        ("[store]\nlease = 1\nlease = 2", 3, "not readable as TOML: duplicate key"),
    ] {
        let files = &[("c.toml", text)];
        let error = World { flags: &[("config", "c.toml")], files, ..World::default() }.error();
        assert!(error.starts_with(&format!("c.toml:{line}: ")), "{text}\n{error}");
        assert!(error.contains(words), "{text}\n{error}");
    }
}

#[test]
fn a_bad_value_is_refused_wherever_it_stands_also_when_it_is_hidden() {
    let good: &[(&str, &str)] = &[("listen", "127.0.0.1:1")];
    for (env, place) in [
        (&[("LARDER_LISTEN", "nowhere")][..], "variable LARDER_LISTEN: "),
        (&[("DLREPO_LISTEN_ADDRESS", "here")], "variable DLREPO_LISTEN_ADDRESS: "),
        (&[("DLREPO_LISTEN_PORT", "http")], "variable DLREPO_LISTEN_PORT: "),
    ] {
        let error = World { flags: good, env, ..World::default() }.error();
        assert!(error.starts_with(place), "{error}");
        assert!(error.contains("Allowed: ADDRESS:PORT, [ADDRESS]:PORT"), "{error}");
    }
    let error = World { flags: &[("listen", "*:1")], ..World::default() }.error();
    assert!(error.starts_with("flag --listen: server.listen cannot be `*:1`"), "{error}");
}

#[test]
fn the_data_folders_own_file_cannot_name_another_folder() {
    let files = &[("larder-data/larder.toml", "[server]\ndata = \"there\"")];
    let error = World { files, ..World::default() }.error();
    assert!(error.starts_with("larder-data/larder.toml:2: server.data cannot be `there`"));
    let named = World { files, flags: &[("config", "larder-data/larder.toml")], env: &[] };
    assert_eq!(named.value("data").0, "there");
}

#[test]
fn variables_of_dlrepo_are_other_names_of_ours() {
    for (env, flag, value) in [
        (&[("DLREPO_ROOT_DIR", "/var/lib/dlrepo")][..], "data", "/var/lib/dlrepo"),
        (&[("DLREPO_LISTEN_ADDRESS", "127.0.0.2")], "listen", "127.0.0.2:1337"),
        (&[("DLREPO_LISTEN_ADDRESS", "localhost")], "listen", "127.0.0.1:1337"),
        (&[("DLREPO_LISTEN_PORT", "80")], "listen", "127.0.0.1:80"),
        (&[("DLREPO_LISTEN_ADDRESS", "::1"), ("DLREPO_LISTEN_PORT", "80")], "listen", "[::1]:80"),
        (&[("LARDER_LISTEN", "[::1]:9"), ("DLREPO_LISTEN_PORT", "80")], "listen", "[::1]:9"),
        (&[("DLREPO_ORPHAN_BLOB_LIFETIME", "60")], "lease", "1m"),
        (&[("DLREPO_TAG_CLEANUP_PERIOD", "0")], "sweep-period", "0s"),
        (&[("DLREPO_INTERNAL_FORMAT_FILTER", "^debug$")], "internal-format-filter", "^debug$"),
        (&[("DLREPO_ACLS_DIR", "/etc/dlrepo/acls")], "acls-dir", "/etc/dlrepo/acls"),
        (&[("DLREPO_PUBLIC_URL", "https://dl.example")], "public-url", "https://dl.example"),
        (&[("DLREPO_PUBLISH_URL", "http://a, http://b/")], "publish-url", "http://a,http://b"),
        (&[("DLREPO_PUBLISH_AUTH", "/etc/auth")], "publish-auth", "/etc/auth"),
        (&[("DLREPO_PUBLISH_FILTER_CMD", "/bin/f")], "publish-filter-cmd", "/bin/f"),
        (&[("DLREPO_PUBLISH_TIMEOUT", "60")], "publish-timeout", "1m"),
        (&[("DLREPO_PUBLISH_MAX_REQUESTS", "1")], "publish-max-requests", "1"),
        (&[("DLREPO_LDAP_URL", "ldap://ldap.example")], "ldap-url", "ldap://ldap.example"),
        (&[("DLREPO_LDAP_START_TLS", "0")], "ldap-start-tls", "false"),
        (&[("DLREPO_LDAP_START_TLS", "false")], "ldap-start-tls", "true"),
        (&[("DLREPO_LDAP_BASE_DN", "dc=acme")], "ldap-base-dn", "dc=acme"),
        (&[("DLREPO_LDAP_USER_FILTER", "(uid={login})")], "ldap-user-filter", "(uid={login})"),
        (&[("DLREPO_LDAP_GROUPS_FILTER", "(m={dn})")], "ldap-groups-filter", "(m={dn})"),
        (&[("DLREPO_LDAP_MAX_CONNECTIONS", "9")], "ldap-max-connections", "9"),
        (&[("DLREPO_LDAP_TIMEOUT", "3")], "ldap-timeout", "3s"),
        (&[("DLREPO_POST_PROCESS_CMD", "/bin/sign")], "post-process", "/bin/sign"),
        (&[("DLREPO_POST_PROCESS_FILTER", "rpm/")], "post-process-filter", "rpm/"),
        (&[("DLREPO_X_SENDFILE_HEADER", "X-Sendfile")], "sendfile-header", "x-sendfile"),
        (&[("DLREPO_AUTH_DISABLED", "1")], "auth", "none"),
        (&[("DLREPO_AUTH_DISABLED", "0")], "auth", "on"),
        (&[("DLREPO_AUTH_REALM", "dl repo")], "auth-realm", "dl repo"),
        (&[("DLREPO_AUTH_FILE", "/etc/auth")], "auth-file", "/etc/auth"),
        (&[("DLREPO_AUTH_CACHE_SIZE", "10")], "auth-cache-size", "10"),
        (&[("DLREPO_AUTH_CACHE_TTL", "60")], "auth-cache-ttl", "1m"),
        (&[("DLREPO_LOG_LEVEL", "CRITICAL")], "log", "error"),
        (&[("DLREPO_LOG_LEVEL", "ERROR")], "log", "error"),
        (&[("DLREPO_LOG_LEVEL", "WARNING")], "log", "warn"),
        (&[("DLREPO_LOG_LEVEL", "INFO")], "log", "info"),
        (&[("DLREPO_LOG_LEVEL", "DEBUG")], "log", "debug"),
    ] {
        let world = World { env, ..World::default() };
        assert_eq!(world.value(flag).0, value, "{env:?}");
        assert!(world.load().unwrap().warnings.is_empty());
    }
    let both = &[("DLREPO_LISTEN_ADDRESS", "::1"), ("DLREPO_LISTEN_PORT", "80")];
    let place = World { env: both, ..World::default() }.value("listen").1;
    assert_eq!(place, "variable DLREPO_LISTEN_ADDRESS with DLREPO_LISTEN_PORT");
    let env = &[("DLREPO_LOG_LEVEL", "LOUD")];
    assert!(World { env, ..World::default() }.error().starts_with("variable DLREPO_LOG_LEVEL: "));
}

#[test]
fn variables_of_dlrepo_without_meaning_are_named_in_one_warning() {
    let env = &[
        ("DLREPO_TEMPLATES_DIR", "/etc/dlrepo/templates"),
        ("DLREPO_STATIC_DIR", "/etc/dlrepo/static"),
        ("DLREPO_USER_QUOTA", ""),
    ];
    let warnings = World { env, ..World::default() }.load().unwrap().warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    let names = "DLREPO_STATIC_DIR, DLREPO_TEMPLATES_DIR";
    assert!(warning.ends_with(&format!("are ignored: {names}")), "{warning}");
}

#[test]
fn only_a_server_that_asks_who_somebody_is_listens_beyond_loopback() {
    let load = |flags: &[(&str, &str)]| World { flags, ..World::default() }.load();
    for address in ["0.0.0.0:1337", "[::]:1337", "192.0.2.1:80", "[::ffff:127.0.0.1]:80"] {
        load(&[("listen", address)]).unwrap();
        let none = [("listen", address), ("auth", "none")];
        let error = load(&none).unwrap_err().to_string();
        assert!(error.starts_with("flag --listen: ") && error.contains("loopback"), "{error}");
        let on_purpose = [&none[..], &[("open-to-everybody", "true")]].concat();
        load(&on_purpose).unwrap();
    }
    load(&[("listen", "127.0.0.1:0"), ("auth", "none")]).unwrap();
}

#[test]
fn a_proxy_tells_login_and_groups_or_nothing() {
    let (login, groups) =
        (("DLREPO_AUTH_HTTP_LOGIN_HEADER", "X-L"), ("DLREPO_AUTH_HTTP_GROUPS_HEADER", "X-G"));
    let warnings =
        |env: &[(&str, &str)]| World { env, ..World::default() }.load().unwrap().warnings;
    assert_eq!(warnings(&[login, groups]), Vec::<String>::new());
    for one in [login, groups] {
        assert!(warnings(&[one])[0].contains("are used together"));
    }
}

#[test]
fn passwords_are_always_checked() {
    let warnings = |value| {
        let env = &[("DLREPO_IGNORE_PASSWORDS", value)];
        World { env, ..World::default() }.load().unwrap().warnings
    };
    assert!(warnings("1")[0].contains("passwords are always checked"));
    assert_eq!(warnings("0"), Vec::<String>::new());
}

#[test]
fn variables_that_look_like_ours_are_warned_of() {
    let names = ["LARDER_LISTN", "LARDER_LISTEN", "LARDER_CONFIG", "LARDER_TEST_STRICT", "HOME"];
    let warnings = unknown_variables(names.into_iter().map(str::to_owned));
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("LARDER_LISTN is not a setting"));
}

#[test]
fn the_text_form_is_a_file_that_gives_the_same() {
    let flags = &[("internal-format-filter", r#"^de"bug\d$"#), ("lease", "0"), ("config", "c")];
    let text = "[server]\npublic_url = \"http://example\"\n[ldap]\nstart_tls = false";
    let files = &[("c", text)];
    let loaded = World { flags, files, ..World::default() }.load().unwrap();
    let text = loaded.render(Form::Text);
    assert!(text.starts_with("# read from c\n\n[server]\n# data = \"larder-data\""), "{text}");
    assert!(text.contains("lease = \"0s\"                             # flag --lease"), "{text}");
    assert!(text.contains("start_tls = false                        # c:4"), "{text}");
    assert!(text.contains("public_url = \"http://example\"            # c:2"), "{text}");
    let again = World { files: &[("larder-data/larder.toml", &text)], ..World::default() };
    assert_eq!(again.load().unwrap().settings, loaded.settings);
}

#[test]
fn the_json_form_names_everything() {
    let env = &[("LARDER_CACHE", "1G"), ("DLREPO_STATIC_DIR", "/x")];
    let loaded = World { env, ..World::default() }.load().unwrap();
    let json: serde_json::Value = serde_json::from_str(&loaded.render(Form::Json)).unwrap();
    assert_eq!(json["file"], serde_json::Value::Null);
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
    let settings = json["settings"].as_array().unwrap();
    assert_eq!(settings.len(), SETTINGS.len());
    let cache = settings.iter().find(|entry| entry["key"] == "store.cache").unwrap();
    assert_eq!(cache["value"], "1GiB");
    assert_eq!(cache["source"], "variable LARDER_CACHE");
    assert_eq!((&cache["flag"], &cache["variable"]), (&"--cache".into(), &"LARDER_CACHE".into()));
}

#[test]
fn the_readme_lists_every_setting() {
    let readme = include_str!("../../README.md");
    for setting in SETTINGS {
        let default = setting.default_text().map_or("none".to_owned(), |text| format!("`{text}`"));
        let row = format!("| `{}` | {default} | {} |", setting.key(), setting.help);
        assert!(readme.contains(&row), "README.md lacks the row\n{row}");
    }
}
