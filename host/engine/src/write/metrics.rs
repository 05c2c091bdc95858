//! The host's own counters, in Prometheus's text format.

use std::sync::atomic::{AtomicU64, Ordering};

use polder_core::{CommandAck, CommandStatus};
use polder_journal::Statistics;

use crate::prometheus_text::{head, line, one};
use crate::tenancy::SubmitError;

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    accepted: AtomicU64,
    rejected: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
    faults: AtomicU64,
    slow: AtomicU64,
    reruns: AtomicU64,
}

impl Metrics {
    pub(crate) fn answered(&self, answer: &Result<CommandAck, SubmitError>) {
        match answer {
            Ok(ack) => self.acknowledged(ack),
            Err(_) => add(&self.refused),
        }
    }

    pub(crate) fn faulted(&self) {
        add(&self.faults);
    }

    /// Counts a command that was run again in a fresh instance after its instance had failed.
    pub(crate) fn ran_again(&self) {
        add(&self.reruns);
    }

    pub(crate) fn went_slow(&self) {
        add(&self.slow);
    }

    fn acknowledged(&self, ack: &CommandAck) {
        match (ack.repeated, ack.status) {
            (true, _) => add(&self.repeated),
            (false, CommandStatus::Rejected) => add(&self.rejected),
            (false, CommandStatus::Accepted | CommandStatus::Pending) => add(&self.accepted),
        }
    }

    pub(crate) fn write(&self, text: &mut String, journal: &Statistics, writable: bool) {
        let commands = [
            ("accepted", &self.accepted),
            ("rejected", &self.rejected),
            ("repeated", &self.repeated),
            ("refused", &self.refused),
        ];
        head(text, "polder_commands_total", "counter", "Commands answered since the host started, by answer.");
        for (status, count) in commands {
            line(text, &format!("polder_commands_total{{status=\"{status}\"}}"), count.load(Ordering::Relaxed));
        }
        one(
            text,
            "polder_guest_faults_total",
            "counter",
            "Guest calls that failed.",
            self.faults.load(Ordering::Relaxed),
        );
        let help = "Commands that were run once more in a fresh instance, because the one before had failed.";
        one(text, "polder_guest_reruns_total", "counter", help, self.reruns.load(Ordering::Relaxed));
        one(
            text,
            "polder_slow_lane_commands_total",
            "counter",
            "Commands that were moved to the slow lane.",
            self.slow.load(Ordering::Relaxed),
        );
        one(text, "polder_journal_frames_total", "counter", "Group commits written.", journal.frames);
        one(text, "polder_journal_events_total", "counter", "Events written.", journal.events);
        one(text, "polder_journal_bytes_total", "counter", "Bytes of frames written.", journal.bytes);
        one(text, "polder_journal_syncs_total", "counter", "Syncs of the journal to disk.", journal.syncs);
        let (sum, max) = (journal.sync_ns_sum / 1_000, journal.sync_ns_max / 1_000);
        one(text, "polder_journal_sync_microseconds_total", "counter", "Time spent in syncs.", sum);
        one(text, "polder_journal_sync_microseconds_max", "gauge", "Slowest sync.", max);
        one(text, "polder_writable", "gauge", "1 while commands are taken.", u64::from(writable));
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
