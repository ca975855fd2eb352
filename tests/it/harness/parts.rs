//! [`Parts`]: an image as a publishing server sends it to the artifact tree, file by file.

use serde_json::{Value, json};

use super::client::Request;
use super::image_layout::{INDEX, MANIFEST as IMAGE};
use super::{TestServer, digest_of, sha256};

/// The contents of an image.
#[derive(Clone)]
pub struct Parts {
    /// Configs and layers.
    pub blobs: Vec<Vec<u8>>,
    /// Manifests, the root last.
    pub manifests: Vec<Vec<u8>>,
}

impl Parts {
    /// An image of these layers; `name` makes it another one.
    pub fn image(name: &str, layers: &[&[u8]]) -> Self {
        let config = json!({"architecture": name, "os": "linux"}).to_string().into_bytes();
        let kind = |kind: &str, bytes: &[u8]| {
            let media_type = format!("application/vnd.oci.image.{kind}");
            json!({"mediaType": media_type, "digest": digest_of(bytes), "size": bytes.len()})
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": kind("config.v1+json", &config),
            "layers": layers.iter().map(|layer| kind("layer.v1.tar", layer)).collect::<Vec<_>>(),
        });
        let mut blobs: Vec<_> = layers.iter().map(|layer| layer.to_vec()).collect();
        blobs.push(config);
        Self { blobs, manifests: vec![manifest.to_string().into_bytes()] }
    }

    /// An index of several.
    pub fn index(images: &[Self]) -> Self {
        let entry = |image: &Self| {
            let root = image.root();
            json!({"mediaType": IMAGE, "digest": digest_of(root), "size": root.len()})
        };
        let entries: Vec<Value> = images.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        let mut all = Self { blobs: Vec::new(), manifests: Vec::new() };
        for image in images {
            all.blobs.extend(image.blobs.iter().cloned());
            all.manifests.extend(image.manifests.iter().cloned());
        }
        all.manifests.push(index.to_string().into_bytes());
        all
    }

    /// What the tag names.
    pub fn root(&self) -> &[u8] {
        self.manifests.last().expect("an image has a manifest")
    }

    /// Paths and bytes in the order of the tree.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let path = |kind: &str, bytes: &[u8]| {
            let hex = sha256(bytes);
            format!("{kind}/sha256/{}/{hex}", &hex[..2])
        };
        let blobs = self.blobs.iter().map(|bytes| (path("blobs", bytes), bytes.clone()));
        let manifests = self.manifests.iter();
        let manifests = manifests.map(|bytes| (path("manifests", bytes), bytes.clone()));
        let mut files: Vec<_> = blobs.chain(manifests).collect();
        files.sort();
        files.dedup();
        files
    }

    /// Paths alone.
    pub fn paths(&self) -> Vec<String> {
        self.files().into_iter().map(|(path, _)| path).collect()
    }

    /// Pushes it to a repository of the registry.
    #[track_caller]
    pub fn push(&self, server: &TestServer, image: &str, tag: &str) {
        self.push_blobs(server, image);
        let (root, children) = self.manifests.split_last().expect("an image has a manifest");
        for child in children {
            self.push_manifest(server, image, &digest_of(child), child);
        }
        self.push_manifest(server, image, tag, root);
    }

    /// Uploads configs and layers to a repository.
    #[track_caller]
    pub fn push_blobs(&self, server: &TestServer, image: &str) {
        for blob in &self.blobs {
            let target = format!("/v2/{image}/blobs/uploads/?digest={}", digest_of(blob));
            server.post(&target).body(blob.clone()).expect(201);
        }
    }

    #[track_caller]
    fn push_manifest(&self, server: &TestServer, image: &str, reference: &str, bytes: &[u8]) {
        let is_index = bytes == self.root() && self.manifests.len() > 1;
        let kind = if is_index { INDEX } else { IMAGE };
        let put = server.put(&format!("/v2/{image}/manifests/{reference}"));
        put.header("Content-Type", kind).body(bytes).expect(201);
    }

    /// Sends all files to a format and declares it finished.
    #[track_caller]
    pub fn send(&self, server: &TestServer, format: &str) {
        self.send_files(server, format);
        server.patch(format).expect(200).without_body();
    }

    /// Sends all files to a format.
    #[track_caller]
    pub fn send_files(&self, server: &TestServer, format: &str) {
        for (path, bytes) in self.files() {
            as_publisher(server.put(&format!("{format}{path}"))).body(bytes).expect(201);
        }
    }
}

/// A request of a server that publishes.
pub fn as_publisher(request: Request) -> Request {
    request.header("User-Agent", "dlrepo-server/ci")
}
