//! The instances of a worker that are resident in memory, with the states they hold: taken for a command, put back after
//! it, limited to the tenant's share, saved and given back.

use super::*;

impl Worker {
    /// Saves the states that are worth it before the thread ends, so that the next start need not rebuild them.
    pub(in crate::pipeline) fn save_all(&mut self) {
        self.settle();
        for seat in self.seats.values_mut() {
            seat.save_all(&self.reader);
        }
    }

    /// Releases the instances, with their memory, that no command has used since the previous call.
    pub(in crate::pipeline) fn rest(&mut self) {
        self.settle();
        let reader = &self.reader;
        self.seats.retain(|_, seat| {
            let was_used = std::mem::take(&mut seat.was_used);
            if !was_used {
                seat.save_all(reader);
            }
            was_used
        });
        self.kept.age();
    }

    pub(in crate::pipeline) fn has_seat(&self, address: usize) -> bool {
        self.seats.contains_key(&address)
    }

    /// Whether the worker holds no instance that it could release.
    pub(in crate::pipeline) fn is_at_rest(&self) -> bool {
        self.seats.is_empty() && self.kept.is_empty()
    }

    pub(super) fn warm(&mut self, target: &Target, active: &Arc<Active>, command: &Command) -> Result<Warm, FoldError> {
        loop {
            match self.taken(target, active, command) {
                Ok(warm) => return Ok(warm),
                Err(TakeError::Fold(error)) => return Err(error),
                // The next round builds the state again, and a state that was just built needs no saving.
                Err(TakeError::Saving(error)) if overran_slice(&error.kind, &limits_of(target)) => {
                    return Err(error.into());
                }
                Err(TakeError::Saving(_)) => {
                    self.metrics.faulted();
                    self.give_up(address_of(&target.domain));
                }
            }
        }
    }

    fn taken(&mut self, target: &Target, active: &Arc<Active>, command: &Command) -> Result<Warm, TakeError> {
        let address = address_of(&target.domain);
        let limits = share_of((self.allowance)(&limits_of(target)), self.worker_count);
        let owner = (target.admission.tenant(), &target.domain);
        if self.seats.get(&address).is_none_or(|seat| !seat.suits(active, &limits)) {
            self.take_ready(owner, active);
        }
        if self.seats.get(&address).is_some_and(|seat| !seat.suits(active, &limits)) {
            self.give_up(address);
        }
        if !self.seats.contains_key(&address) {
            let seat = self.new_seat(owner, active, limits).map_err(|error| TakeError::Fold(error.into()))?;
            self.seats.insert(address, seat);
        }
        let durable = self.undurable.durable();
        let seat = self.seats.get_mut(&address).expect("put there above when it was missing");
        seat.take(&self.reader, durable, target.key, &command.aggregate, &command.aggregate_id)
    }

    /// Creates a seat. When the host has no memory left for it, releases seats first, least recently used first.
    fn new_seat(
        &mut self,
        owner: (&Arc<Tenant>, &Arc<Domain>),
        active: &Arc<Active>,
        limits: Limits,
    ) -> Result<Seat, CallError> {
        loop {
            match Seat::new(owner, active, limits) {
                Err(error) if error.host_memory().is_some() && self.give_memory_back() => {}
                made => return made,
            }
        }
    }

    /// Like [`give_own_memory_back`](Self::give_own_memory_back). If this worker holds no memory, it asks the others to
    /// release some, which helps the next command.
    pub(super) fn give_memory_back(&mut self) -> bool {
        let had_any = self.give_own_memory_back();
        if !had_any {
            self.peers.ask_for_memory(self.number);
        }
        had_any
    }

    /// Releases unused guest memory: the seats kept of former revisions, else the least recently used seat. Returns
    /// whether there was any.
    pub(in crate::pipeline) fn give_own_memory_back(&mut self) -> bool {
        if self.kept.clear() {
            return true;
        }
        let oldest = self.seats.iter().min_by_key(|(_, seat)| seat.used).map(|(&address, _)| address);
        oldest.into_iter().for_each(|address| self.leave(address));
        oldest.is_some()
    }

    pub(super) fn seat(&mut self, target: &Target) -> &mut Seat {
        self.seats.get_mut(&address_of(&target.domain)).expect("a warm state was taken out of it")
    }

    pub(super) fn put_back(&mut self, decided_on: DecidedOn) {
        let DecidedOn { domain, key, warm, sample } = decided_on;
        let address = address_of(&domain);
        self.commands += 1;
        let seat = self.seats.get_mut(&address).expect("the warm state was taken out of it");
        if seat.calls_unreported == 0 {
            self.unreported.push(address);
        }
        let state = sample.as_ref().map(|_| seat.inspected(&warm)).transpose();
        let upkeep = seat.put(key, warm, self.commands);
        let sample = match state {
            Ok(state) => sample.map(|sample| Sample { state: state.flatten(), ..*sample }),
            Err(error) => return self.could_not_put_away(address, &domain, &error),
        };
        let (sample, audited_now) = match sample {
            Some(sample) if self.number.is_some() && seat.is_audited_now(&sample) => (None, Some(sample)),
            sample => (sample, None),
        };
        self.samples.extend(sample);
        match upkeep {
            Upkeep::Nothing => {}
            Upkeep::Check => self.hold_to_share(address),
            Upkeep::Replace => {
                tracing::info!(domain = %domain.name, "the guest's memory is nearly full; its states are rebuilt");
                self.leave(address);
            }
        }
        // This is the last step, because it may drop all states.
        audited_now.into_iter().for_each(|sample| self.audit_now(sample));
    }

