//! pip, twine and uv as they are (spec gitlab §7, statement 16): what people and CI jobs do with
//! packages of Python. What they upload is written by hand, so nothing else is ever fetched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::harness::{Outcome, needs, needs_client, sha256};
use super::pypi_setting::Setting;

/// Writes a wheel and sources.
const BUILD: &str = include_str!("clients_pypi.py");

/// Reads a page as pip does, as HTML and as JSON, and compares what it finds there.
const PARSE: &str = r"
import sys
from pip._internal.index.collector import IndexContent, parse_links
url, html, json = sys.argv[1:]
def found(path, kind):
    content = IndexContent(open(path, 'rb').read(), 'utf-8', kind, url)
    return sorted((l.filename, l.url_without_fragment, tuple(sorted((l._hashes or {}).items()) or
        [(l.hash_name, l.hash)]), l.requires_python, l.yanked_reason) for l in parse_links(content))
as_html = found(html, 'text/html')
as_json = found(json, 'application/vnd.pypi.simple.v1+json')
assert as_html == as_json, (as_html, as_json)
print(len(as_html))
";

/// The clients, with a folder for what they write.
struct Clients {
    python: PathBuf,
    library: PathBuf,
    folder: PathBuf,
}

impl Clients {
    /// `None` after saying why the test is skipped.
    #[track_caller]
    fn find(setting: &Setting) -> Option<Self> {
        let python = needs("python3")?;
        let library = needs_client("pypi/twine/__init__.py")?.ancestors().nth(2)?.to_owned();
        needs_client("pypi/bin/uv")?;
        let folder = setting.server.scratch("clients");
        fs::create_dir(&folder).unwrap();
        Some(Self { python, library, folder })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.folder).env("PYTHONPATH", &self.library);
        command.env("NO_PROXY", "127.0.0.1").env("PIP_CONFIG_FILE", "/dev/null");
        command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_NO_CACHE_DIR", "1");
        command.env("PIP_NO_INPUT", "1").env("PIP_ROOT_USER_ACTION", "ignore");
        command.env("UV_NO_CONFIG", "1").env("UV_CACHE_DIR", self.folder.join("uv"));
        command.env("UV_PYTHON_DOWNLOADS", "never").env("NO_COLOR", "1").env("COLUMNS", "999");
        command.current_dir(&self.folder);
        command
    }

    fn python(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(&self.python).args(arguments))
    }

    /// Wheel and sources of a version, in a folder of their own.
    fn build(&self, name: &str, version: &str, python: &str) -> [String; 2] {
        let folder = self.folder.join(format!("{name}-{version}"));
        fs::create_dir(&folder).unwrap();
        let folder = folder.to_str().unwrap();
        self.python(&["-s", "-c", BUILD, folder, name, version, python]).succeeds();
        let stem = format!("{folder}/{}-{version}", name.to_lowercase().replace(['-', '.'], "_"));
        [format!("{stem}-py3-none-any.whl"), format!("{stem}.tar.gz")]
    }

    fn twine(&self, setting: &Setting, password: &str, more: &[&str]) -> Outcome {
        let path = format!("/api/v4/projects/{}/packages/pypi", setting.project);
        let url = setting.server.url(&path);
        let upload = ["-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"];
        let to = ["--repository-url", &url, "-u", "__token__", "-p", password];
        self.python(&[&upload[..], &to, more].concat())
    }

    /// Installs into a folder; what is there then, or why not.
    fn pip(&self, index: &str, more: &[&str]) -> (Outcome, Vec<String>) {
        let target = tempfile::tempdir_in(&self.folder).unwrap();
        let place = target.path().to_str().unwrap();
        let install = ["-m", "pip", "install", "--no-deps", "--target", place, "-i", index];
        let outcome = self.python(&[&install[..], more].concat());
        (outcome, installed(target.path()))
    }

    fn uv(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(&self.library.join("bin/uv")).args(arguments))
    }
}

