//! The first administrator: made once, and never without a way to know the password.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::access::password::Secret;
use crate::model::Rank;
use crate::store::accounts::NewAccount;

struct Fixture {
    house: House,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.server.data = folder.path().to_owned();
        settings.space.ballast = 0;
        Self { house: House::open(&settings).unwrap(), _folder: folder }
    }

    fn file(&self) -> PathBuf {
        self.house.root().join(PASSWORD_FILE)
    }

    fn hash(&self) -> Option<String> {
        let login = UserName::parse(FIRST_ADMIN).unwrap();
        let account = self.house.store().view().unwrap().account(&login).unwrap();
        account.filter(|account| account.rank == Rank::Admin).map(|account| account.hash)
    }
}

#[test]
fn the_first_administrator_has_the_password_of_the_file() {
    let it = Fixture::new();
    // What a start leaves that was killed before the account was there.
    fs::write(it.file(), "of a start that was killed").unwrap();
    fs::set_permissions(it.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let FirstAdmin { password, file } = first_admin(&it.house).unwrap().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{password}\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(Secret::read(&it.hash().unwrap()).matches(&password));
    assert!(first_admin(&it.house).unwrap().is_none());
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{password}\n"));
    forget_first_password(&it.house, &UserName::parse("eve").unwrap());
    assert!(file.exists());
    forget_first_password(&it.house, &UserName::parse(FIRST_ADMIN).unwrap());
    assert!(!file.exists());
}

#[test]
fn somebody_elses_account_is_not_taken() {
    let it = Fixture::new();
    let login = UserName::parse(FIRST_ADMIN).unwrap();
    let (groups, rank) = (vec!["g".to_owned()], Rank::Ordinary);
    let new = NewAccount { login, hash: "theirs".into(), groups, rank };
    it.house.store().add_account(new).wait().unwrap();
    assert!(first_admin(&it.house).unwrap().is_none());
    assert_eq!((it.hash(), it.file().exists()), (None, false));
}

#[test]
fn a_password_that_cannot_be_kept_makes_no_account() {
    let it = Fixture::new();
    fs::create_dir(it.file()).unwrap();
    let refused = first_admin(&it.house);
    assert!(matches!(refused, Err(Error::PasswordFile { .. })));
    assert_eq!(it.hash(), None);
}
