//! What the pipeline needs of a domain's rules, whoever runs them: a component in the sandbox, or native code as the
//! floor that benchmarks compare with.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use polder_core::{Descriptor, EventName, Limits, Reason, Revision};
use polder_sandbox::{CallError, GuestCommand, GuestEvent};

/// One revision of a domain's write side.
pub trait Rules: Send + Sync {
    fn revision(&self) -> Revision;
    fn descriptor(&self) -> &Descriptor;
    fn instantiate(&self, limits: &Limits) -> Result<Box<dyn RulesInstance>, CallError>;
}

/// A state inside one instance. Using it up or losing it is the caller's to track: after an error it is gone.
#[derive(Debug, PartialEq, Eq)]
pub struct StateSlot(pub u32);

/// Events that a decision asks to record.
#[derive(Debug, Clone)]
pub struct DecidedEvent {
    pub name: EventName,
    pub version: u32,
    pub payload: Vec<u8>,
}

/// Runs the rules and keeps the states; used by one thread at a time.
pub trait RulesInstance: Send {
    fn start(&mut self, aggregate: &str, id: &str) -> Result<StateSlot, CallError>;
    fn load(&mut self, aggregate: &str, id: &str, saved: &[u8]) -> Result<StateSlot, CallError>;
    fn evolve(&mut self, state: StateSlot, events: &[GuestEvent<'_>]) -> Result<StateSlot, CallError>;
    fn handle(&mut self, state: StateSlot, command: &GuestCommand<'_>) -> Result<Handled, CallError>;
    fn save(&mut self, state: &StateSlot) -> Result<Vec<u8>, CallError>;
    fn inspect(&mut self, state: &StateSlot) -> Result<String, CallError>;
    fn discard(&mut self, state: StateSlot) -> Result<(), CallError>;
    fn memory_bytes(&self) -> u64;

    /// Ends a call under way once this is true: nobody waits for its answer. Native rules are not ended.
    fn end_when(&mut self, _is_gone: Arc<AtomicBool>) {}
}

/// The next state, and what the domain decided.
#[derive(Debug)]
pub struct Handled {
    pub state: StateSlot,
    pub decision: Result<Vec<DecidedEvent>, Reason>,
}
