//! [`Pusher`]: the registry's protocol as a client speaks it, over one connection that stays open,
//! for tests that need many clients and exact answers.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::Value;

use super::client::Connection;
use super::image_layout::{Blob, Image};
use super::{Response, digest_of};

const ACCEPT: (&str, &str) = (
    "Accept",
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
);

/// An answer that was not the wanted one.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    /// The code of the first error, as the specification names them.
    pub code: String,
    what: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

/// One client.
pub struct Pusher {
    address: SocketAddr,
    connection: Option<Connection>,
}

impl Pusher {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Everything of an image, what is there already left out, and the manifest by this reference.
    pub fn push(&mut self, image: &str, reference: &str, what: &Image) -> Result<(), Refused> {
        for blob in &what.blobs {
            self.push_blob(image, blob)?;
        }
        self.push_manifest(image, reference, &what.manifest)
    }

    /// A blob, unless the repository says that it has it.
    pub fn push_blob(&mut self, image: &str, blob: &Blob) -> Result<(), Refused> {
        let target = format!("/v2/{image}/blobs/{}", blob.digest);
        if self.ask("HEAD", &target, &[], b"").status == 200 {
            return Ok(());
        }
        self.upload_blob(image, blob)
    }

    /// A blob, whatever the repository has.
    pub fn upload_blob(&mut self, image: &str, blob: &Blob) -> Result<(), Refused> {
        let begun =
            self.expect(&[202], "POST", &format!("/v2/{image}/blobs/uploads/"), &[], b"")?;
        let place = target_of(&begun);
        let separator = if place.contains('?') { '&' } else { '?' };
        let target = format!("{place}{separator}digest={}", blob.digest);
        let kind = [("Content-Type", "application/octet-stream")];
        self.expect(&[201], "PUT", &target, &kind, &blob.bytes).map(drop)
    }

    /// A blob that another repository has. Whether it was taken from there.
    pub fn mount(&mut self, image: &str, from: &str, blob: &Blob) -> Result<bool, Refused> {
        let digest = &blob.digest;
        let target = format!("/v2/{image}/blobs/uploads/?mount={digest}&from={from}");
        let answer = self.expect(&[201, 202], "POST", &target, &[], b"")?;
        if answer.status == 202 {
            self.expect(&[204], "DELETE", &target_of(&answer), &[], b"")?;
        }
        Ok(answer.status == 201)
    }

    pub fn push_manifest(
        &mut self,
        image: &str,
        reference: &str,
        manifest: &Blob,
    ) -> Result<(), Refused> {
        let target = format!("/v2/{image}/manifests/{reference}");
        let kind = [("Content-Type", manifest.media_type.as_str())];
        self.expect(&[201], "PUT", &target, &kind, &manifest.bytes).map(drop)
    }

    /// The manifest and all blobs that it names, each with the bytes that its digest stands for.
    pub fn pull(&mut self, image: &str, reference: &str) -> Result<Vec<u8>, Refused> {
        let target = format!("/v2/{image}/manifests/{reference}");
        let answer = self.expect(&[200], "GET", &target, &[ACCEPT], b"")?;
        let told = answer.header("docker-content-digest");
        assert_eq!(told, Some(&*digest_of(&answer.body)), "{target}");
        let manifest: Value = serde_json::from_slice(&answer.body).unwrap();
        let layers = manifest["layers"].as_array().into_iter().flatten();
        for blob in layers.chain([&manifest["config"]]) {
            let digest = blob["digest"].as_str().unwrap();
            let target = format!("/v2/{image}/blobs/{digest}");
            let answer = self.expect(&[200], "GET", &target, &[], b"")?;
            assert_eq!(digest_of(&answer.body), digest, "{target}");
        }
        Ok(answer.body)
    }

    /// The digests of what refers to a manifest.
    pub fn referrers(&mut self, image: &str, digest: &str) -> Result<BTreeSet<String>, Refused> {
        let target = format!("/v2/{image}/referrers/{digest}");
        let index = self.expect(&[200], "GET", &target, &[], b"")?.json();
        let digest = |entry: &Value| entry["digest"].as_str().unwrap().to_owned();
        Ok(index["manifests"].as_array().unwrap().iter().map(digest).collect())
    }

    pub fn delete_manifest(&mut self, image: &str, reference: &str) -> Result<(), Refused> {
        let target = format!("/v2/{image}/manifests/{reference}");
        self.expect(&[202], "DELETE", &target, &[], b"").map(drop)
    }

    /// Asks, and insists on one of these statuses.
    pub fn expect(
        &mut self,
        statuses: &[u16],
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, Refused> {
        let answer = self.ask(method, target, headers, body);
        if statuses.contains(&answer.status) {
            return Ok(answer);
        }
        let (status, text) = (answer.status, answer.text());
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        let code = said["errors"][0]["code"].as_str().unwrap_or_default().to_owned();
        Err(Refused { status, code, what: format!("{method} {target}: {status} {text}") })
    }

    fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut connection =
            self.connection.take().unwrap_or_else(|| Connection::open(self.address));
        let (address, length) = (self.address, body.len());
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\n");
        if !matches!(method, "GET" | "HEAD") {
            let _ = write!(head, "Content-Length: {length}\r\n");
        }
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        connection.write(&[head.as_bytes(), b"\r\n", body].concat());
        let answer = connection.answer_to(method);
        let closes = answer.header("connection").is_some_and(|value| value == "close");
        self.connection = (!closes).then_some(connection);
        answer
    }
}

/// The path of the header `Location`, which may also be a whole URL.
fn target_of(answer: &Response) -> String {
    let place = answer.header("location").expect("a location");
    match place.split_once("://") {
        Some((_, rest)) => rest[rest.find('/').expect("a path")..].to_owned(),
        None => place.to_owned(),
    }
}
