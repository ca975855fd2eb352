//! PATCH of a format: its upload is finished, and it may have to be post-processed (spec dlrepo
//! §8, §16).
//!
//! The answer comes when all is done. A client that goes away ends nothing; one that waits for its
//! turn holds no thread. What was sent as an image becomes one, and nothing processes it.

use std::sync::Arc;

use http::HeaderMap;

use super::super::failure::Failure;
use super::super::{Server, blocking};
use crate::model::image::CONTAINER;
use crate::model::{Caller, FormatPath};
use crate::store::detached::Cause;
use crate::tree::container::Adopted;
use crate::tree::post_process::Finished;

impl Server {
    pub(super) async fn finish_format(
        self: &Arc<Self>,
        headers: &HeaderMap,
        caller: Caller,
        path: FormatPath,
    ) -> Result<(), Failure> {
        if path.format.as_str() == CONTAINER {
            return self.finish_container(caller, path).await;
        }
        if !self.tree.has_post_process() {
            return Ok(self.tree.store().finish_format(path).await?);
        }
        let (server, of) = (Arc::clone(self), path.clone());
        let finished = blocking(move || Ok(server.tree.finish_format(&of)?)).await?;
        if finished == Finished::Unprocessed {
            return Ok(());
        }
        let Some(turn) = self.tree.post_process_turn(&path).await else { return Ok(()) };
        let (server, url) = (Arc::clone(self), self.address(headers));
        blocking(move || {
            let cause = Cause::request(caller.name());
            Ok(server.tree.post_process(&path, &url, cause, turn)?)
        })
        .await?;
        // The files that it replaced are not needed any more.
        self.reclaim();
        Ok(())
    }

    async fn finish_container(
        self: &Arc<Self>,
        caller: Caller,
        path: FormatPath,
    ) -> Result<(), Failure> {
        let server = Arc::clone(self);
        let finish = move || Ok(server.tree.finish_container(&path, caller.login())?);
        // The files that were sent are detached.
        if blocking(finish).await? == Adopted::Image {
            self.reclaim();
        }
        Ok(())
    }
}
