//! `user` and `token`: local accounts and access tokens.
//!
//! A password comes in hashed, so that it is neither on the socket nor in a log; a token is made
//! here, told once, and kept as a hash.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::{count, moment, table};
use super::{Answer, Desk, Verdict};
use crate::access::tokens::TokenText;
use crate::app::{Error, people};
use crate::model::token::login_text;
use crate::model::{Account, Rank, Timestamp, Token, TokenId, TokenOwner, TokenScope, UserName};
use crate::store::accounts::NewAccount;
use crate::store::tokens::{BATCH_MAX, NewToken};

/// What to do about accounts and tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum People {
    /// Make an account.
    AddUser {
        /// The login.
        #[serde(with = "login_text")]
        login: UserName,
        /// The password, hashed.
        hash: Hash,
        /// Names of groups.
        groups: Vec<String>,
        /// Whether the rules are asked at all.
        rank: Rank,
    },
    /// Give an account another password.
    SetPassword {
        /// The login.
        #[serde(with = "login_text")]
        login: UserName,
        /// The password, hashed.
        hash: Hash,
    },
    /// Delete an account and its tokens.
    DeleteUser {
        /// The login.
        #[serde(with = "login_text")]
        login: UserName,
    },
    /// Show the accounts.
    ListUsers,
    /// Make a token.
    CreateToken {
        /// Whom it stands for.
        #[serde(with = "login_text")]
        user: UserName,
        /// What its owner calls it.
        name: String,
        /// What it may be used for.
        scopes: Vec<TokenScope>,
        /// Groups of a user without a local account.
        groups: Vec<String>,
        /// Until when.
        expires: Option<Expiry>,
    },
    /// Show the tokens, of all or of one user.
    ListTokens {
        /// The login.
        user: Option<String>,
    },
    /// Take a token back.
    RevokeToken {
        /// Which.
        id: TokenId,
    },
}

/// A hashed password, which shows itself to nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(pub String);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hashed)")
    }
}

/// When a token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// So long from now.
    After(Duration),
    /// At this moment.
    At(Timestamp),
}

impl Expiry {
    /// The moment.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::After(time) => now.after(time),
            Self::At(moment) => moment,
        }
    }
}

impl Desk<'_> {
    pub(super) fn people(&self, command: People) -> Result<Answer, Error> {
        let store = self.house.store();
        match command {
            People::AddUser { login, hash: Hash(hash), groups, rank } => {
                let new = NewAccount { login: login.clone(), hash, groups, rank };
                store.add_account(new).wait()?;
                Ok(done(&login, format!("{login} can log in now.")))
            }
            People::SetPassword { login, hash: Hash(hash) } => {
                store.set_password(login.clone(), hash).wait()?;
                people::forget_first_password(self.house, &login);
                Ok(done(&login, format!("The password of {login} is changed.")))
            }
            People::DeleteUser { login } => self.delete_user(&login),
            People::ListUsers => self.list_users(),
            People::CreateToken { user, name, scopes, groups, expires } => {
                let expires = expires.map(|expires| expires.at(store.clock().now()));
                self.create_token(user, name, scopes, groups, expires)
            }
            People::ListTokens { user } => self.list_tokens(user.as_deref()),
            People::RevokeToken { id } => self.revoke_token(id),
        }
    }

    fn delete_user(&self, login: &UserName) -> Result<Answer, Error> {
        let store = self.house.store();
        store.delete_account(login.clone()).wait()?;
        people::forget_first_password(self.house, login);
        // They are worth nothing already; this removes their rows.
        let tokens = store.view()?.tokens(Some(login))?;
        let tokens: Vec<_> = tokens.into_iter().map(|(id, _)| id).collect();
        for batch in tokens.chunks(BATCH_MAX) {
            store.revoke_tokens(batch.to_vec()).wait()?;
        }
        let with = match tokens.len() {
            0 => String::new(),
            number => format!(" with {}", count(number.try_into().unwrap_or(u64::MAX), "token")),
        };
        Ok(done(login, format!("{login} is deleted{with}.")))
    }

    fn list_users(&self) -> Result<Answer, Error> {
        let accounts = self.house.store().view()?.accounts()?;
        let accounts = accounts.into_iter().map(|(login, account)| {
            let Account { groups, rank, created, .. } = account;
            UserLine { login: login.to_string(), rank, groups, created }
        });
        let now = self.house.store().clock().now();
        Answer::new(Verdict::Fine, &Users { users: accounts.collect(), now })
    }

    fn create_token(
        &self,
        user: UserName,
        name: String,
        scopes: Vec<TokenScope>,
        groups: Vec<String>,
        expires: Option<Timestamp>,
    ) -> Result<Answer, Error> {
        let store = self.house.store();
        if groups.is_empty() && store.view()?.account(&user)?.is_none() {
            return Err(Error::TokenOfNobody(user));
        }
        let text = TokenText::generate();
        let (id, hash) = (text.id, text.hash());
        store.add_token(NewToken { id, user, name, scopes, groups, expires, hash }).wait()?;
        Answer::new(Verdict::Fine, &Created { id, token: text.to_string(), expires })
    }

    fn list_tokens(&self, user: Option<&str>) -> Result<Answer, Error> {
        let store = self.house.store();
        self.house.uses().flush(store)?;
        let user = user.map(UserName::parse).transpose().map_err(Error::Login)?;
        let tokens = store.view()?.tokens(user.as_ref())?;
        let now = store.clock().now();
        let tokens = tokens.into_iter().map(|(id, token)| TokenLine::new(id, token)).collect();
        Answer::new(Verdict::Fine, &Tokens { tokens, now })
    }

    fn revoke_token(&self, id: TokenId) -> Result<Answer, Error> {
        let revoked = self.house.store().revoke_tokens(vec![id]).wait()?;
        if revoked == 0 {
            return Err(Error::TokenUnknown(id.0));
        }
        let text = format!("Token {} is worth nothing any more.", id.0);
        Ok(Answer { verdict: Verdict::Fine, text, value: serde_json::json!({ "revoked": id }) })
    }
}

