//! Maven itself: deploying releases and snapshots again and again, resolving them into an empty
//! local repository where a wrong checksum fails the build, and builds of several modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::harness::maven::Maven;
use super::harness::{Outcome, needs};

const DEPLOY: &str = "org.apache.maven.plugins:maven-deploy-plugin:3.0.0:deploy-file";
const GET: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.5.0:get";
/// What Maven brings along, as packages of the system.
const PLUGINS: &str = "/usr/share/maven-repo/org/apache/maven/plugins";

/// The command, where it and its plugins are installed.
fn command() -> Option<PathBuf> {
    let command = needs("mvn")?;
    for plugin in ["deploy", "dependency", "resources", "compiler", "jar", "install", "surefire"] {
        let place = format!("{PLUGINS}/maven-{plugin}-plugin");
        let why = format!("there is no {place}");
        super::harness::needs::folder(Path::new(&place), &why)?;
    }
    Some(command)
}

/// Maven with a local repository of its own.
struct Client<'a> {
    command: PathBuf,
    folder: PathBuf,
    maven: &'a Maven,
}

impl<'a> Client<'a> {
    /// `at` is what it resolves from; `login` is what it says who it is with.
    fn new(maven: &'a Maven, command: &Path, name: &str, at: &str, login: &str) -> Self {
        let folder = maven.server.scratch(name);
        fs::create_dir_all(&folder).unwrap();
        let settings = include_str!("clients_maven.xml")
            .replace("@LOCAL@", folder.join("m2").to_str().unwrap())
            .replace("@LOGIN@", login)
            .replace("@URL@", &maven.server.url(at));
        fs::write(folder.join("settings.xml"), settings).unwrap();
        Self { command: command.to_owned(), folder, maven }
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let place = self.folder.join(file);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, text).unwrap();
        place
    }

    fn run(&self, below: &str, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(&self.command);
        command
            .current_dir(self.folder.join(below))
            .arg("-s")
            .arg(self.folder.join("settings.xml"));
        Outcome::of(command.args(["-B", "-ntp", "-q"]).args(arguments))
    }

    /// Deploys a file as a version of `com.acme:app`.
    fn deploy(&self, version: &str, content: &str) {
        let file = self.write("app.jar", content);
        let of = |name: &str, value: &str| format!("-D{name}={value}");
        let url = self.maven.server.url(PROJECT);
        let arguments = [
            DEPLOY.to_owned(),
            of("groupId", "com.acme"),
            of("artifactId", "app"),
            of("version", version),
            of("packaging", "jar"),
            of("file", file.to_str().unwrap()),
            of("repositoryId", "acme"),
            of("url", &url),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.run("", &arguments).succeeds();
    }

    /// Gets a version of `com.acme:app`; what it is then.
    fn get(&self, version: &str, file: &str) -> String {
        let artifact = format!("-Dartifact=com.acme:app:{version}");
        self.run("", &[GET, "-U", &artifact, "-Dtransitive=false"]).succeeds();
        fs::read_to_string(self.folder.join("m2/com/acme/app").join(file)).unwrap()
    }

    /// Whether it has never been here.
    fn is_fresh(&self) -> bool {
        !self.folder.join("m2").exists()
    }
}

const PROJECT: &str = "/api/v4/projects/acme%2Flib/packages/maven";
const GROUP: &str = "/api/v4/groups/acme/-/packages/maven";

fn basic(login: &str, password: &str) -> String {
    format!("<username>{login}</username><password>{password}</password>")
}

fn header(name: &str, value: &str) -> String {
    format!(
        "<configuration><httpHeaders><property><name>{name}</name><value>{value}</value></property>\
         </httpHeaders></configuration>"
    )
}

#[test]
fn maven_deploys_a_release_twice_and_resolves_the_newest() {
    let Some(command) = command() else { return };
    let maven = Maven::start();
    let (login, token) = maven.has_deploy_token("acme%2Flib", "write_package_registry");
    let writer = Client::new(&maven, &command, "writer", PROJECT, &basic(&login, &token));
    writer.deploy("1.0", "first");
    writer.deploy("1.0", "second");
    writer.deploy("1.1", "third");
    let (login, token) = maven.has_deploy_token("acme%2Flib", "read_package_registry");
    let reader = Client::new(&maven, &command, "reader", PROJECT, &basic(&login, &token));
    assert!(reader.is_fresh());
    assert_eq!(reader.get("1.0", "1.0/app-1.0.jar"), "second");
    // Which one that is, is what metadata tells.
    assert_eq!(reader.get("RELEASE", "1.1/app-1.1.jar"), "third");
}