    /// Audits a sample on this thread. On a busy machine the audit's own thread may not run for a thousand commands.
    fn audit_now(&mut self, sample: Sample) {
        self.settle();
        if let Some(audit) = self.audit.as_ref().filter(|_| self.appender.trouble().is_none()) {
            let limits = (self.allowance)(&sample.limits);
            audit.run_now(Box::new(sample), &self.reader, &limits);
        }
    }

    /// Evicts the states and seats with which a tenant exceeds its share of guest memory, least recently used first.
    /// The seat in use stays.
    fn hold_to_share(&mut self, address: usize) {
        let seat = &self.seats[&address];
        let (tenant, share) = (Arc::clone(&seat.tenant), *seat.limits());
        let in_use = || {
            let own = self.seats.values().filter(|seat| Arc::ptr_eq(&seat.tenant, &tenant));
            own.map(Seat::keeps).fold((0, 0), |(states, bytes), more| (states + more.0, bytes + more.1))
        };
        self.kept.hold_to_share(&tenant, in_use, &share);
        let (states, memory_bytes) = in_use();
        let own = || self.seats.iter().filter(|(_, seat)| Arc::ptr_eq(&seat.tenant, &tenant));
        if memory_bytes > share.guest_memory_bytes_max {
            let others = own().filter(|(other, _)| **other != address);
            if let Some((&oldest, _)) = others.min_by_key(|(_, seat)| seat.used) {
                return self.leave(oldest);
            }
        }
        let leaving = states_leaving(states, &share);
        if leaving == 0 {
            return;
        }
        let durable = self.undurable.durable();
        let mut ages: Vec<_> = own()
            .flat_map(|(address, seat)| seat.states.ages(durable).map(|(used, key)| (used, *address, key)))
            .collect();
        if ages.len() > leaving {
            ages.select_nth_unstable(leaving);
            ages.truncate(leaving);
        }
        for (_, address, key) in ages {
            let Some(seat) = self.seats.get_mut(&address) else { continue };
            if let Err(error) = seat.evict(&self.reader, key) {
                let domain = Arc::clone(seat.domain());
                self.could_not_put_away(address, &domain, &error);
            }
        }
    }

    /// Saves a seat's states and releases it.
    pub(super) fn leave(&mut self, address: usize) {
        self.settle();
        if let Some(mut seat) = self.seats.remove(&address) {
            seat.save_all(&self.reader);
        }
    }

    fn could_not_put_away(&mut self, address: usize, domain: &Domain, error: &CallError) {
        tracing::warn!(domain = %domain.name, %error, "a state could not be put back or saved; all states of the domain are rebuilt");
        if let CallErrorKind::OutOfFuel { .. } | CallErrorKind::OutOfTime { .. } = error.kind {
            domain.conduct.overran();
        }
        self.give_up(address);
    }

    /// Switches to the states that were made ready for the domain's new revision, if there are any.
    pub(in crate::pipeline) fn switch(&mut self, (tenant, domain): (&Arc<Tenant>, &Arc<Domain>)) {
        self.take_ready((tenant, domain), &domain.active());
    }

    fn take_ready(&mut self, (tenant, domain): (&Arc<Tenant>, &Arc<Domain>), active: &Arc<Active>) {
        let Some(ready) = self.number.and_then(|number| active.ready.take(number)) else { return };
        // The decisions of the former revision must be in the journal, where states that are behind read them.
        self.settle();
        let address = address_of(domain);
        let before = self.seats.remove(&address);
        self.seats.insert(address, Seat::from_ready((tenant, domain), active, ready, before.as_ref()));
        let position = self.reader.last_position(&tenant.name);
        let before = before.filter(|before| before.states.revision != active.revision);
        self.kept.replace(address, before, position);
    }

    /// The seat kept of this revision, with the position up to which it is current.
    pub(in crate::pipeline) fn reclaim(
        &mut self,
        domain: &Arc<Domain>,
        revision: Revision,
    ) -> Option<(ReadySeat, Position)> {
        self.kept.reclaim(address_of(domain), revision)
    }

    /// Drops a seat with all its states. Their decisions stand, and are made durable first, because the states are
    /// rebuilt from the journal.
    pub(in crate::pipeline) fn give_up(&mut self, address: usize) {
        self.settle();
        self.seats.remove(&address);
    }
}
