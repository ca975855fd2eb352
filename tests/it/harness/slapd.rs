//! [`Slapd`]: a real directory on free ports, with an authority of its own and a few people.
//!
//! Passwords are in the clear here because they are nobody's.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use larder::access::ldap::{Filter, Settings, Url};

use super::{Outcome, eventually, needs};

pub const ALICE: (&str, &str) = ("alice", "alice's secret");
pub const BOB: (&str, &str) = ("bob", "bob's secret");
/// Bob under a name with brackets and a star.
pub const BOB_BY_NAME: &str = "Bob (ops) *B";
/// Somebody whose name, and whose entry's name, have all that is special in filters and DNs.
pub const CAROL: (&str, &str) = (r"C*\(a)\2a", "carol's secret");
/// An account for looking, with its password.
pub const SERVICE: (&str, &str) = ("cn=svc,dc=acme,dc=test", "svc's secret");

const ADMIN: (&str, &str) = ("cn=admin,dc=acme,dc=test", "admin's secret");
/// Where a port may be taken between its choice and its use.
const TRIES: usize = 5;

/// Who may look for entries.
#[derive(Clone, Copy)]
pub enum Readers {
    Anybody,
    Users,
}

/// What the directory proves itself with.
#[derive(Clone, Copy)]
pub enum Proof {
    /// A certificate for 127.0.0.1 and localhost.
    Good,
    /// One of the same authority for another host.
    ForAnotherHost,
    /// None: it cannot encrypt.
    None,
}

/// A running directory; it ends with this value.
pub struct Slapd {
    folder: TempDir,
    process: Option<Child>,
    ports: [u16; 2],
}

impl Slapd {
    /// One that works; `None` after saying why it cannot be had here.
    #[track_caller]
    pub fn start() -> Option<Self> {
        Self::with(Readers::Anybody, Proof::Good)
    }

    #[track_caller]
    pub fn with(readers: Readers, proof: Proof) -> Option<Self> {
        for command in ["slapd", "ldapadd", "openssl"] {
            needs(command)?;
        }
        let folder = tempfile::tempdir().unwrap();
        authority(folder.path(), "ca");
        authority(folder.path(), "other-ca");
        certificate(folder.path(), proof);
        fs::create_dir(folder.path().join("db")).unwrap();
        fs::write(folder.path().join("slapd.conf"), config(folder.path(), readers, proof)).unwrap();
        fs::write(folder.path().join("people.ldif"), PEOPLE).unwrap();
        fs::write(folder.path().join("svc-password"), format!("{}\n", SERVICE.1)).unwrap();
        let mut slapd = Self { folder, process: None, ports: [0; 2] };
        let is_up = (0..TRIES).any(|_| {
            slapd.ports = [free_port(), free_port()];
            slapd.start_again()
        });
        assert!(is_up, "slapd does not start");
        slapd.add_people();
        Some(slapd)
    }

    /// A file of the authority (`ca.pem`), of one that has nothing to do with it
    /// (`other-ca.pem`), or with the service account's password (`svc-password`).
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn ldap_port(&self) -> u16 {
        self.ports[0]
    }

    pub fn ldaps_port(&self) -> u16 {
        self.ports[1]
    }

