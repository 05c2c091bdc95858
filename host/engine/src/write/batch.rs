//! The decisions of a worker that are not durable yet, with their callers.

use std::collections::HashSet;
use std::sync::Arc;

use polder_core::{CommandAck, Position, TenantName};
use polder_journal::{BuildDigestHasher, CommandKey, EncodedRecord};

use super::metrics::Metrics;
use super::not_appended::{NO_KEY, NotAppended};
use super::slots::Slot;
use crate::tenancy::{Admission, InFlightGuard, SubmitError, Tenant};
use tokio::sync::oneshot;

/// Sends the answer to the caller.
pub(crate) type ReplySender = oneshot::Sender<Result<CommandAck, SubmitError>>;

/// Called after each append, once for each tenant whose history grew.
pub(crate) type Grown = Box<dyn Fn(&Tenant) + Send + Sync>;

/// Keys of commands that carry an id, so that callers may repeat them.
pub(super) type Repeatable = HashSet<CommandKey, BuildDigestHasher>;

#[derive(Default)]
pub(super) struct Batch {
    records: Vec<EncodedRecord>,
    replies: Vec<Waiting>,
    repeatable: Repeatable,
    bytes: usize,
    /// The earliest generation in which one of the decisions was made.
    generation: Option<u64>,
}

struct Waiting {
    reply: Reply,
    /// Index of the record, or `None` if there is nothing to record. Such a reply waits too, because it may reveal
    /// earlier decisions of the batch.
    record: Option<usize>,
}

impl Waiting {
    fn is_refused(&self, slots: &[Slot]) -> bool {
        self.record.is_some_and(|index| slots[index] == Slot::NoKey)
    }
}

pub(super) struct Reply {
    /// An acknowledgement without its position, which is known once the record is durable.
    pub(super) answer: Result<CommandAck, SubmitError>,
    pub(super) to: ReplySender,
    pub(super) admission: Admission,
    pub(super) _in_flight: InFlightGuard,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Size of the records.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the command was decided in this batch.
    pub(super) fn holds(&self, command: &CommandKey) -> bool {
        self.repeatable.contains(command)
    }

    pub(super) fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// `generation` is the one in which the decision was made.
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

    /// Answers the callers, once the batch is durable. A caller that is gone misses its answer. A record that is
    /// refused for its key takes its tenant out of service.
    pub(super) fn durable(
        self,
        slots: &[Slot],
        last_position: impl Fn(&TenantName) -> Position,
        grown: &Grown,
        metrics: &Metrics,
    ) {
        // This comes first, so that no answer reveals a decision that is not recorded.
        for waiting in self.replies.iter().filter(|waiting| waiting.is_refused(slots)) {
            waiting.reply.admission.tenant().set_unavailable(Some(NO_KEY.to_owned()));
        }
        for (tenant, position) in self.last_positions(slots) {
            tenant.reached(position);
            grown(&tenant);
        }
        for Waiting { reply: Reply { answer, to, admission, _in_flight }, record } in self.replies {
            let tenant = admission.tenant();
            let position = match record {
                Some(index) => slots[index].position(),
                None => tenant.unavailable().is_none().then(|| last_position(&tenant.name)),
            };
            let answer = match position {
                Some(position) => answer.map(|ack| CommandAck { position, ..ack }),
                None => Err(SubmitError::TenantUnavailable(tenant.name.clone())),
            };
            metrics.answered(&answer);
            // The place is free before the caller sends its next command.
            drop(admission);
            drop(to.send(answer));
        }
    }

    /// The last position of each tenant in the batch.
    fn last_positions(&self, slots: &[Slot]) -> Vec<(Arc<Tenant>, Position)> {
        let mut last: Vec<(Arc<Tenant>, Position)> = Vec::new();
        for waiting in &self.replies {
            let Some(reached) = waiting.record.and_then(|index| slots[index].position()) else { continue };
            let tenant = waiting.reply.admission.tenant();
            match last.iter_mut().find(|(known, _)| Arc::ptr_eq(known, tenant)) {
                Some((_, position)) => *position = reached,
                None => last.push((Arc::clone(tenant), reached)),
            }
        }
        last
    }

    /// Refuses all commands of the batch: none of the decisions may be revealed.
    pub(super) fn lost(self, why: &NotAppended, metrics: &Metrics) {
        for Waiting { reply, record } in self.replies {
            let answer = Err(match (why, record, reply.answer) {
                (NotAppended::HalfWay(reason) | NotAppended::Partly(reason), Some(_), Ok(ack)) => {
                    SubmitError::OutcomeUnknown { command_id: Some(ack.command_id), reason: reason.clone() }
                }
                // There was nothing to record.
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
