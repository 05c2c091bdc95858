//! Implements [`Rules`] with a component in the sandbox.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use polder_core::{Descriptor, Limits, Revision};
use polder_sandbox::{CallError, Component, GuestCommand, GuestEvent, Instance, StateHandle};

use super::note_log::NoteLog;
use super::rules::{DecidedEvent, Handled, Rules, RulesInstance, StateSlot};

pub(crate) struct GuestRules {
    component: Arc<Component>,
    notes: Arc<NoteLog>,
}

impl GuestRules {
    /// `notes` receives the guest's notes.
    pub(crate) fn new(component: Arc<Component>, notes: Arc<NoteLog>) -> Self {
        Self { component, notes }
    }
}

impl Rules for GuestRules {
    fn revision(&self) -> Revision {
        self.component.revision
    }

    fn descriptor(&self) -> &Descriptor {
        &self.component.descriptor
    }

    fn instantiate(&self, limits: &Limits) -> Result<Box<dyn RulesInstance>, CallError> {
        let (instance, notes) = (self.component.instantiate(limits)?, Arc::clone(&self.notes));
        Ok(Box::new(GuestInstance { instance, notes, states: Vec::new(), free: Vec::new() }))
    }

    fn code_bytes(&self) -> u64 {
        self.component.code_bytes()
    }
}

/// Numbers the sandbox's handles, so that the pipeline need not know what a handle is.
struct GuestInstance {
    instance: Instance,
    notes: Arc<NoteLog>,
    states: Vec<Option<StateHandle>>,
    free: Vec<u32>,
}

impl GuestInstance {
    fn keep(&mut self, handle: StateHandle) -> StateSlot {
        match self.free.pop() {
            Some(number) => {
                self.states[number as usize] = Some(handle);
                StateSlot(number)
            }
            None => {
                self.states.push(Some(handle));
                StateSlot(u32::try_from(self.states.len() - 1).expect("limits keep states far below 4 billion"))
            }
        }
    }

    fn release(&mut self, slot: &StateSlot) -> StateHandle {
        self.free.push(slot.0);
        self.states[slot.0 as usize].take().expect("a slot is released once: it is not Clone")
    }
}

impl RulesInstance for GuestInstance {
    fn start(&mut self, aggregate: &str, id: &str) -> Result<StateSlot, CallError> {
        let handle = self.instance.start(aggregate, id)?;
        Ok(self.keep(handle))
    }

    fn load(&mut self, aggregate: &str, id: &str, saved: &[u8]) -> Result<StateSlot, CallError> {
        let handle = self.instance.load(aggregate, id, saved)?;
        Ok(self.keep(handle))
    }

    fn evolve(&mut self, state: StateSlot, events: &[GuestEvent<'_>]) -> Result<StateSlot, CallError> {
        let handle = self.release(&state);
        let next = self.instance.evolve(handle, events)?;
        Ok(self.keep(next))
    }

    fn handle(&mut self, state: StateSlot, command: &GuestCommand<'_>) -> Result<Handled, CallError> {
        let handle = self.release(&state);
        let (next, decision) = self.instance.handle(handle, command)?;
        let notes = self.instance.take_notes();
        if !notes.is_empty() {
            self.notes.log(notes);
        }
        let event = |event: polder_sandbox::GuestNewEvent| DecidedEvent {
            name: event.name,
            version: event.version,
            payload: event.payload,
        };
        let decision = decision.map(|events| events.into_iter().map(event).collect());
        Ok(Handled { state: self.keep(next), decision })
    }

    fn save(&mut self, state: &StateSlot) -> Result<Vec<u8>, CallError> {
        let handle = self.states[state.0 as usize].as_ref().expect("a slot that exists has its handle");
        self.instance.save(handle)
    }

    fn inspect(&mut self, state: &StateSlot) -> Result<String, CallError> {
        let handle = self.states[state.0 as usize].as_ref().expect("a slot that exists has its handle");
        self.instance.inspect(handle)
    }

    fn discard(&mut self, state: StateSlot) -> Result<(), CallError> {
        let handle = self.release(&state);
        self.instance.discard(handle)
    }

    fn memory_bytes(&self) -> u64 {
        self.instance.memory_bytes()
    }

    fn end_when(&mut self, is_gone: Arc<AtomicBool>) {
        self.instance.end_when(is_gone);
    }
}