fn done(login: &UserName, text: String) -> Answer {
    let value = serde_json::json!({ "login": login.as_str() });
    Answer { verdict: Verdict::Fine, text, value }
}

#[derive(Serialize)]
struct Users {
    users: Vec<UserLine>,
    #[serde(skip)]
    now: Timestamp,
}

#[derive(Serialize)]
struct UserLine {
    login: String,
    rank: Rank,
    groups: Vec<String>,
    created: Timestamp,
}

impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.users.is_empty() {
            return f.write_str("There are no local accounts.");
        }
        let lines = self.users.iter().map(|user| {
            let groups = match user.rank {
                Rank::Admin => "administrator".to_owned(),
                Rank::Ordinary => user.groups.join(" "),
            };
            [user.login.clone(), groups, format!("made {}", moment(user.created, self.now))]
        });
        f.write_str(table(lines.collect()).trim_end())
    }
}

#[derive(Serialize)]
struct Created {
    id: TokenId,
    token: String,
    expires: Option<Timestamp>,
}

/// The token alone, for scripts.
impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.token)
    }
}

#[derive(Serialize)]
struct Tokens {
    tokens: Vec<TokenLine>,
    #[serde(skip)]
    now: Timestamp,
}

#[derive(Serialize)]
struct TokenLine {
    id: TokenId,
    user: String,
    name: String,
    scopes: Vec<TokenScope>,
    groups: Option<Vec<String>>,
    created: Timestamp,
    expires: Option<Timestamp>,
    last_used: Option<Timestamp>,
}

impl TokenLine {
    fn new(id: TokenId, token: Token) -> Self {
        let Token { user, name, scopes, owner, created, expires, last_used, .. } = token;
        let groups = match owner {
            TokenOwner::Account { .. } => None,
            TokenOwner::Elsewhere { groups } => Some(groups),
        };
        let user = user.to_string();
        Self { id, user, name, scopes, groups, created, expires, last_used }
    }

    fn cells(&self, now: Timestamp) -> [String; 6] {
        let used = self.last_used.map(|used| format!("used {}", moment(used, now)));
        let ends = self.expires.map(|ends| {
            let word = if ends > now { "ends" } else { "ended" };
            format!("{word} {}", moment(ends, now))
        });
        let scopes: Vec<_> = self.scopes.iter().map(ToString::to_string).collect();
        [
            self.id.0.to_string(),
            self.user.clone(),
            self.name.clone(),
            scopes.join(" "),
            used.unwrap_or_else(|| "never used".to_owned()),
            ends.unwrap_or_else(|| "no end".to_owned()),
        ]
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tokens.is_empty() {
            return f.write_str("There are no tokens.");
        }
        let lines = self.tokens.iter().map(|token| token.cells(self.now)).collect();
        f.write_str(table(lines).trim_end())
    }
}
