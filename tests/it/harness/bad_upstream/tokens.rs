//! Tokens and logins of [`super::BadUpstream`].

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// Who is let in.
#[derive(Default)]
enum Wants {
    #[default]
    Nothing,
    /// Tokens, which are given for this `Authorization`, or to everybody.
    Tokens(Option<String>),
    /// This `Authorization`.
    Login(String),
}

pub(super) struct Tokens {
    wants: Wants,
    pub(super) lasts: Option<u64>,
    pub(super) field: String,
    pub(super) realm: Option<String>,
    /// Those that are good, with their scopes.
    pub(super) given: HashMap<String, String>,
    count: usize,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            wants: Wants::Nothing,
            lasts: Some(300),
            field: "token".to_owned(),
            realm: None,
            given: HashMap::new(),
            count: 0,
        }
    }
}

fn basic(login: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{login}:{password}")))
}

impl Tokens {
    pub(super) fn wants_tokens(&mut self, login: Option<(&str, &str)>) {
        self.wants = Wants::Tokens(login.map(|(login, password)| basic(login, password)));
    }

    pub(super) fn wants_login(&mut self, login: &str, password: &str) {
        self.wants = Wants::Login(basic(login, password));
    }

    /// The challenge for who is not let into a repository with this `Authorization`.
    pub(super) fn challenge(
        &self,
        own: &str,
        name: &str,
        authorization: Option<&str>,
    ) -> Option<String> {
        let scope = format!("repository:{name}:pull");
        match &self.wants {
            Wants::Nothing => None,
            Wants::Login(wanted) => {
                (authorization != Some(wanted)).then(|| "Basic realm=\"peer\"".to_owned())
            }
            Wants::Tokens(_) => {
                let token = authorization.and_then(|text| text.strip_prefix("Bearer "));
                let is_good = token.and_then(|token| self.given.get(token)) == Some(&scope);
                let own = format!("{own}/token");
                let realm = self.realm.as_deref().unwrap_or(&own);
                (!is_good)
                    .then(|| format!("Bearer realm=\"{realm}\",service=\"peer\",scope=\"{scope}\""))
            }
        }
    }

    /// The body of the token endpoint's answer; `None`: the login is wrong.
    pub(super) fn give(&mut self, query: &str, authorization: Option<&str>) -> Option<String> {
        if let Wants::Tokens(Some(wanted)) = &self.wants
            && authorization != Some(wanted)
        {
            return None;
        }
        let fields = url::form_urlencoded::parse(query.as_bytes());
        let scope = fields.filter(|(name, _)| name == "scope").map(|(_, value)| value).next();
        self.count += 1;
        let token = format!("token-{}", self.count);
        self.given.insert(token.clone(), scope.unwrap_or_default().into_owned());
        let mut answer = json!({ self.field.as_str(): token });
        if let Some(seconds) = self.lasts {
            answer["expires_in"] = seconds.into();
        }
        Some(answer.to_string())
    }
}
