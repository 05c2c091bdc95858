//! The write side: states, and the commands that change them.

use polder_core::Reason;

use super::Instance;
use crate::answers::{self, GuestNewEvent};
use crate::bindings::wire::{Command, Event};
use crate::call_error::{CallError, CallErrorKind};
use crate::handles::StateHandle;

impl Instance {
    /// The state of an aggregate before its first event.
    pub fn start(&mut self, aggregate: &str, id: &str) -> Result<StateHandle, CallError> {
        let index = self.aggregate(aggregate)?;
        let answer = self.call(|store, guest| guest.polder_domain_aggregates().call_start(store, aggregate, id))?;
        let resource = answer.map_err(|fault| self.fault(fault))?;
        Ok(StateHandle { handle: self.handle_of(resource), aggregate: index })
    }

    /// The state from bytes that [`save`](Self::save) of the same revision returned.
    pub fn load(&mut self, aggregate: &str, id: &str, saved: &[u8]) -> Result<StateHandle, CallError> {
        let index = self.aggregate(aggregate)?;
        let answer =
            self.call(|store, guest| guest.polder_domain_aggregates().call_load(store, aggregate, id, saved))?;
        let resource = answer.map_err(|fault| self.fault(fault))?;
        Ok(StateHandle { handle: self.handle_of(resource), aggregate: index })
    }

    /// The state after `events`, which follow the events it contains. After an error the state is lost.
    pub fn evolve(&mut self, state: StateHandle, events: &[Event<'_>]) -> Result<StateHandle, CallError> {
        let before = self.resource(&state.handle)?;
        let answer = self.call(|store, guest| guest.polder_domain_aggregates().call_evolve(store, before, events))?;
        let resource = answer.map_err(|fault| self.fault(fault))?;
        Ok(StateHandle { handle: self.handle_of(resource), ..state })
    }

    /// The domain's decision, and the state including the new events. After an error the state is lost.
    pub fn handle(
        &mut self,
        state: StateHandle,
        command: &Command<'_>,
    ) -> Result<(StateHandle, Result<Vec<GuestNewEvent>, Reason>), CallError> {
        let before = self.resource(&state.handle)?;
        let answer = self.call(|store, guest| guest.polder_domain_aggregates().call_handle(store, before, *command))?;
        let (after, decision) = answer.map_err(|fault| self.fault(fault))?;
        let decision = match decision {
            Ok(events) => {
                answers::new_events(events, self.loaded.catalog().events(state.aggregate), &self.limits).map(Ok)
            }
            Err(rejection) => answers::reason(rejection).map(Err),
        };
        match decision {
            Ok(decision) => Ok((StateHandle { handle: self.handle_of(after), ..state }, decision)),
            Err(problem) => Err(self.failed_with(after, problem)),
        }
    }

    /// The state as bytes that [`load`](Self::load) reads.
    pub fn save(&mut self, state: &StateHandle) -> Result<Vec<u8>, CallError> {
        let resource = self.resource(&state.handle)?;
        let answer = self.call(|store, guest| guest.polder_domain_aggregates().state().call_save(store, resource))?;
        let saved = answer.map_err(|fault| self.fault(fault))?;
        answers::saved_state(saved, &self.limits).map_err(|problem| self.failed(problem))
    }

    /// The state as JSON.
    pub fn inspect(&mut self, state: &StateHandle) -> Result<String, CallError> {
        let resource = self.resource(&state.handle)?;
        let answer =
            self.call(|store, guest| guest.polder_domain_aggregates().state().call_inspect(store, resource))?;
        let text = answer.map_err(|fault| self.fault(fault))?;
        let numbers = &self.loaded.catalog().events(state.aggregate).state;
        answers::inspected(text, &self.limits, numbers).map_err(|problem| self.failed(problem))
    }

    /// Frees the state in the guest's memory.
    pub fn discard(&mut self, state: StateHandle) -> Result<(), CallError> {
        let resource = self.resource(&state.handle)?;
        self.drop_resource(resource)
    }

    fn aggregate(&self, name: &str) -> Result<usize, CallError> {
        self.loaded.catalog().find(name).ok_or_else(|| CallError {
            kind: CallErrorKind::Fault(format!("its descriptor lists no aggregate {name:?}")),
            instance_lost: false,
            notes: Vec::new(),
        })
    }
}
