//! [`Progress`]: how far a try is on each target, written down from time to time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Job, JobName, JobReport, JobState, TargetReport, TargetState, Usage};

/// Jobs of a tag whose progress is told; the others are published all the same.
const JOBS_TOLD_MAX: usize = 5000;

/// What a try has done so far. The part that sends raises the counters, the part that writes
/// them down takes a copy.
pub(super) struct Progress {
    inner: Mutex<Inner>,
    /// Files and bytes of the job that is being sent.
    files: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

struct Inner {
    targets: Vec<TargetReport>,
    /// The target and the job that the counters are of.
    at: Option<(usize, usize)>,
    status: Option<String>,
}

impl Progress {
    /// Nothing is done on any of `urls`.
    pub(super) fn new(urls: &[String], jobs: &[(JobName, Job)]) -> Self {
        let job = |(name, job): &(JobName, Job)| JobReport {
            name: name.to_string(),
            state: match job {
                Job { locked: false, .. } => JobState::Unlocked,
                Job { internal: true, .. } => JobState::Internal,
                _ => JobState::Waiting,
            },
            done: Usage::default(),
            all: Usage::default(),
        };
        let jobs: Vec<_> = jobs.iter().take(JOBS_TOLD_MAX).map(job).collect();
        let target = |url: &String| TargetReport {
            jobs: jobs.clone(),
            ..TargetReport::waiting(url.clone())
        };
        let targets = urls.iter().map(target).collect();
        let inner = Mutex::new(Inner { targets, at: None, status: None });
        Self { inner, files: Arc::default(), bytes: Arc::default() }
    }

    /// No panic can tear what is changed under the lock in single steps.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a target stands now.
    pub(super) fn target(&self, target: usize, state: TargetState, error: Option<String>) {
        self.settle();
        if let Some(report) = self.lock().targets.get_mut(target) {
            report.state = state;
            report.error = error;
        }
    }

    /// A job's files begin to go to a target.
    pub(super) fn begin(&self, target: usize, job: usize, all: Usage, status: String) {
        self.settle();
        let mut inner = self.lock();
        inner.at = Some((target, job));
        inner.status = Some(status);
        if let Some(report) = report(&mut inner, target, job) {
            (report.state, report.all) = (JobState::Uploading, all);
        }
    }

    /// A target says that it has a job as it is here.
    pub(super) fn done(&self, target: usize, job: usize, all: Usage) {
        self.settle();
        if let Some(report) = report(&mut self.lock(), target, job) {
            (report.state, report.done, report.all) = (JobState::Done, all, all);
        }
    }

    /// Raised by each file of the job that is being sent.
    pub(super) fn file_done(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    /// Raised by each byte of it.
    pub(super) fn bytes(&self) -> &Arc<AtomicU64> {
        &self.bytes
    }

    /// Ends the counting for a job.
    fn settle(&self) {
        self.copy_counters();
        self.lock().at = None;
        self.files.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    fn copy_counters(&self) {
        let files = self.files.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed);
        let mut inner = self.lock();
        if let Some((target, job)) = inner.at
            && let Some(report) = report(&mut inner, target, job)
        {
            report.done = Usage { files, bytes };
        }
    }

    /// What is known now, with the sums of each target, and the words for the tag.
    pub(super) fn look(&self) -> (Vec<TargetReport>, Option<String>) {
        self.copy_counters();
        let inner = self.lock();
        let mut targets = inner.targets.clone();
        for target in &mut targets {
            let sum = |part: fn(&JobReport) -> Usage| {
                target.jobs.iter().map(part).fold(Usage::default(), Usage::plus)
            };
            (target.done, target.all) = (sum(|job| job.done), sum(|job| job.all));
        }
        (targets, inner.status.clone())
    }
}

fn report(inner: &mut Inner, target: usize, job: usize) -> Option<&mut JobReport> {
    inner.targets.get_mut(target)?.jobs.get_mut(job)
}
