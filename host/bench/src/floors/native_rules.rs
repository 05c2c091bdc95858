//! The same rules without the sandbox, through the same pipeline. This floor shows the cost of the sandbox.

use polder_core::{Descriptor, EventName, Limits, Reason, Revision};
use polder_engine::{DecidedEvent, Handled, Rules, RulesInstance, StateSlot};
use polder_sandbox::{CallError, CallErrorKind, GuestCommand, GuestEvent};
use polder_sdk::{CommandRef, EventRef, Fault, Refused, State};

pub(crate) struct NativeRules {
    descriptor: Descriptor,
}

impl NativeRules {
    pub(crate) fn orders() -> anyhow::Result<Self> {
        Ok(Self { descriptor: Descriptor::parse(orders::domain().describe())? })
    }
}

impl Rules for NativeRules {
    fn revision(&self) -> Revision {
        Revision::of(b"native orders")
    }

    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn instantiate(&self, _limits: &Limits) -> Result<Box<dyn RulesInstance>, CallError> {
        let names =
            self.descriptor.aggregates.values().flat_map(|aggregate| aggregate.events.keys().cloned()).collect();
        Ok(Box::new(NativeInstance { names, states: Vec::new(), free: Vec::new() }))
    }
}

struct NativeInstance {
    names: Vec<EventName>,
    states: Vec<Option<State>>,
    free: Vec<u32>,
}

impl NativeInstance {
    fn keep(&mut self, state: State) -> StateSlot {
        let number = self.free.pop().unwrap_or_else(|| {
            self.states.push(None);
            (self.states.len() - 1) as u32
        });
        self.states[number as usize] = Some(state);
        StateSlot(number)
    }

    fn state(&mut self, slot: &StateSlot) -> &mut State {
        self.states[slot.0 as usize].as_mut().expect("a slot that exists has its state")
    }
}

impl RulesInstance for NativeInstance {
    fn start(&mut self, aggregate: &str, id: &str) -> Result<StateSlot, CallError> {
        let state = orders::domain().start(aggregate, id).map_err(fault)?;
        Ok(self.keep(state))
    }

    fn load(&mut self, aggregate: &str, id: &str, saved: &[u8]) -> Result<StateSlot, CallError> {
        let state = orders::domain().load(aggregate, id, saved).map_err(fault)?;
        Ok(self.keep(state))
    }

    fn evolve(&mut self, slot: StateSlot, events: &[GuestEvent<'_>]) -> Result<StateSlot, CallError> {
        let events: Vec<EventRef<'_>> = events.iter().map(event_ref).collect();
        self.state(&slot).evolve(&events).map_err(fault)?;
        Ok(slot)
    }

    fn handle(&mut self, slot: StateSlot, command: &GuestCommand<'_>) -> Result<Handled, CallError> {
        let command = CommandRef {
            id: command.id,
            name: command.name,
            payload: command.payload,
            at_ms: command.at_ms,
            actor: command.actor,
        };
        let decision = match self.state(&slot).handle(&command) {
            Ok(events) => Ok(events),
            Err(Refused::Rejected(rejected)) => {
                Err(Reason { code: rejected.code.into_owned(), message: rejected.message })
            }
            Err(Refused::Fault(error)) => return Err(fault(error)),
        };
        let name = |name: &str| self.names.iter().find(|known| known.as_str() == name).expect("described").clone();
        let event = |event: polder_sdk::NewEvent| DecidedEvent {
            name: name(event.name),
            version: event.version,
            payload: event.payload,
        };
        Ok(Handled { state: slot, decision: decision.map(|events| events.into_iter().map(event).collect()) })
    }

    fn save(&mut self, slot: &StateSlot) -> Result<Vec<u8>, CallError> {
        self.state(slot).save().map_err(fault)
    }

    fn inspect(&mut self, slot: &StateSlot) -> Result<String, CallError> {
        self.state(slot).inspect().map_err(fault)
    }

    fn discard(&mut self, slot: StateSlot) -> Result<(), CallError> {
        self.states[slot.0 as usize] = None;
        self.free.push(slot.0);
        Ok(())
    }

    fn memory_bytes(&self) -> u64 {
        0
    }
}

fn event_ref<'a>(event: &GuestEvent<'a>) -> EventRef<'a> {
    EventRef {
        position: event.position,
        aggregate: event.aggregate,
        aggregate_id: event.aggregate_id,
        sequence: event.sequence,
        name: event.name,
        version: event.version,
        payload: event.payload,
        at_ms: event.at_ms,
    }
}

fn fault(error: Fault) -> CallError {
    CallError { kind: CallErrorKind::Fault(error.message), instance_lost: false, notes: Vec::new() }
}
