//! [`Try`]: one try to fulfil one wish, from the first request to the row that says how it ended
//! (spec dlrepo §12).
//!
//! Safe points are between requests: a halted try lets those that are out come back, so that
//! none of them reaches a target after the requests of the next try.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::filter::{self, Verdict};
use super::progress::Progress;
use super::target::{Remote, Target};
use super::{Error, Halt, Shared, TROUBLE_WAIT, is_out_of_date};
use crate::model::image::CONTAINER;
use crate::model::publication::published;
use crate::model::{
    Digest, Format, FormatName, FormatPath, Job, JobName, JobPath, Publication, PublicationKey,
    TagPath, TargetReport, TargetState, Usage, Wish,
};
use crate::store::publications::{End, JobNews, Standing};

/// How often progress is written down.
const NOTE_PERIOD: Duration = Duration::from_secs(1);
/// Files that are listed from one snapshot.
const PAGE: usize = 500;

/// One try.
pub(super) struct Try {
    shared: Arc<Shared>,
    key: PublicationKey,
    path: TagPath,
    row: Publication,
    halt: Halt,
}

/// What became of one target.
enum Reached {
    LeftOut,
    /// It has this many jobs of the tag.
    Has(usize),
}

/// A job on its way to one target.
struct Parcel<'a> {
    target: &'a Target<'a>,
    progress: &'a Progress,
    /// Which target and which job of the progress it is.
    at: (usize, usize),
    path: JobPath,
    job: &'a Job,
}

