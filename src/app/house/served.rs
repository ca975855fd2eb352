//! What the handlers of a house work on: the services, each told what the settings say.

use std::sync::Arc;

use super::House;
use crate::access::Access;
use crate::cleanup;
use crate::config::{self, Settings};
use crate::http::Server;
use crate::http::login::Door;
use crate::http::sendfile::Sendfile;
use crate::packages::{self, Packages};
use crate::proxy::{self, Proxy};
use crate::registry::{self, Registry};
use crate::stop::Stop;
use crate::sweeper;
use crate::tree::{Limits, Tree, post_process};

impl House {
    /// The artifact tree of this house.
    #[must_use]
    pub fn tree(&self, settings: &Settings) -> Tree {
        let limits = Limits { inline_bytes_max: settings.store.inline_max };
        Tree::new(self.store.clone(), self.files.clone(), Arc::clone(&self.space), limits)
    }

    /// The container registry of this house.
    #[must_use]
    pub fn registry(&self, settings: &Settings) -> Registry {
        let limits = registry::Limits {
            inline_bytes_max: settings.store.inline_max,
            upload_bytes_max: upload_bytes_max(settings),
        };
        Registry::new(self.store.clone(), self.files.clone(), Arc::clone(&self.space), limits)
    }

    /// The dependency proxy of this house.
    #[must_use]
    pub fn proxy(&self, settings: &Settings) -> Proxy {
        let limits = proxy::Limits {
            inline_bytes_max: settings.store.inline_max,
            fresh: settings.proxy.fresh,
            blob_bytes_max: proxy::BLOB_BYTES_MAX,
        };
        let (files, space) = (self.files.clone(), Arc::clone(&self.space));
        Proxy::new(self.store.clone(), files, space, Arc::clone(&self.upstreams), limits)
    }

    /// The package registry of this house.
    #[must_use]
    pub fn packages(&self, settings: &Settings) -> Packages {
        let config::Package { generic_max, npm_max, maven_max, pypi_max, .. } = settings.package;
        // What holds for every upload holds for these too.
        let most = |own: u64| {
            let own = (own > 0).then_some(own);
            own.into_iter().chain(upload_bytes_max(settings)).min()
        };
        let settings = packages::Settings {
            pages_memory: settings.package.pages_memory,
            inline_bytes_max: settings.store.inline_max,
            limits: packages::FileLimits {
                generic: most(generic_max),
                npm: most(npm_max),
                maven: most(maven_max),
                pypi: most(pypi_max),
            },
        };
        Packages::new(self.store.clone(), self.files.clone(), Arc::clone(&self.space), settings)
    }

    /// What the handlers of this house work on.
    #[must_use]
    pub fn server(
        &self,
        settings: &Settings,
        (access, door): (Access, Door),
        sweeper: sweeper::Handle,
        stop: Stop,
    ) -> Server {
        let public_url = settings.server.public_url.as_ref();
        let (store, space) = (self.store.clone(), Arc::clone(&self.space));
        Server {
            access,
            realm: settings.auth.auth_realm.to_string(),
            door,
            token_lifetime: settings.registry.token_lifetime,
            tree: with_post_process(self.tree(settings), settings, stop),
            registry: self.registry(settings),
            proxy: self.proxy(settings),
            packages: self.packages(settings),
            sweeper,
            publisher: self.publisher.clone(),
            stall_max: settings.uploads.upload_idle,
            upload_bytes_max: upload_bytes_max(settings),
            public_url: public_url.map(|url| (url.to_string(), url.authority().to_owned())),
            sendfile: sendfile(settings),
            stats: Box::new(move || {
                let stats = cleanup::stats(&store, &space).map_err(|error| error.to_string())?;
                serde_json::to_value(stats).map_err(|error| error.to_string())
            }),
        }
    }
}

fn upload_bytes_max(settings: &Settings) -> Option<u64> {
    let bytes_max = settings.uploads.max_upload;
    (bytes_max > 0).then_some(bytes_max)
}

fn with_post_process(tree: Tree, settings: &Settings, stop: Stop) -> Tree {
    let given = &settings.post_process;
    let Some(command) = given.post_process.clone() else { return tree };
    let told = post_process::Settings {
        command,
        filter: given.post_process_filter.clone(),
        time_max: given.post_process_timeout,
        runs_max: usize::try_from(given.post_process_runs).unwrap_or(usize::MAX),
        output_bytes_max: given.post_process_output,
        slice: settings.store.slice,
        data: settings.server.data.clone(),
    };
    tree.with_post_process(told, stop)
}

fn sendfile(settings: &Settings) -> Option<Sendfile> {
    let config::Server { data, sendfile_header, sendfile_prefix, .. } = &settings.server;
    let prefix = sendfile_prefix.as_ref().map(ToString::to_string);
    let header = sendfile_header.clone()?;
    Some(Sendfile::new(header, data, prefix, settings.store.lease))
}
