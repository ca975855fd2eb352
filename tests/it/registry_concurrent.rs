//! Many clients push one image at once: all succeed, and one copy of each blob is kept.

use std::sync::Barrier;

use super::harness::image_layout::{Image, Layer};
use super::harness::pusher::Pusher;
use super::harness::registry::Registry;

const CLIENTS: usize = 20;
/// Larger than what is kept as a row.
const LARGE: usize = 300_000;
const LAYERS: usize = 3;

/// Every client pushes all of it at the same moment, without asking what is there.
fn push_at_once(
    registry: &Registry,
    image: &Image,
    name: impl Fn(usize) -> (String, String) + Sync,
) {
    let (address, start) = (registry.address(), Barrier::new(CLIENTS));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let ((repository, tag), start) = (name(client), &start);
            scope.spawn(move || {
                let mut pusher = Pusher::new(address);
                start.wait();
                for blob in &image.blobs {
                    pusher.upload_blob(&repository, blob).unwrap_or_else(|why| panic!("{why}"));
                }
                let outcome = pusher.push_manifest(&repository, &tag, &image.manifest);
                outcome.unwrap_or_else(|why| panic!("{why}"));
            });
        }
    });
}

fn image() -> Image {
    let layers: [_; LAYERS] = [1, 2, 3].map(|seed| Layer::noise(seed, LARGE));
    Image::new(&layers)
}

/// One file for each layer, one row for the manifest and one for the configuration.
fn is_kept_once(registry: &Registry, image: &Image) {
    let Some(server) = registry.larder() else { return };
    let layers = image.blobs.iter().filter(|blob| blob.bytes.len() >= LARGE);
    let sizes: Vec<_> = layers.map(|blob| u64::try_from(blob.bytes.len()).unwrap()).collect();
    assert_eq!(sizes.len(), LAYERS);
    assert_eq!(server.blob_files(), (LAYERS, sizes.iter().sum()));
    let stats = server.get("/-/stats").expect(200).json();
    let all = image.blobs.len() + 1;
    assert_eq!(stats["held"]["files"].as_u64(), u64::try_from(all).ok(), "{stats}");
}

#[test]
fn twenty_clients_push_one_image_to_one_tag() {
    let (registry, image) = (Registry::open(), image());
    push_at_once(&registry, &image, |_| ("main/app".to_owned(), "1".to_owned()));
    is_kept_once(&registry, &image);
    let pulled = Pusher::new(registry.address()).pull("main/app", "1").unwrap();
    assert!(pulled == **image.manifest.bytes);
}

#[test]
fn twenty_clients_push_one_image_to_their_own_tags_and_repositories() {
    let (registry, image) = (Registry::open(), image());
    let name = |client: usize| (format!("main/app{}", client % 5), format!("t{client}"));
    push_at_once(&registry, &image, name);
    is_kept_once(&registry, &image);
    let mut pusher = Pusher::new(registry.address());
    for client in 0..CLIENTS {
        let (repository, tag) = name(client);
        assert!(pusher.pull(&repository, &tag).unwrap() == **image.manifest.bytes);
    }
}