/// `name-version` of what is installed in a folder.
fn installed(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> =
        names.filter_map(|name| Some(name.strip_suffix(".dist-info")?.to_owned())).collect();
    names.sort();
    names
}

#[test]
fn statement_16_twine_uploads_wheel_and_sources_once() {
    let setting = Setting::new();
    let Some(clients) = Clients::find(&setting) else { return };
    let [wheel, sources] = clients.build("Acme-Tool", "1.0", ">=3.8");
    let dev = setting.server.token_of("dev", "api");
    clients.twine(&setting, &dev, &[&wheel]).succeeds();
    // Sources of the same version come beside; what is there already is refused, or skipped.
    clients.twine(&setting, &dev, &["--skip-existing", &wheel, &sources]).succeeds();
    let again = clients.twine(&setting, &dev, &["--verbose", &wheel]).exits(1);
    let told = again.out + &again.err;
    assert!(told.contains("File name has already been taken"), "{told}");
    let wrong = clients.twine(&setting, "glpat-wrong", &[&wheel]).exits(1);
    let told = wrong.out + &wrong.err;
    assert!(told.contains("401 Unauthorized"), "{told}");
    // With login and password.
    let path = format!("/api/v4/projects/{}/packages/pypi", setting.project);
    let [newer, _] = clients.build("acme.tool", "1.1", ">=3.8");
    let url = setting.server.url(&path);
    let password = super::harness::people::password_of("dev");
    let to = ["--repository-url", &url, "-u", "dev", "-p", &password, &newer];
    let upload = ["-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"];
    clients.python(&[&upload[..], &to].concat()).succeeds();
    let index = setting.url("dev", &dev) + "/simple";
    let (pip, there) = clients.pip(&index, &["acme_tool"]);
    pip.succeeds();
    assert_eq!(there, ["acme_tool-1.1"]);
}

#[test]
fn pip_installs_from_project_and_group_and_checks_hashes() {
    let setting = Setting::new();
    let Some(clients) = Clients::find(&setting) else { return };
    let dev = setting.server.token_of("dev", "api");
    let reader = setting.server.token_of("rep", "read_api");
    let mut sums = Vec::new();
    for (version, python) in
        [("1.0", ">=3.8"), ("1.1rc1", ">=3.8"), ("1.1", ">=3.8"), ("2.0", ">=99")]
    {
        let [wheel, sources] = clients.build("acme-tool", version, python);
        sums.push(sha256(fs::read(&wheel).unwrap()));
        clients.twine(&setting, &dev, &[&wheel, &sources]).succeeds();
    }
    let index = setting.url("any", &reader) + "/simple";
    // 2.0 is for a Python that nobody has.
    let (pip, there) = clients.pip(&index, &["Acme.Tool"]);
    pip.succeeds();
    assert_eq!(there, ["acme_tool-1.1"]);
    let (pip, there) = clients.pip(&(index.clone() + "/"), &["--pre", "acme_tool<1.1"]);
    pip.succeeds();
    assert_eq!(there, ["acme_tool-1.1rc1"]);
    let group = setting.server.url("/api/v4/groups/acme/-/packages/pypi/simple");
    let group = group.replace("://", &format!("://any:{reader}@"));
    let (pip, there) = clients.pip(&group, &["acme-tool==1.0"]);
    pip.succeeds();
    assert_eq!(there, ["acme_tool-1.0"]);
    // Hashes that others wrote down.
    for (sum, exit) in [(sums[0].clone(), 0), (sums[1].clone(), 1)] {
        let list = clients.folder.join("requirements.txt");
        fs::write(&list, format!("acme-tool==1.0 --hash=sha256:{sum}\n")).unwrap();
        let list = ["--only-binary=:all:", "--require-hashes", "-r", list.to_str().unwrap()];
        let (pip, there) = clients.pip(&index, &list);
        assert_eq!(
            (pip.exits(exit).code == Some(0), there.len()),
            (exit == 0, usize::from(exit == 0))
        );
    }
    let versions = clients.python(&["-m", "pip", "index", "versions", "acme-tool", "-i", &index]);
    let versions = versions.succeeds().out;
    assert!(versions.contains("Available versions: 1.1, 1.0\n"), "{versions}");
    // What is not here is nowhere.
    let (pip, there) = clients.pip(&index, &["requests"]);
    pip.exits(1).complains(&["No matching distribution found for requests"]);
    assert!(there.is_empty());
    let (pip, _) = clients.pip(&setting.url("any", "wrong"), &["acme-tool"]);
    pip.exits(1);
}

