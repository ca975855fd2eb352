//! An answer, and what a test insists on: each demand returns the answer, so that they chain.

use std::fmt::Write;

use serde_json::Value;

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Statuses of the 1xx answers before.
    pub interim: Vec<u16>,
    asked: String,
}

impl Response {
    pub fn new(status: u16, reason: String, headers: Vec<(String, String)>) -> Self {
        let (body, interim, asked) = (Vec::new(), Vec::new(), String::new());
        Self { status, reason, headers, body, interim, asked }
    }

    /// Notes the request, to be told when a demand fails.
    pub fn asked_by(mut self, request: &str) -> Self {
        request.clone_into(&mut self.asked);
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error} in {}", self.shown()),
        }
    }

    #[track_caller]
    pub fn with_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.shown());
        self
    }

    #[track_caller]
    pub fn has(self, name: &str, value: &str) -> Self {
        assert_eq!(self.header(name), Some(value), "header {name} of {}", self.shown());
        self
    }

    #[track_caller]
    pub fn lacks(self, name: &str) -> Self {
        assert_eq!(self.header(name), None, "header {name} of {}", self.shown());
        self
    }

    /// The body is exactly this.
    #[track_caller]
    pub fn body_is(self, wanted: impl AsRef<[u8]>) -> Self {
        let wanted = wanted.as_ref();
        if self.body != wanted {
            let wanted: String = String::from_utf8_lossy(wanted).chars().take(500).collect();
            panic!("another body than {wanted:?} in {}", self.shown());
        }
        self
    }

    /// The body is this JSON, whatever its spelling.
    #[track_caller]
    pub fn json_is(self, wanted: &Value) -> Self {
        assert_eq!(self.json(), *wanted, "{}", self.shown());
        self
    }

    /// An error as the spec has it: text, the code and the reason, and the reason phrase too.
    #[track_caller]
    pub fn says(self, reason: &str) -> Self {
        let line = format!("{}: {reason}", self.status);
        let this = self.has("content-type", "text/plain; charset=utf-8").body_is(&line);
        assert_eq!(this.reason, reason, "the reason phrase of {}", this.shown());
        this
    }

    /// 200 without a body.
    #[track_caller]
    pub fn without_body(self) -> Self {
        self.has("content-length", "0").has("content-type", "application/octet-stream").body_is("")
    }

    fn shown(&self) -> String {
        let mut shown = format!("the answer to {}:\n{} {}\n", self.asked, self.status, self.reason);
        for (name, value) in &self.headers {
            let _ = writeln!(shown, "{name}: {value}");
        }
        let body: String = self.text().chars().take(500).collect();
        shown + "\n" + &body
    }
}
