//! Images in pieces, as a test pushes them by hand: blobs, manifests, indexes.

use serde_json::{Value, json};

use super::{Response, TestServer, digest_of};

pub use super::image_layout::{INDEX as OCI_INDEX, MANIFEST as OCI_IMAGE};

/// A document and what names it.
pub struct Document {
    pub text: String,
    pub kind: String,
    pub digest: String,
}

impl Document {
    pub fn of(document: &Value) -> Self {
        let text = document.to_string();
        let kind = document["mediaType"].as_str().unwrap_or_default().to_owned();
        Self { digest: digest_of(&text), text, kind }
    }

    /// As an index or a subject names it.
    pub fn descriptor(&self) -> Value {
        json!({ "mediaType": self.kind, "digest": self.digest, "size": self.text.len() })
    }

    pub fn push(&self, server: &TestServer, name: &str, reference: &str) -> Response {
        let target = format!("/v2/{name}/manifests/{reference}");
        server.put(&target).header("Content-Type", &self.kind).body(self.text.as_str()).send()
    }
}

/// A blob as a manifest names it.
pub fn descriptor(kind: &str, content: &str) -> Value {
    json!({ "mediaType": kind, "digest": digest_of(content), "size": content.len() })
}

/// Pushes a blob.
#[track_caller]
pub fn has_blob(server: &TestServer, name: &str, content: &str) {
    let target = format!("/v2/{name}/blobs/uploads/?digest={}", digest_of(content));
    server.post(&target).body(content).expect(201);
}

/// An image of a config and a layer with this content.
pub fn image(content: &str) -> Value {
    let config = format!("{{\"c\":\"{content}\"}}");
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", content)],
    })
}

/// Pushes the blobs of [`image`].
#[track_caller]
pub fn has_blobs_of(server: &TestServer, name: &str, content: &str) {
    has_blob(server, name, content);
    has_blob(server, name, &format!("{{\"c\":\"{content}\"}}"));
}

/// Pushes an image with a layer of this content.
#[track_caller]
pub fn has_image(server: &TestServer, name: &str, tag: &str, content: &str) -> Document {
    has_blobs_of(server, name, content);
    let document = Document::of(&image(content));
    document.push(server, name, tag).with_status(201);
    document
}

/// The code of the only error of an answer, and its detail.
#[track_caller]
pub fn error_of(answer: &Response) -> (String, Value) {
    let body = answer.json();
    let errors = body["errors"].as_array().expect("errors").clone();
    assert_eq!(errors.len(), 1, "{body}");
    (errors[0]["code"].as_str().unwrap().to_owned(), errors[0]["detail"].clone())
}
