//! The instances of a worker that are resident in memory, with the states they hold: taken for a command, put back
//! after it, limited to the tenant's share, saved and given back.

use super::*;

impl Worker {
    /// Saves the states that are worth it before the thread ends, so that the next start need not rebuild them.
    pub(in crate::write) fn save_all(&mut self) {
        self.settle();
        for resident in self.residents.values_mut() {
            resident.save_all(&self.reader);
        }
    }

    /// Releases the instances, with their memory, that no command has used since the previous call.
    pub(in crate::write) fn rest(&mut self) {
        self.settle();
        let reader = &self.reader;
        self.residents.retain(|_, resident| {
            let was_used = std::mem::take(&mut resident.was_used);
            if !was_used {
                resident.save_all(reader);
            }
            was_used
        });
        self.kept.age();
    }

    pub(in crate::write) fn has_resident(&self, address: usize) -> bool {
        self.residents.contains_key(&address)
    }

    /// Whether the worker holds no instance that it could release.
    pub(in crate::write) fn is_at_rest(&self) -> bool {
        self.residents.is_empty() && self.kept.is_empty()
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
        if self.residents.get(&address).is_none_or(|resident| !resident.suits(active, &limits)) {
            self.take_ready(owner, active);
        }
        if self.residents.get(&address).is_some_and(|resident| !resident.suits(active, &limits)) {
            self.give_up(address);
        }
        if !self.residents.contains_key(&address) {
            let resident = self.new_resident(owner, active, limits).map_err(|error| TakeError::Fold(error.into()))?;
            self.residents.insert(address, resident);
        }
        let durable = self.undurable.durable();
        let resident = self.residents.get_mut(&address).expect("put there above when it was missing");
        resident.take(&self.reader, durable, target.key, &command.aggregate, &command.aggregate_id)
    }

    /// Creates a resident. When the host has no memory left for it, releases residents first, least recently used
    /// first.
    fn new_resident(
        &mut self,
        owner: (&Arc<Tenant>, &Arc<Domain>),
        active: &Arc<Active>,
        limits: Limits,
    ) -> Result<ResidentInstance, CallError> {
        loop {
            match ResidentInstance::new(owner, active, limits) {
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

    /// Releases unused guest memory: the residents kept of former revisions, else the least recently used resident.
    /// Returns whether there was any.
    pub(in crate::write) fn give_own_memory_back(&mut self) -> bool {
        if self.kept.clear() {
            return true;
        }
        let oldest = self.residents.iter().min_by_key(|(_, resident)| resident.used).map(|(&address, _)| address);
        oldest.into_iter().for_each(|address| self.leave(address));
        oldest.is_some()
    }

    pub(super) fn resident(&mut self, target: &Target) -> &mut ResidentInstance {
        self.residents.get_mut(&address_of(&target.domain)).expect("a warm state was taken out of it")
    }

    pub(super) fn put_back(&mut self, state_after: StateAfter) {
        let StateAfter { domain, key, warm, sample } = state_after;
        let address = address_of(&domain);
        self.commands += 1;
        let resident = self.residents.get_mut(&address).expect("the warm state was taken out of it");
        if resident.calls_unreported == 0 {
            self.unreported.push(address);
        }
        let state = sample.as_ref().map(|_| resident.inspected(&warm)).transpose();
        let upkeep = resident.put(key, warm, self.commands);
        let sample = match state {
            Ok(state) => sample.map(|sample| Sample { state: state.flatten(), ..*sample }),
            Err(error) => return self.could_not_put_away(address, &domain, &error),
        };
        let (sample, audited_now) = match sample {
            Some(sample) if self.number.is_some() && resident.is_audited_now(&sample) => (None, Some(sample)),
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

    /// Evicts the states and residents with which a tenant exceeds its share of guest memory, least recently used
    /// first. The resident in use stays.
    fn hold_to_share(&mut self, address: usize) {
        let resident = &self.residents[&address];
        let (tenant, share) = (Arc::clone(&resident.tenant), *resident.limits());
        let in_use = || {
            let own = self.residents.values().filter(|resident| Arc::ptr_eq(&resident.tenant, &tenant));
            own.map(ResidentInstance::keeps).fold((0, 0), |(states, bytes), more| (states + more.0, bytes + more.1))
        };
        self.kept.hold_to_share(&tenant, in_use, &share);
        let (states, memory_bytes) = in_use();
        let own = || self.residents.iter().filter(|(_, resident)| Arc::ptr_eq(&resident.tenant, &tenant));
        if memory_bytes > share.guest_memory_bytes_max {
            let others = own().filter(|(other, _)| **other != address);
            if let Some((&oldest, _)) = others.min_by_key(|(_, resident)| resident.used) {
                return self.leave(oldest);
            }
        }
        let leaving = states_leaving(states, &share);
        if leaving == 0 {
            return;
        }
        let durable = self.undurable.durable();
        let mut ages: Vec<_> = own()
            .flat_map(|(address, resident)| resident.states.ages(durable).map(|(used, key)| (used, *address, key)))
            .collect();
        if ages.len() > leaving {
            ages.select_nth_unstable(leaving);
            ages.truncate(leaving);
        }
        for (_, address, key) in ages {
            let Some(resident) = self.residents.get_mut(&address) else { continue };
            if let Err(error) = resident.evict(&self.reader, key) {
                let domain = Arc::clone(resident.domain());
                self.could_not_put_away(address, &domain, &error);
            }
        }
    }

    /// Saves a resident's states and releases it.
    pub(super) fn leave(&mut self, address: usize) {
        self.settle();
        if let Some(mut resident) = self.residents.remove(&address) {
            resident.save_all(&self.reader);
        }
    }

    fn could_not_put_away(&mut self, address: usize, domain: &Domain, error: &CallError) {
        tracing::warn!(domain = %domain.name, %error, "a state could not be put back or saved; all states of the domain are rebuilt");
        if let CallErrorKind::OutOfFuel { .. } | CallErrorKind::OutOfTime { .. } = error.kind {
            domain.lane_policy.overran();
        }
        self.give_up(address);
    }

    /// Switches to the states that were made ready for the domain's new revision, if there are any.
    pub(in crate::write) fn switch(&mut self, (tenant, domain): (&Arc<Tenant>, &Arc<Domain>)) {
        self.take_ready((tenant, domain), &domain.active());
    }

    fn take_ready(&mut self, (tenant, domain): (&Arc<Tenant>, &Arc<Domain>), active: &Arc<Active>) {
        let take = |number| self.prepared.take(&tenant.name, &domain.name, active.revision, number);
        let Some(ready) = self.number.and_then(take) else { return };
        // The decisions of the former revision must be in the journal, where states that are behind read them.
        self.settle();
        let address = address_of(domain);
        let before = self.residents.remove(&address);
        self.residents.insert(address, ResidentInstance::from_ready((tenant, domain), active, ready, before.as_ref()));
        let position = self.reader.last_position(&tenant.name);
        let before = before.filter(|before| before.states.revision != active.revision);
        self.kept.replace(address, before, position);
    }

    /// The resident kept of this revision, with the position up to which it is current.
    pub(in crate::write) fn reclaim(
        &mut self,
        domain: &Arc<Domain>,
        revision: Revision,
    ) -> Option<(PreparedInstance, Position)> {
        self.kept.reclaim(address_of(domain), revision)
    }

    /// Drops a resident with all its states. Their decisions stand, and are made durable first, because the states are
    /// rebuilt from the journal.
    pub(in crate::write) fn give_up(&mut self, address: usize) {
        self.settle();
        self.residents.remove(&address);
    }
}