    /// Settings that suit it, with `StartTLS`.
    pub fn settings(&self) -> Settings {
        Settings {
            ca: Some(self.file("ca.pem")),
            ..settings(&format!("ldap://127.0.0.1:{}", self.ldap_port()))
        }
    }

    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Whether it runs and takes connections on its ports.
    pub fn start_again(&mut self) -> bool {
        let [ldap, ldaps] = self.ports;
        let mut command = Command::new("slapd");
        command.args(["-d", "0", "-f"]).arg(self.file("slapd.conf"));
        command.args(["-h", &format!("ldap://127.0.0.1:{ldap}/ ldaps://127.0.0.1:{ldaps}/")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let is_up = eventually("slapd starts or fails", || {
            let ended = process.try_wait().unwrap().map(|_| false);
            ended.or_else(|| TcpStream::connect(("127.0.0.1", ldaps)).ok().map(|_| true))
        });
        self.process = Some(process);
        is_up
    }

    fn add_people(&self) {
        let mut command = Command::new("ldapadd");
        command.args(["-x", "-H", &format!("ldap://127.0.0.1:{}", self.ldap_port())]);
        command.args(["-D", ADMIN.0, "-w", ADMIN.1, "-f"]).arg(self.file("people.ldif"));
        Outcome::of(&mut command).succeeds();
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Settings for a directory with these people at an address.
pub fn settings(url: &str) -> Settings {
    Settings {
        url: Some(Url::parse(url).unwrap()),
        base_dn: Some("dc=acme,dc=test".to_owned()),
        user_filter: Some(Filter::parse("(&(objectClass=inetOrgPerson)(uid={login}))").unwrap()),
        groups_filter: Some(Filter::parse("(&(objectClass=groupOfNames)(member={dn}))").unwrap()),
        ..Settings::default()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `NAME.pem` and `NAME.key` in `folder`.
fn authority(folder: &Path, name: &str) {
    let (subject, key, pem) = (format!("/CN={name}"), format!("{name}.key"), format!("{name}.pem"));
    openssl(folder, &["req", "-x509", "-subj", &subject, "-keyout", &key, "-out", &pem]);
}

/// `cert.pem` and `key.pem` of the directory.
fn certificate(folder: &Path, proof: Proof) {
    let names = match proof {
        Proof::Good => "IP:127.0.0.1,DNS:localhost",
        Proof::ForAnotherHost => "IP:127.0.0.2,DNS:elsewhere",
        Proof::None => return,
    };
    openssl(folder, &["req", "-subj", "/CN=slapd", "-keyout", "key.pem", "-out", "request.pem"]);
    let extensions = format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n");
    fs::write(folder.join("extensions"), extensions).unwrap();
    let mut command = Command::new("openssl");
    command.args(["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key"]);
    command.args(["-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", "cert.pem"]);
    Outcome::of(command.current_dir(folder)).succeeds();
}

/// Makes a key and something signed with it.
fn openssl(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(arguments).args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    Outcome::of(command.args(["-nodes", "-days", "2"]).current_dir(folder)).succeeds();
}

fn config(folder: &Path, readers: Readers, proof: Proof) -> String {
    let folder = folder.display();
    let tls = match proof {
        Proof::None => String::new(),
        _ => format!(
            "TLSCertificateFile {folder}/cert.pem\nTLSCertificateKeyFile {folder}/key.pem\n\
             TLSCACertificateFile {folder}/ca.pem\n"
        ),
    };
    let readers = match readers {
        Readers::Anybody => "by * read",
        Readers::Users => "by users read by * none",
    };
    let (admin, password) = ADMIN;
    format!(
        "include /etc/ldap/schema/core.schema\n\
         include /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n\
         modulepath /usr/lib/ldap\n\
         moduleload back_mdb\n\
         {tls}\
         database mdb\n\
         suffix \"dc=acme,dc=test\"\n\
         rootdn \"{admin}\"\n\
         rootpw \"{password}\"\n\
         directory {folder}/db\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * {readers}\n"
    )
}

/// Alice in two groups, one with two names; Bob in one; Carol with a difficult name in one; two
/// people of one surname; somebody without a password.
const PEOPLE: &str = r"dn: dc=acme,dc=test
objectClass: dcObject
objectClass: organization
dc: acme
o: Acme

dn: cn=svc,dc=acme,dc=test
objectClass: simpleSecurityObject
objectClass: organizationalRole
cn: svc
userPassword: svc's secret

dn: ou=people,dc=acme,dc=test
objectClass: organizationalUnit
ou: people

dn: uid=alice,ou=people,dc=acme,dc=test
objectClass: inetOrgPerson
uid: alice
cn: Alice A
sn: Same
userPassword: alice's secret

dn: uid=bob,ou=people,dc=acme,dc=test
objectClass: inetOrgPerson
uid: bob
cn: Bob (ops) *B
sn: Same
userPassword: bob's secret

dn: cn=Carol\, (x) * \\y\+,ou=people,dc=acme,dc=test
objectClass: inetOrgPerson
uid: C*\(a)\2a
sn: Carol
userPassword: carol's secret

dn: uid=dave,ou=people,dc=acme,dc=test
objectClass: inetOrgPerson
uid: dave
cn: Dave
sn: Dave

dn: ou=groups,dc=acme,dc=test
objectClass: organizationalUnit
ou: groups

dn: cn=developers,ou=groups,dc=acme,dc=test
objectClass: groupOfNames
cn: developers
cn: programmers
member: uid=alice,ou=people,dc=acme,dc=test
member: uid=bob,ou=people,dc=acme,dc=test

dn: cn=admins,ou=groups,dc=acme,dc=test
objectClass: groupOfNames
cn: admins
member: uid=alice,ou=people,dc=acme,dc=test

dn: cn=guests,ou=groups,dc=acme,dc=test
objectClass: groupOfNames
cn: guests
member: cn=Carol\, (x) * \\y\+,ou=people,dc=acme,dc=test
";
