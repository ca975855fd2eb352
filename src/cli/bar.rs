//! [`Bar`]: how far a command is, on standard error, when a person looks at it.

use std::time::Duration;

use indicatif::{BinaryBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app::admin::Progress;
use crate::config::Form;

/// Time between two turns of the spinner.
const TICK: Duration = Duration::from_millis(120);

/// A progress bar, or nothing when there is no terminal or the answer is for a machine.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new(form: Form) -> Self {
        let target = match form {
            Form::Text => ProgressDrawTarget::stderr(),
            Form::Json => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self { bar }
    }

    pub(super) fn show(&self, progress: &Progress) {
        let Progress { stage, done, of, bytes } = progress;
        let bytes = bytes.map(|bytes| format!(", {}", BinaryBytes(bytes)));
        let number = HumanCount(*done);
        self.bar.set_message(format!("{stage}: {number}{}", bytes.unwrap_or_default()));
        self.bar.set_length(of.unwrap_or(0).max(*done));
        self.bar.set_position(*done);
        self.bar.set_style(style(*of));
    }

    /// Leaves no trace.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(of: Option<u64>) -> ProgressStyle {
    let template = match of {
        Some(_) => "{spinner} [{bar:30}] {percent:>3} % {msg}",
        None => "{spinner} {elapsed} {msg}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
