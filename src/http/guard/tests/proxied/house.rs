//! A server whose door is guarded, with people, groups and tokens.

use std::sync::OnceLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::*;
use crate::access::login::{Logins, Options};
use crate::access::tokens::{DeploySecret, TokenText};
use crate::http::login::{Head, Pass};
use crate::model::{
    DeployScope, DeployTokenId, GroupId, GroupPath, MemberName, Role, TokenId, TokenScope,
    Visibility,
};
use crate::store::accounts::NewAccount;
use crate::store::deploy_tokens::NewDeployToken;
use crate::store::governed;
use crate::store::members::{MemberPut, PutMode};
use crate::store::tokens::NewToken;

pub(super) const CHALLENGE: &str =
    "Bearer realm=\"http://localhost/jwt/auth\",service=\"dependency_proxy\"";
pub(super) const PULL: &str = "repository:top/dependency_proxy/containers/alpine:pull";
pub(super) const PROXY: &str = "service=dependency_proxy";

/// A server with people: `gus` is a guest of the public group `top`, `eve` is a member of nothing,
/// `root` an administrator. `top/below` lies in `top`, and `other` beside it.
pub(super) struct House {
    pub(super) bench: Bench,
    pub(super) top: GroupId,
}

/// What comes with a request.
pub(super) type Headers = Vec<(&'static str, String)>;

impl House {
    pub(super) async fn new() -> Self {
        Self::with(&[
            ("people", "rw /v2/a/**\nr /v2/open/**\nr /v2/_catalog\n"),
            ("ANONYMOUS", "r /v2/open/**\n"),
        ])
        .await
    }

    pub(super) async fn with(rules: &[(&str, &str)]) -> Self {
        let mut bench = Bench::new(rules);
        let store = bench.server.tree.store().clone();
        let logins = Logins::open(store, Arc::default(), Options::default()).unwrap();
        let server = Arc::get_mut(&mut bench.server).unwrap();
        server.door = Door::guarded(Arc::new(logins), "the lab".to_owned());
        let mut house = Self { bench, top: GroupId::TOP };
        for (login, rank) in
            [("gus", Rank::Ordinary), ("eve", Rank::Ordinary), ("root", Rank::Admin)]
        {
            house.account(login, rank).await;
        }
        house.top = house.group(GroupId::TOP, "top").await;
        house.group(house.top, "below").await;
        house.group(GroupId::TOP, "other").await;
        let (group, role, mode) = (house.top, Role::Guest, PutMode::Add);
        let name = MemberName::User(UserName::parse("gus").unwrap());
        let put = MemberPut { group, name, role, expires: None, by: String::new(), mode };
        house.store().put_member(put).await.unwrap();
        house
    }

    pub(super) fn store(&self) -> &Store {
        self.bench.server.tree.store()
    }

    pub(super) async fn account(&self, login: &str, rank: Rank) {
        let (login, hash) = (UserName::parse(login).unwrap(), hash().to_owned());
        let new = NewAccount { login, hash, groups: vec!["people".to_owned()], rank };
        self.store().add_account(new).await.unwrap();
    }

    pub(super) async fn group(&self, parent: GroupId, name: &str) -> GroupId {
        let visibility = Visibility::Public;
        let new = governed::New { visibility, ..governed::New::of(parent, name) };
        self.store().create_group(new).await.unwrap()
    }

    pub(super) fn at(&self, path: &str) -> GroupId {
        let path = GroupPath::parse(path).unwrap();
        self.store().view().unwrap().group_at(&path).unwrap().unwrap().0
    }

    /// An access token of somebody, by its text.
    pub(super) async fn token(&self, login: &str, scopes: &[TokenScope]) -> (TokenId, String) {
        let text = TokenText::generate();
        let new = NewToken {
            id: text.id,
            user: UserName::parse(login).unwrap(),
            name: "ci".to_owned(),
            scopes: scopes.to_vec(),
            groups: Vec::new(),
            expires: None,
            hash: text.hash(),
        };
        self.store().add_token(new).await.unwrap();
        (text.id, text.to_string())
    }

    /// A deploy token of a group that ends in an hour: its id and what it logs in with.
    pub(super) async fn deploy_token(
        &self,
        group: GroupId,
        scopes: &[DeployScope],
    ) -> (DeployTokenId, Headers) {
        let secret = DeploySecret::generate();
        let new = NewDeployToken {
            group,
            name: "ci".to_owned(),
            username: None,
            scopes: scopes.to_vec(),
            expires: Some(self.bench.clock_now().after(HOUR)),
            hash: secret.hash(),
            by: String::new(),
        };
        let (id, username) = self.store().add_deploy_token(new).await.unwrap();
        (id, basic(&username, &secret.of(id).to_string()))
    }

    pub(super) fn request(line: &str, headers: &Headers) -> (Request, String) {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("localhost"));
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let request = Request {
            caller: Caller::Anonymous,
            pass: Pass::default(),
            method: method.parse().unwrap(),
            query: query.to_owned(),
            headers: map,
            body: Box::pin(stream::iter(Vec::new())),
        };
        (request, path.to_owned())
    }

    /// The answer of the whole server.
    pub(super) async fn ask(&self, line: &str, headers: &Headers) -> Answer {
        let (request, path) = Self::request(line, headers);
        let response = Arc::clone(&self.bench.server).answer(request, &path, None).await;
        taken_apart(response).await
    }

    /// Whether somebody may pull through the proxy of a group; else what they are told.
    pub(super) async fn pulls(&self, group: &str, headers: &Headers) -> Result<GroupId, Answer> {
        let line = format!("GET /v2/{group}/dependency_proxy/containers/alpine/manifests/latest");
        let (mut request, path) = Self::request(&line, headers);
        let server = &self.bench.server;
        let asked = server.asked(&request, &path, None);
        let (method, query, headers) = (&request.method, &request.query, &request.headers);
        let head = Head { method, path: &path, query, headers, peer: None };
        let admitted = server.door.identify(head).await;
        let (caller, found) = match admitted {
            Ok((caller, pass)) => {
                (request.caller, request.pass) = (caller.clone(), pass);
                let group = GroupPath::parse(group).unwrap();
                (caller, server.proxy_group(&request, &group))
            }
            Err(failure) => (Caller::Anonymous, Err(failure)),
        };
        match found {
            Ok(id) => Ok(id),
            Err(failure) => Err(taken_apart(server.conclude(asked, &caller, Err(failure))).await),
        }
    }

    /// Status and code of a refusal, or that they may pull.
    pub(super) async fn refusal(&self, group: &str, headers: &Headers) -> (u16, String) {
        let Err(told) = self.pulls(group, headers).await else { return pulls() };
        let is_401 = told.status == 401;
        assert_eq!(told.header("www-authenticate"), if is_401 { CHALLENGE } else { "" });
        let code = told.json()["errors"][0]["code"].as_str().unwrap().to_owned();
        (told.status.as_u16(), code)
    }

    /// What `/jwt/auth` says.
    pub(super) async fn issues(&self, parameters: &str, headers: &Headers) -> Answer {
        self.ask(&format!("GET /jwt/auth?{parameters}"), headers).await
    }

    /// A token of `/jwt/auth`, to be used.
    pub(super) async fn issued(&self, parameters: &str, headers: &Headers) -> Headers {
        let answer = self.issues(parameters, headers).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        bearer(answer.json()["token"].as_str().unwrap())
    }
}

pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Of everybody. Hashing takes long, so one hash serves all.
pub(super) const PASSWORD: &str = "everybody's password";

fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| crate::access::password::hash(PASSWORD).unwrap())
}

impl Bench {
    fn clock_now(&self) -> Timestamp {
        crate::clock::Clock::now(&*self.clock)
    }
}

pub(super) async fn taken_apart(response: warp::reply::Response) -> Answer {
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

pub(super) fn basic(login: &str, password: &str) -> Headers {
    let pair = BASE64_STANDARD.encode(format!("{login}:{password}"));
    vec![("authorization", format!("Basic {pair}"))]
}

pub(super) fn bearer(token: &str) -> Headers {
    vec![("authorization", format!("Bearer {token}"))]
}

pub(super) fn none() -> Headers {
    Vec::new()
}

pub(super) fn gus() -> Headers {
    basic("gus", PASSWORD)
}

pub(super) fn unauthorized() -> (u16, String) {
    (401, "UNAUTHORIZED".to_owned())
}

/// They may pull.
pub(super) fn pulls() -> (u16, String) {
    (200, String::new())
}

pub(super) fn denied() -> (u16, String) {
    (404, "DENIED".to_owned())
}