#[test]
fn pip_reads_the_same_from_html_and_from_json() {
    let setting = Setting::new();
    let Some(clients) = Clients::find(&setting) else { return };
    let dev = setting.server.token_of("dev", "api");
    for version in ["1.0", "1!2.0+local.1"] {
        let [wheel, sources] = clients.build("acme-tool", version, ">=3.8,<99");
        clients.twine(&setting, &dev, &[&wheel, &sources]).succeeds();
    }
    let mut arguments = vec!["-s".to_owned(), "-c".to_owned(), PARSE.to_owned()];
    arguments.push(setting.url("x", "y") + "/simple/acme-tool/");
    for kind in ["text/html", "application/vnd.pypi.simple.v1+json"] {
        let page = setting.root_gets("/simple/acme-tool/").header("Accept", kind).expect(200);
        let place = clients.folder.join(kind.replace('/', "_"));
        fs::write(&place, page.body).unwrap();
        arguments.push(place.to_str().unwrap().to_owned());
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    assert_eq!(clients.python(&arguments).succeeds().out, "4\n");
    let index = setting.url("any", &dev) + "/simple";
    let (pip, there) = clients.pip(&index, &["acme-tool"]);
    pip.succeeds();
    assert_eq!(there, ["acme_tool-1!2.0+local.1"]);
}

#[test]
fn uv_publishes_once_and_installs() {
    let setting = Setting::new();
    let Some(clients) = Clients::find(&setting) else { return };
    let dev = setting.server.token_of("dev", "api");
    let path = format!("/api/v4/projects/{}/packages/pypi", setting.project);
    let (url, index) = (setting.server.url(&path), setting.url("__token__", &dev) + "/simple");
    let publish = |password: &str, files: &[String]| {
        let to = ["publish", "--publish-url", &url, "--check-url", &index];
        let login = ["--trusted-publishing", "never", "-u", "__token__", "-p", password];
        let files: Vec<_> = files.iter().map(String::as_str).collect();
        clients.uv(&[&to[..], &login, &files].concat())
    };
    let [wheel, sources] = clients.build("Acme-Tool", "1.0", ">=3.8");
    publish("glpat-wrong", std::slice::from_ref(&wheel)).exits(2);
    publish(&dev, std::slice::from_ref(&wheel)).succeeds();
    let second = publish(&dev, &[wheel, sources]).succeeds();
    assert!(second.err.contains("already exists"), "{}", second.err);
    let install = |index: &str, what: &str| {
        let target = tempfile::tempdir_in(&clients.folder).unwrap();
        let place = target.path().to_str().unwrap();
        let python = clients.python.to_str().unwrap();
        let install = ["pip", "install", "--no-deps", "--python", python, "--target", place];
        let outcome = clients.uv(&[&install[..], &["--default-index", index, what]].concat());
        (outcome, installed(target.path()))
    };
    let (uv, there) = install(&index, "acme_tool");
    uv.succeeds();
    assert_eq!(there, ["acme_tool-1.0"]);
    let group = setting.server.url("/api/v4/groups/acme/-/packages/pypi/simple/");
    let (uv, there) = install(&group.replace("://", &format!("://any:{dev}@")), "Acme.Tool==1.0");
    uv.succeeds();
    assert_eq!(there, ["acme_tool-1.0"]);
    let (uv, there) = install(&index, "requests");
    uv.exits(1).complains(&["requests was not found"]);
    assert!(there.is_empty());
}