impl Try {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: PublicationKey,
        path: TagPath,
        row: Publication,
        halt: Halt,
    ) -> Self {
        Self { shared, key, path, row, halt }
    }

    /// Runs to its end, or to the next safe point once it is halted.
    pub(super) async fn run(self) -> PublicationKey {
        let mut targets = Vec::new();
        let end = match self.fulfil(&mut targets).await {
            Ok(end) => Some(end),
            Err(Error::Halted) => None,
            Err(error) => {
                log::warn!("{}: try {}: {error}", self.path, self.row.attempts + 1);
                let retry_first = self.shared.settings.retry_first;
                Some(End::Failed { targets, error: error.to_string(), retry_first })
            }
        };
        if let Some(end) = end {
            self.end(end).await;
        }
        self.key
    }

    async fn end(&self, end: End) {
        let is_gone = matches!(end, End::Gone { .. });
        match self.note_end(end).await {
            Ok(standing) if is_out_of_date(standing) => {}
            Ok(_) if is_gone => (self.shared.reclaim)(),
            Ok(_) => {}
            Err(error) => {
                log::error!("{}: how its publication ended is not noted: {error}", self.path);
                tokio::time::sleep(TROUBLE_WAIT).await;
            }
        }
    }

    async fn note_end(&self, end: End) -> Result<Standing, Error> {
        let (store, number) = (&self.shared.store, self.row.number);
        if matches!(end, End::Nowhere { .. } | End::Gone { .. }) {
            let mut after = store.forget_sent_jobs(self.key, number, None).await?;
            while after.is_some() {
                after = store.forget_sent_jobs(self.key, number, after).await?;
            }
        }
        Ok(store.end_publication(self.key, number, end).await?)
    }

    async fn fulfil(&self, targets: &mut Vec<TargetReport>) -> Result<End, Error> {
        match &self.row.wish {
            Wish::Released => self.publish(targets).await,
            Wish::NotReleased => {
                self.withdraw(targets).await?;
                Ok(End::Nowhere { status: None })
            }
            Wish::Deleted { rule } => {
                if !self.shared.store.view()?.is_doomed(&self.path)? {
                    log::info!("{} stays: no policy names it any more", self.path);
                    return Ok(End::Kept);
                }
                self.withdraw(targets).await?;
                Ok(End::Gone { rule: rule.clone() })
            }
        }
    }

    /// Removes the tag from every target that is not left out: what lies there under the same
    /// name is not ours.
    async fn withdraw(&self, targets: &mut Vec<TargetReport>) -> Result<(), Error> {
        let progress = Progress::new(&self.shared.settings.urls, &[]);
        let mut failures = Vec::new();
        for (at, url) in self.shared.settings.urls.iter().enumerate() {
            self.halt.check()?;
            progress.target(at, TargetState::Busy, None);
            match self.withdraw_from(url).await {
                Ok(state) => progress.target(at, state, None),
                Err(error) => failed(&progress, at, &error, &mut failures),
            }
            self.note(&progress, None).await?;
        }
        *targets = progress.look().0;
        if failures.is_empty() { Ok(()) } else { Err(Error::Targets(failures.join("; "))) }
    }

    async fn withdraw_from(&self, url: &str) -> Result<TargetState, Error> {
        match filter::ask(&self.shared.settings, url, &self.path).await? {
            Verdict::Goes => {}
            Verdict::StaysAway => return Ok(TargetState::LeftOut),
        }
        let target = Target::new(&self.shared, url)?;
        target.delete_tag(&self.path).await?;
        match target.jobs(&self.path).await? {
            None | Some(0) => Ok(TargetState::Done),
            Some(_) => Err(Error::StillThere { url: target.url(&super::url::tag(&self.path)) }),
        }
    }

    /// Brings the tag to every target that is not left out.
    async fn publish(&self, targets: &mut Vec<TargetReport>) -> Result<End, Error> {
        if self.shared.settings.urls.is_empty() {
            // They were taken out of the settings since.
            return Ok(End::Flag);
        }
        let jobs = self.shared.store.view()?.jobs(self.key.1)?;
        let progress = Progress::new(&self.shared.settings.urls, &jobs);
        let reached = self.watched(&jobs, &progress).await;
        *targets = progress.look().0;
        let reached = reached?;
        let unlocked = jobs.iter().filter(|(_, job)| !job.locked && !job.internal);
        let unlocked: Vec<_> = unlocked.map(|(name, _)| name.to_string()).collect();
        let urls = self.shared.settings.urls.iter().zip(&reached);
        // Also where only an earlier release left something: it is to be taken back some day.
        let there = urls.filter(|(_, reached)| matches!(reached, Reached::Has(1..)));
        let urls: Vec<_> = there.map(|(url, _)| url.clone()).collect();
        if !urls.is_empty() {
            log::info!("{} is published to {}", self.path, urls.join(", "));
            let status = published(&urls, &unlocked);
            return Ok(End::Published { targets: std::mem::take(targets), status });
        }
        let unlocked = (!unlocked.is_empty()).then(|| unlocked.join(", "));
        let status = unlocked.map(|jobs| format!("nothing to publish: {jobs} not locked"));
        Ok(End::Nowhere { status })
    }

    /// The requests, with their progress written down meanwhile.
    async fn watched(
        &self,
        jobs: &[(JobName, Job)],
        progress: &Progress,
    ) -> Result<Vec<Reached>, Error> {
        let work = self.publish_everywhere(jobs, progress);
        tokio::pin!(work);
        let mut ticks = tokio::time::interval(NOTE_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                reached = &mut work => return reached,
                _ = ticks.tick() => match self.note(progress, None).await {
                    // It was told to halt: its requests come back first.
                    Ok(()) | Err(Error::Halted) => {}
                    Err(error) => log::warn!("{}: progress is not noted: {error}", self.path),
                },
            }
        }
    }

    async fn publish_everywhere(
        &self,
        jobs: &[(JobName, Job)],
        progress: &Progress,
    ) -> Result<Vec<Reached>, Error> {
        let mut reached = Vec::new();
        let mut failures = Vec::new();
        for (at, url) in self.shared.settings.urls.iter().enumerate() {
            match self.publish_to(at, url, jobs, progress).await {
                Ok(one) => {
                    let is_left_out = matches!(one, Reached::LeftOut);
                    let state = if is_left_out { TargetState::LeftOut } else { TargetState::Done };
                    progress.target(at, state, None);
                    reached.push(one);
                }
                Err(Error::Halted) => return Err(Error::Halted),
                Err(error) => failed(progress, at, &error, &mut failures),
            }
        }
        if failures.is_empty() { Ok(reached) } else { Err(Error::Targets(failures.join("; "))) }
    }

    async fn publish_to(
        &self,
        at: usize,
        url: &str,
        jobs: &[(JobName, Job)],
        progress: &Progress,
    ) -> Result<Reached, Error> {
        self.halt.check()?;
        progress.target(at, TargetState::Busy, None);
        match filter::ask(&self.shared.settings, url, &self.path).await? {
            Verdict::Goes => {}
            Verdict::StaysAway => return Ok(Reached::LeftOut),
        }
        let target = Target::new(&self.shared, url)?;
        for (number, (name, job)) in jobs.iter().enumerate() {
            self.halt.check()?;
            let path = self.path.clone().job(name.clone());
            let at = (at, number);
            let parcel = Parcel { target: &target, progress, at, path, job };
            self.publish_job(url, &parcel).await?;
        }
        let jobs = target.jobs(&self.path).await?;
        Ok(Reached::Has(jobs.unwrap_or(0)))
    }

    async fn publish_job(&self, url: &str, parcel: &Parcel<'_>) -> Result<(), Error> {
        let Parcel { target, progress, at, path, job } = parcel;
        if !job.locked {
            return Ok(());
        }
        if job.internal {
            keep_home(target, path).await?;
            return self.note(progress, Some(JobNews::Internal(path.job.clone()))).await;
        }
        let digest = job.digest.ok_or_else(|| Error::Changed(path.to_string()))?;
        let formats = self.shared.store.view()?.formats(job.id)?;
        let formats: Vec<_> =
            formats.into_iter().filter(|(name, _)| !self.shared.store.is_internal(name)).collect();
        let usages = formats.iter().map(|(_, format)| format.usage);
        let all = usages.fold(Usage::default(), Usage::plus);
        if !is_there(target, path, digest, &formats).await? {
            progress.begin(at.0, at.1, all, format!("uploading {} to {url}", path.job));
            self.note(progress, None).await?;
            for (name, format) in &formats {
                self.send_format(parcel, path.clone().format(name.clone()), format).await?;
            }
            self.halt.check()?;
            target.describe(path, job).await?;
            target.lock(path).await?;
            verify(target, path, digest).await?;
        }
        progress.done(at.0, at.1, all);
        self.note(progress, Some(JobNews::Published(path.job.clone()))).await
    }

    /// Sends all files of a format, several at once, and declares it complete.
    async fn send_format(
        &self,
        parcel: &Parcel<'_>,
        path: FormatPath,
        format: &Format,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let view = self.shared.store.view()?;
            let page = view.files_after(format.id, after.as_ref(), PAGE)?;
            drop(view);
            let Some(last) = page.last() else { break };
            after = Some(last.path.clone());
            let has_failed = AtomicBool::new(false);
            let puts = page.iter().map(|listed| async {
                self.halt.check()?;
                if has_failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let file = path.clone().file(listed.path.clone());
                let put = parcel.target.put(&file, listed, parcel.progress.bytes()).await;
                has_failed.fetch_or(put.is_err(), Ordering::Relaxed);
                put.inspect(|()| parcel.progress.file_done())
            });
            let at_once = self.shared.settings.requests_max.max(1);
            // To the last one, also when one fails: none may be out when this try is over.
            let results: Vec<_> = stream::iter(puts).buffer_unordered(at_once).collect().await;
            results.into_iter().collect::<Result<(), _>>()?;
        }
        parcel.target.finish(&path).await
    }

    /// Writes down how far it is.
    async fn note(&self, progress: &Progress, news: Option<JobNews>) -> Result<(), Error> {
        let (targets, status) = progress.look();
        let (store, number) = (&self.shared.store, self.row.number);
        let noted = store.note_publication(self.key, number, targets, status, news);
        if is_out_of_date(noted.await?) {
            self.halt.ask();
            return Err(Error::Halted);
        }
        Ok(())
    }
}

