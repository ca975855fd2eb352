//! Container images without internet: made of a few files in memory, pushed from there or written
//! to a folder as an OCI image layout, which most clients read.
//!
//! Deliberately absent: reading a layout. What a client wrote is looked at through its digests.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::{digest_of, noise};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The machine's architecture as images name it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Bytes, and what a descriptor says about them.
#[derive(Clone)]
pub struct Blob {
    pub media_type: String,
    pub digest: String,
    pub bytes: Arc<Vec<u8>>,
}

impl Blob {
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        let digest = digest_of(&bytes);
        Self { media_type: media_type.to_owned(), digest, bytes: Arc::new(bytes) }
    }

    fn json(media_type: &str, value: &Value) -> Self {
        Self::new(media_type, value.to_string().into_bytes())
    }

    pub fn descriptor(&self) -> Value {
        let Self { media_type, digest, bytes } = self;
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }
}

/// One layer of an image, and the digest of its archive before it was compressed.
#[derive(Clone)]
pub struct Layer {
    blob: Blob,
    archive: String,
}

impl Layer {
    /// Files by their paths; all of them can be executed.
    pub fn new(files: &[(&str, &[u8])]) -> Self {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len().try_into().unwrap());
            header.set_mode(0o755);
            header.set_mtime(0);
            archive.append_data(&mut header, path, *content).unwrap();
        }
        let archive = archive.into_inner().unwrap();
        // Not made smaller: a test says how large a layer is.
        let mut packed = GzEncoder::new(Vec::new(), Compression::none());
        packed.write_all(&archive).unwrap();
        let blob = Blob::new(LAYER, packed.finish().unwrap());
        Self { blob, archive: digest_of(&archive) }
    }

    /// One file of `length` bytes that no other seed shares.
    pub fn noise(seed: u64, length: usize) -> Self {
        Self::new(&[(&format!("noise-{seed}"), &noise(seed, length))])
    }
}

/// A manifest and what it names, without what those name in turn.
#[derive(Clone)]
pub struct Image {
    pub blobs: Vec<Blob>,
    pub manifest: Blob,
}

impl Image {
    /// An image of these layers for this machine, which runs `/hello`.
    pub fn new(layers: &[Layer]) -> Self {
        Self::for_machine(architecture(), layers)
    }

    pub fn for_machine(architecture: &str, layers: &[Layer]) -> Self {
        let archives: Vec<_> = layers.iter().map(|layer| &layer.archive).collect();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": archives},
            "history": archives.iter().map(|_| json!({"created_by": "test"})).collect::<Value>(),
        });
        let config = Blob::json(CONFIG, &config);
        let blobs = layers.iter().map(|layer| layer.blob.clone());
        let layers: Vec<_> = blobs.clone().map(|blob| blob.descriptor()).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": layers,
        });
        let blobs = [config].into_iter().chain(blobs).collect();
        Self { blobs, manifest: Blob::json(MANIFEST, &manifest) }
    }

    /// Something said about another manifest: a signature, a bill of materials.
    pub fn about(subject: &Blob, kind: &str, content: &[u8]) -> Self {
        let (config, content) = (Blob::new(EMPTY, b"{}".to_vec()), content.to_vec());
        let content = Blob::new("text/plain", content);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": config.descriptor(),
            "layers": [content.descriptor()],
            "subject": subject.descriptor(),
        });
        Self { blobs: vec![config, content], manifest: Blob::json(MANIFEST, &manifest) }
    }
}

/// An index of images, each with its machine.
pub fn index(images: &[(&str, &Image)]) -> Blob {
    let entries = images.iter().map(|(architecture, image)| {
        let mut entry = image.manifest.descriptor();
        entry["platform"] = json!({"architecture": architecture, "os": "linux"});
        entry
    });
    let entries: Vec<_> = entries.collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    Blob::json(INDEX, &index)
}

/// A folder with images.
pub struct Layout {
    folder: PathBuf,
    tagged: Vec<Value>,
}

impl Layout {
    pub fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        let version = json!({"imageLayoutVersion": "1.0.0"});
        fs::write(folder.join("oci-layout"), version.to_string()).unwrap();
        Self { folder: folder.to_owned(), tagged: Vec::new() }
    }

    pub fn image(&mut self, tag: &str, image: &Image) -> &mut Self {
        self.put(image);
        self.tag(tag, &image.manifest)
    }

    /// An image for each of these machines, and their index.
    pub fn index(&mut self, tag: &str, images: &[(&str, &Image)]) -> &mut Self {
        for (_, image) in images {
            self.put(image);
        }
        let index = index(images);
        self.put_blob(&index);
        self.tag(tag, &index)
    }

    fn tag(&mut self, tag: &str, manifest: &Blob) -> &mut Self {
        let mut entry = manifest.descriptor();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        self.tagged.push(entry);
        let index = json!({"schemaVersion": 2, "manifests": self.tagged});
        fs::write(self.folder.join("index.json"), index.to_string()).unwrap();
        self
    }

    fn put(&self, image: &Image) {
        image.blobs.iter().chain([&image.manifest]).for_each(|blob| self.put_blob(blob));
    }

    fn put_blob(&self, blob: &Blob) {
        let name = blob.digest.replace(':', "/");
        fs::write(self.folder.join("blobs").join(name), &*blob.bytes).unwrap();
    }
}