#[test]
fn maven_deploys_a_snapshot_twice_and_resolves_the_newest() {
    let Some(command) = command() else { return };
    let maven = Maven::start();
    let (_, token) = maven.has_deploy_token("acme%2Flib", "write_package_registry");
    let writer = Client::new(&maven, &command, "writer", PROJECT, &header("Deploy-Token", &token));
    let root = header("Private-Token", &maven.root);
    let reader = Client::new(&maven, &command, "reader", PROJECT, &root);
    assert!(reader.is_fresh());
    for (number, content) in [(1, "first"), (2, "second")] {
        writer.deploy("1.0-SNAPSHOT", content);
        let newest = "1.0-SNAPSHOT/app-1.0-SNAPSHOT.jar";
        assert_eq!(reader.get("1.0-SNAPSHOT", newest), content);
        let xml = maven.download("com/acme/app/1.0-SNAPSHOT/maven-metadata.xml");
        assert!(xml.contains(&format!("<buildNumber>{number}</buildNumber>")), "{xml}");
    }
    let xml = maven.download("com/acme/app/maven-metadata.xml");
    assert!(xml.contains("<latest>1.0-SNAPSHOT</latest>"), "{xml}");
}

/// A project of two modules, one of which needs the other.
fn write_modules(client: &Client<'_>) {
    let parent = "<groupId>com.acme</groupId><artifactId>parent</artifactId><version>2.0</version>";
    let pom = |rest: &str| format!("<project><modelVersion>4.0.0</modelVersion>{rest}</project>");
    client.write(
        "two/pom.xml",
        &pom(&format!(
            "{parent}<packaging>pom</packaging><modules><module>core</module>\
             <module>app</module></modules>{PROPERTIES}"
        )),
    );
    let module = |name: &str, rest: &str| {
        let text = format!("<parent>{parent}</parent><artifactId>{name}</artifactId>{rest}");
        client.write(&format!("two/{name}/pom.xml"), &pom(&text));
    };
    module("core", "");
    module("app", &dependency("core"));
    client.write(
        "two/core/src/main/java/acme/Core.java",
        "package acme; public class Core { public static String hi() { return \"hi\"; } }",
    );
    client.write(
        "two/app/src/main/java/acme/App.java",
        "package acme; public class App { public static String hi() { return Core.hi(); } }",
    );
}

const PROPERTIES: &str = "<properties><maven.compiler.source>11</maven.compiler.source>\
    <maven.compiler.target>11</maven.compiler.target>\
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>";

fn dependency(artifact: &str) -> String {
    format!(
        "<dependencies><dependency><groupId>com.acme</groupId><artifactId>{artifact}</artifactId>\
         <version>2.0</version></dependency></dependencies>"
    )
}

#[test]
fn a_project_of_two_modules_is_deployed_and_another_one_builds_with_it() {
    let Some(command) = command() else { return };
    let maven = Maven::start();
    let root = header("Private-Token", &maven.root);
    let writer = Client::new(&maven, &command, "writer", PROJECT, &root);
    write_modules(&writer);
    let target = format!("-DaltDeploymentRepository=acme::{}", maven.server.url(PROJECT));
    writer.run("two", &["-Dmaven.test.skip=true", &target, "deploy"]).succeeds();
    let rita = maven.has_member("acme", "rita", 20);
    let reader = Client::new(&maven, &command, "reader", GROUP, &header("Private-Token", &rita));
    assert!(reader.is_fresh());
    // It needs what it names, and what that needs.
    reader.write(
        "user/pom.xml",
        &format!(
            "<project><modelVersion>4.0.0</modelVersion><groupId>org.user</groupId>\
             <artifactId>user</artifactId><version>1</version>{PROPERTIES}{}</project>",
            dependency("app")
        ),
    );
    reader.write(
        "user/src/main/java/User.java",
        "class User { String hi = acme.App.hi() + acme.Core.hi(); }",
    );
    reader.run("user", &["-Dmaven.test.skip=true", "package"]).succeeds();
    assert!(reader.folder.join("user/target/user-1.jar").is_file());
    assert!(reader.folder.join("m2/com/acme/core/2.0/core-2.0.jar").is_file());
}
