//! What a worker has decided and not yet made durable, with the callers who wait for it.

use std::collections::HashSet;
use std::sync::Arc;

use polder_core::{CommandAck, Position, TenantName};
use polder_journal::{BuildDigestHasher, CommandKey, EncodedRecord};

use super::Grown;
use super::job::ReplySender;
use super::not_appended::NotAppended;
use crate::SubmitError;
use crate::metrics::Metrics;
use crate::passage::OnPassage;
use crate::tenant::{Admission, Tenant};

/// Commands that their callers may repeat.
pub(super) type Repeatable = HashSet<CommandKey, BuildDigestHasher>;

#[derive(Default)]
pub(super) struct Batch {
    records: Vec<EncodedRecord>,
    replies: Vec<Waiting>,
    repeatable: Repeatable,
    bytes: usize,
    /// The earliest in which something of it was decided.
    generation: Option<u64>,
}

struct Waiting {
    reply: Reply,
    /// Index of its record; without one there is nothing to keep. The reply waits all the same: it may tell of what came before.
    record: Option<usize>,
}

pub(super) struct Reply {
    /// An acknowledgement lacks its position until the record has one.
    pub(super) answer: Result<CommandAck, SubmitError>,
    pub(super) to: ReplySender,
    pub(super) admission: Admission,
    pub(super) _passage: OnPassage,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Of its records.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The command is among those decided here.
    pub(super) fn holds(&self, command: &CommandKey) -> bool {
        self.repeatable.contains(command)
    }

    pub(super) fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// `generation`: in which it was decided.
    pub(super) fn push(
        &mut self,
        reply: Reply,
        record: Option<EncodedRecord>,
        command: Option<CommandKey>,
        generation: u64,
    ) {
        self.generation = Some(self.generation.map_or(generation, |earliest| earliest.min(generation)));
        let record = record.map(|record| {
            self.repeatable.extend(command);
            self.bytes += record.length();
            self.records.push(record);
            self.records.len() - 1
        });
        self.replies.push(Waiting { reply, record });
    }

    pub(super) fn take_records(&mut self) -> Vec<EncodedRecord> {
        std::mem::take(&mut self.records)
    }

    pub(super) fn take_repeatable(&mut self) -> Repeatable {
        std::mem::take(&mut self.repeatable)
    }

    /// Everything in it is durable: tells the callers. One who has gone away misses the answer, no more.
    pub(super) fn durable(
        self,
        positions: &[Position],
        last_position: impl Fn(&TenantName) -> Position,
        grown: &Grown,
        metrics: &Metrics,
    ) {
        for (tenant, position) in self.last_positions(positions) {
            tenant.reached(position);
            grown(&tenant);
        }
        for Waiting { reply: Reply { answer, to, admission, _passage }, record } in self.replies {
            let position = match record {
                Some(index) => positions[index],
                None => last_position(&admission.tenant().name),
            };
            let answer = answer.map(|ack| CommandAck { position, ..ack });
            metrics.answered(&answer);
            // The caller's next command finds a place free.
            drop(admission);
            drop(to.send(answer));
        }
    }

    /// How far the history of each tenant in it reaches now.
    fn last_positions(&self, positions: &[Position]) -> Vec<(Arc<Tenant>, Position)> {
        let mut last: Vec<(Arc<Tenant>, Position)> = Vec::new();
        for waiting in &self.replies {
            let Some(index) = waiting.record else { continue };
            let tenant = waiting.reply.admission.tenant();
            match last.iter_mut().find(|(known, _)| Arc::ptr_eq(known, tenant)) {
                Some((_, position)) => *position = positions[index],
                None => last.push((Arc::clone(tenant), positions[index])),
            }
        }
        last
    }

    /// Nothing of it may be told.
    pub(super) fn lost(self, why: &NotAppended, metrics: &Metrics) {
        for Waiting { reply, record } in self.replies {
            let answer = Err(match (why, record, reply.answer) {
                (NotAppended::HalfWay(reason) | NotAppended::Partly(reason), Some(_), Ok(ack)) => {
                    SubmitError::OutcomeUnknown { command_id: Some(ack.command_id), reason: reason.clone() }
                }
                // Nothing of it was to be recorded.
                (NotAppended::HalfWay(reason) | NotAppended::Partly(reason), ..) => {
                    SubmitError::ReadOnly(reason.clone())
                }
                _ => why.clone().into(),
            });
            metrics.answered(&answer);
            drop(reply.to.send(answer));
        }
    }
}
