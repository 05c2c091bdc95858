//! One of the two revisions that a replay compares: an instance, with the states that it has folded so far.

use std::collections::HashMap;
use std::sync::Arc;

use polder_core::Limits;
use polder_journal::{AggregateKey, BuildDigestHasher};
use polder_sandbox::{CallError, GuestEvent};

use crate::folding::EVENTS_PER_CALL;
use crate::tenancy::{Rules, RulesInstance, StateSlot};

pub(super) struct Side {
    rules: Arc<dyn Rules>,
    limits: Limits,
    instance: Option<Box<dyn RulesInstance>>,
    states: HashMap<AggregateKey, StateSlot, BuildDigestHasher>,
}

impl Side {
    pub(super) fn new(rules: Arc<dyn Rules>, limits: Limits) -> Self {
        Self { rules, limits, instance: None, states: HashMap::default() }
    }

    pub(super) fn rules(&self) -> &Arc<dyn Rules> {
        &self.rules
    }

    /// Folds the next events of an aggregate. On an error its state is lost; if the instance is lost, all states are.
    pub(super) fn fold(
        &mut self,
        key: AggregateKey,
        (aggregate, id): (&str, &str),
        events: &[GuestEvent<'_>],
    ) -> Result<(), CallError> {
        let folded = self.try_fold(key, (aggregate, id), events);
        if folded.as_ref().is_err_and(|error| error.instance_lost) {
            self.clear();
        }
        folded
    }

    fn try_fold(
        &mut self,
        key: AggregateKey,
        (aggregate, id): (&str, &str),
        events: &[GuestEvent<'_>],
    ) -> Result<(), CallError> {
        let held = self.states.remove(&key);
        let instance = self.instance()?;
        let mut state = match held {
            Some(state) => state,
            None => instance.start(aggregate, id)?,
        };
        for chunk in events.chunks(EVENTS_PER_CALL) {
            state = instance.evolve(state, chunk)?;
        }
        self.states.insert(key, state);
        Ok(())
    }

    /// The aggregate's state as JSON. `None` if this side has no state of the aggregate.
    pub(super) fn inspect(&mut self, key: AggregateKey) -> Option<Result<String, CallError>> {
        let state = self.states.get(&key)?;
        let inspected = self.instance.as_mut()?.inspect(state);
        if inspected.as_ref().is_err_and(|error| error.instance_lost) {
            self.clear();
        }
        Some(inspected)
    }

    /// Frees the memory of the aggregate's state.
    pub(super) fn discard(&mut self, key: AggregateKey) {
        if let (Some(state), Some(instance)) = (self.states.remove(&key), &mut self.instance)
            && instance.discard(state).is_err()
        {
            // The instance has failed, and its states are lost. They are folded again when they are needed.
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.states.clear();
        self.instance = None;
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.instance.as_ref().map_or(0, |instance| instance.memory_bytes())
    }

    fn instance(&mut self) -> Result<&mut Box<dyn RulesInstance>, CallError> {
        if self.instance.is_none() {
            self.instance = Some(self.rules.instantiate(&self.limits)?);
        }
        Ok(self.instance.as_mut().expect("made above when there was none"))
    }
}
