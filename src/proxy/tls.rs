//! What the proxy's client trusts: the certificates of the system and those of an upstream.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::Error;

/// The certificates of the system, read once.
#[derive(Debug, Default)]
pub(super) struct Trust {
    system: OnceLock<RootCertStore>,
}

impl Trust {
    /// For an upstream with these certificates in PEM besides those of the system.
    pub(super) fn with(&self, certificates: Option<&str>) -> Result<ClientConfig, Error> {
        let mut roots = self.system.get_or_init(system).clone();
        if let Some(pem) = certificates {
            add(&mut roots, pem)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| Error::Certificates(error.to_string()))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::debug!("certificates of the system: {error}");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

fn add(roots: &mut RootCertStore, pem: &str) -> Result<(), Error> {
    let wrong = |error: &dyn std::fmt::Display| Error::Certificates(error.to_string());
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
        added += 1;
    }
    if added == 0 { Err(Error::Certificates("there is none in them".to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_are_none_are_refused() {
        let trust = Trust::default();
        assert!(trust.with(None).is_ok());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for bad in ["", "hello", broken, "-----BEGIN CERTIFICATE-----\n"] {
            assert!(matches!(trust.with(Some(bad)), Err(Error::Certificates(_))), "{bad}");
        }
    }
}
