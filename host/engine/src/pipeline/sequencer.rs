//! The one thread that appends. Whatever arrived during the last sync becomes the next batch: no timer, no waiting.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use polder_core::Position;
use polder_journal::{EncodedRecord, Reader, Writer};

use super::{Decided, Grown, Progress, Reply};
use crate::metrics::Metrics;
use crate::tenant::Tenant;

/// One append takes at most this many decisions; more wait for the next.
const BATCH_DECISIONS_MAX: usize = 4_096;
/// One append takes at most about this many bytes.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(super) struct Sequencer {
    decided: Receiver<Decided>,
    writer: Writer,
    reader: Reader,
    progress: Arc<Progress>,
    metrics: Arc<Metrics>,
    grown: Grown,
}

impl Sequencer {
    pub(super) fn new(
        decided: Receiver<Decided>,
        writer: Writer,
        reader: Reader,
        progress: Arc<Progress>,
        metrics: Arc<Metrics>,
        grown: Grown,
    ) -> Self {
        Self { decided, writer, reader, progress, metrics, grown }
    }

    /// Until every sender is gone; then closes the journal.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.decided.recv() {
            let batch = self.collect(first);
            self.append(batch);
        }
        if let Err(error) = self.writer.close() {
            // Every acknowledgement stands; the next start takes a moment longer.
            tracing::warn!(%error, "the journal was not closed cleanly");
        }
    }

    fn collect(&self, first: Decided) -> Batch {
        let mut batch = Batch::default();
        batch.push(first);
        while batch.replies.len() < BATCH_DECISIONS_MAX && batch.bytes < BATCH_BYTES_MAX {
            match self.decided.try_recv() {
                Ok(decided) => batch.push(decided),
                Err(_) => break,
            }
        }
        batch
    }

    fn append(&mut self, batch: Batch) {
        if let Some(reason) = self.progress.halted() {
            return batch.replies.into_iter().for_each(|waiting| waiting.reply.lost(&reason));
        }
        let positions = if batch.records.is_empty() {
            Vec::new()
        } else {
            match self.writer.append(batch.records) {
                Ok(appended) => appended.last_positions,
                Err(error) => return self.halt(&error, batch.replies),
            }
        };
        self.tell(batch.replies, &positions);
    }

    fn tell(&self, replies: Vec<Waiting>, positions: &[Position]) {
        // Before any answer: a caller who has one may send the next command at once, and its worker must see this one durable.
        for (worker, ticket) in replies.iter().filter_map(|waiting| waiting.ticket) {
            self.progress.advance(worker, ticket);
        }
        self.progress.wake();
        let mut grown: Vec<(Arc<Tenant>, Position)> = Vec::new();
        for waiting in replies {
            let tenant = waiting.reply.tenant();
            let position = match (waiting.record, tenant) {
                (Some(index), Some(tenant)) => {
                    note_growth(&mut grown, tenant, positions[index]);
                    positions[index]
                }
                (Some(index), None) => positions[index],
                (None, Some(tenant)) => self.reader.last_position(&tenant.name),
                (None, None) => Position::ZERO,
            };
            self.metrics.answered(&waiting.reply);
            waiting.reply.durable(position);
        }
        for (tenant, position) in grown {
            tenant.positions.send_if_modified(|last| std::mem::replace(last, position) != position);
            (self.grown)(&tenant);
        }
    }

    fn halt(&self, error: &dyn std::error::Error, replies: Vec<Waiting>) {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        tracing::error!(%reason, "the journal failed; no more commands are taken until the host is started again");
        self.progress.halt(reason.clone());
        replies.into_iter().for_each(|waiting| waiting.reply.lost(&reason));
    }
}

fn note_growth(grown: &mut Vec<(Arc<Tenant>, Position)>, tenant: &Arc<Tenant>, position: Position) {
    match grown.iter_mut().find(|(known, _)| Arc::ptr_eq(known, tenant)) {
        Some((_, last)) => *last = position,
        None => grown.push((Arc::clone(tenant), position)),
    }
}

#[derive(Default)]
struct Batch {
    records: Vec<EncodedRecord>,
    replies: Vec<Waiting>,
    bytes: usize,
}

struct Waiting {
    ticket: Option<(usize, u64)>,
    /// Index of its record in the batch.
    record: Option<usize>,
    reply: Reply,
}

impl Batch {
    fn push(&mut self, decided: Decided) {
        let record = decided.record.map(|record| {
            self.bytes += record.length();
            self.records.push(record);
            self.records.len() - 1
        });
        self.replies.push(Waiting { ticket: decided.ticket, record, reply: decided.reply });
    }
}
