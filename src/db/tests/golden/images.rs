//! The registry's repositories, blobs and uploads in bytes.

use super::{Sample, TIME, USAGE, check_key, sample};
use crate::model::{
    BlobId, Digest, Image, ImageBlob, ImageId, ImageName, ImageUpload, Referrer, Refs, Sha512,
    Suffix, Timestamp, UploadBytes, UploadId,
};

fn blob(refs: Refs, charged: &str) -> ImageBlob {
    ImageBlob { refs, size: 1 << 33, charged: charged.into() }
}

fn upload(bytes: UploadBytes, by: &str) -> ImageUpload {
    let touched = Timestamp(TIME.0 + 1);
    let image = "main/build".into();
    ImageUpload { image, by: by.into(), created: TIME, touched, received: 251, bytes }
}

pub(super) fn samples() -> Vec<Sample> {
    vec![
        sample("usage", &USAGE),
        sample("image", &Image { id: ImageId(300), created: TIME }),
        sample("image name", &ImageName::parse("main/build").unwrap()),
        sample("image blob, held", &blob(Refs::Held { count: 2 }, "")),
        sample("image blob, link", &blob(Refs::Free { until: TIME }, "zoë")),
        sample("upload, row", &upload(UploadBytes::Inline(vec![0, 255]), "")),
        sample("upload, file", &upload(UploadBytes::Draft(Suffix(u64::MAX)), "zoë")),
        sample("sha-256", &Digest([0xab; 32])),
        sample("sha-512", &Sha512([0xab; 64])),
    ]
}

#[test]
fn keys_of_the_registry_look_as_they_did() {
    let id = "0000000000000102";
    let blob = (ImageId(258), BlobId(258));
    check_key(&ImageName::parse("a/b").unwrap(), "612f6200");
    check_key(&blob, &id.repeat(2));
    check_key(&(Timestamp(258), blob), &id.repeat(3));
    check_key(&(BlobId(258), Referrer::Image(ImageId(258))), &format!("{id}02{id}"));
    check_key(&UploadId([0xa5; 16]), &"a5".repeat(16));
    check_key(&(Timestamp(258), UploadId([0xa5; 16])), &format!("{id}{}", "a5".repeat(16)));
    check_key(&Sha512([0xab; 64]), &"ab".repeat(64));
}
