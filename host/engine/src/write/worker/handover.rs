//! Decisions on their way to the appender. A worker decides on states that are not durable yet. It reads nothing from
//! the journal that depends on them, and answers no caller, before they are.

use super::*;

/// Bytes that a worker may have passed to the appender without their being durable yet. At this bound it waits.
const UNDURABLE_BYTES_MAX: usize = 8 * 1024 * 1024;

impl Worker {
    /// Adds the decision to the batch and puts the state back.
    pub(in crate::write) fn keep(&mut self, decided: Decided) {
        let (pending_reply, state_after) = decided.split();
        self.keep_pending_reply(pending_reply);
        // The order matters: putting the state back may drop all states, and then their decisions must be durable.
        self.put_back(state_after);
    }

    /// Puts back the state of a decision that another thread has made durable.
    pub(in crate::write) fn put_back_durable(&mut self, mut state_after: StateAfter) {
        if self.is_outdated() {
            // The state may hold changes that are not in the journal.
            return self.begin_anew();
        }
        state_after.warm.batch = 0;
        self.put_back(state_after);
        self.report_calls();
        if let Some(audit) = &self.audit {
            self.samples.drain(..).for_each(|sample| audit.offer(Box::new(sample)));
        }
    }

    pub(in crate::write) fn keep_pending_reply(&mut self, pending_reply: PendingReply) {
        let PendingReply { reply, record, repeatable, generation } = pending_reply;
        self.batch.push(reply, record, repeatable, generation);
    }

    /// Passes the batch to the appender, which makes it durable and answers its callers. With `has_more` the appender's
    /// thread does it, because this worker has more to decide. Without it this thread appends, unless the appender
    /// leaves it to its own thread.
    pub(in crate::write) fn hand_over(&mut self, has_more: bool) {
        // With an empty batch there is still one reason to go on: the appender waits for records that were announced.
        if self.batch.is_empty() && (has_more || !self.is_deciding) {
            return;
        }
        let handed = self.take_batch(None);
        self.announce(has_more);
        if has_more {
            self.appender.leave(handed);
        } else {
            self.appender.append(handed);
        }
        if self.undurable.bytes() >= UNDURABLE_BYTES_MAX {
            self.settle();
        }
    }

    /// Blocks until all decisions of this worker are durable.
    pub(in crate::write) fn settle(&mut self) {
        if !self.batch.is_empty() || !self.undurable.is_empty() {
            let (signal, done) = channel();
            let handed = self.take_batch(Some(signal));
            self.announce(false);
            self.appender.append(handed);
            // Nothing is ever sent on this channel. It closes when the batch is durable, and so are all batches before
            // it.
            let _ = done.recv();
        }
        if self.is_outdated() {
            self.begin_anew();
        }
    }

    /// Whether the states may hold changes that are not in the journal, because an append failed since they were built.
    pub(super) fn is_outdated(&self) -> bool {
        self.appender.is_halted() || self.appender.generation() != self.generation
    }

    /// Drops all states, so that they are rebuilt from the journal. Call it only when the appender has answered for
    /// every batch.
    fn begin_anew(&mut self) {
        self.residents.clear();
        self.unreported.clear();
        self.samples.clear();
        self.undurable.forget_all();
        self.generation = self.appender.generation();
    }

    fn announce(&mut self, is_deciding: bool) {
        match (std::mem::replace(&mut self.is_deciding, is_deciding), is_deciding) {
            (false, true) => self.appender.decide(),
            (true, false) => self.appender.decided(),
            _ => {}
        }
    }

    fn take_batch(&mut self, signal: Option<Sender<()>>) -> Handed {
        self.report_calls();
        let mut batch = std::mem::take(&mut self.batch);
        let (records, samples, number) = (batch.take_records(), std::mem::take(&mut self.samples), self.batch_number);
        let generation = batch.generation();
        self.undurable.push(number, batch.take_repeatable(), batch.bytes());
        self.batch_number += 1;
        let (progress, audit) = (self.undurable.progress(), self.audit.clone().filter(|_| !samples.is_empty()));
        let (reader, grown, metrics) = (self.reader.clone(), Arc::clone(&self.grown), Arc::clone(&self.metrics));
        let notify = move |appended: Result<&[Slot], &NotAppended>| {
            match appended {
                Ok(slots) => {
                    progress.reached(number);
                    batch.durable(slots, |tenant| reader.last_position(tenant), &grown, &metrics);
                    for sample in samples.into_iter().filter(|sample| sample.tenant.unavailable().is_none()) {
                        // Samples are only taken where there is an audit.
                        if let Some(audit) = &audit {
                            audit.offer(Box::new(sample));
                        }
                    }
                }
                Err(why) => batch.lost(why, &metrics),
            }
            drop(signal);
        };
        Handed { records, generation, notify: Box::new(notify) }
    }

    fn report_calls(&mut self) {
        for address in self.unreported.drain(..) {
            if let Some(resident) = self.residents.get_mut(&address) {
                resident.report_calls();
            }
        }
    }
}
