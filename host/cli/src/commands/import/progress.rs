//! Shows the progress of an import on a terminal. Elsewhere it shows nothing.

use indicatif::{ProgressBar, ProgressStyle};
use polder_import::{Progress, Report};

const TEMPLATE: &str = "{bar:30} {percent:>3} %  {msg}  {elapsed}";

pub(crate) struct Bar {
    bar: ProgressBar,
    progress: Progress,
}

impl Bar {
    pub(crate) fn new(progress: Progress, is_watched: bool) -> Self {
        let bar = match is_watched {
            true => ProgressBar::new(progress.bytes_total()),
            false => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self { bar, progress }
    }

    pub(crate) fn show(&self, report: &Report) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(self.progress.bytes_read());
        let (accepted, handled) = (report.accepted_count(), report.already_handled_count());
        self.bar
            .set_message(format!("{accepted} accepted, {handled} already handled, {} refused", report.refused_count()));
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