/// Notes that a try broke off without an end.
pub(super) async fn give_up(
    shared: Arc<Shared>,
    key: PublicationKey,
    number: u64,
) -> PublicationKey {
    let (targets, error) = (Vec::new(), "the server failed, its log says why".to_owned());
    let end = End::Failed { targets, error, retry_first: shared.settings.retry_first };
    if let Err(error) = shared.store.end_publication(key, number, end).await {
        log::error!("how the publication {key:?} ended is not noted: {error}");
        tokio::time::sleep(TROUBLE_WAIT).await;
    }
    key
}

fn failed(progress: &Progress, at: usize, error: &Error, failures: &mut Vec<String>) {
    let text = error.to_string();
    progress.target(at, TargetState::Failed, Some(text.clone()));
    failures.push(text);
}

/// Whether the target has the job as it is here; another one is removed there, but for one that
/// was begun: what it has already need not be sent again. An image is sent as a whole, though: to
/// one that is there already no file can be added.
async fn is_there(
    target: &Target<'_>,
    path: &JobPath,
    digest: Digest,
    formats: &[(FormatName, Format)],
) -> Result<bool, Error> {
    let has_image = formats.iter().any(|(name, _)| name.as_str() == CONTAINER);
    match target.job(path).await? {
        Remote::Locked { digest: theirs, is_closed: true } if theirs == digest.to_string() => {
            Ok(true)
        }
        Remote::Absent => Ok(false),
        Remote::Begun if !has_image => Ok(false),
        Remote::Begun | Remote::Locked { .. } => {
            target.delete_job(path).await?;
            Ok(false)
        }
    }
}

/// Removes a job that is internal by now. Whoever may not delete there is no trouble as long as
/// there is nothing to delete.
async fn keep_home(target: &Target<'_>, path: &JobPath) -> Result<(), Error> {
    match target.delete_job(path).await {
        Err(refused @ Error::Refused { .. }) => match target.job(path).await? {
            Remote::Absent => Ok(()),
            Remote::Begun | Remote::Locked { .. } => Err(refused),
        },
        result => result,
    }
}

/// Whether the target computed the same digest.
async fn verify(target: &Target<'_>, path: &JobPath, digest: Digest) -> Result<(), Error> {
    let theirs = match target.job(path).await? {
        Remote::Locked { digest: theirs, is_closed: true } if theirs == digest.to_string() => {
            return Ok(());
        }
        Remote::Locked { digest, .. } => digest,
        Remote::Absent | Remote::Begun => String::new(),
    };
    target.delete_job(path).await?;
    let url = target.url(&super::url::job(path));
    Err(Error::Differs { url, ours: digest.to_string(), theirs })
}
