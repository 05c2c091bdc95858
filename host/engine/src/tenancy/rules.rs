//! The pipeline's interface to a domain's rules. They run as a component in the sandbox, or as native code that
//! benchmarks compare with.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use polder_core::{Descriptor, EventName, Limits, Reason, Revision};
use polder_sandbox::{CallError, GuestCommand, GuestEvent};

/// One revision of a domain's write side.
pub trait Rules: Send + Sync {
    fn revision(&self) -> Revision;
    fn descriptor(&self) -> &Descriptor;
    fn instantiate(&self, limits: &Limits) -> Result<Box<dyn RulesInstance>, CallError>;

    /// Size of the machine code that is loaded for these rules, in bytes. Native rules are a part of the program.
    fn code_bytes(&self) -> u64 {
        0
    }
}

/// A state inside one instance. After an error in a call with the state, it is lost; the caller must keep track of
/// that.
#[derive(Debug, PartialEq, Eq)]
pub struct StateSlot(pub u32);

/// An event that a decision asks to record.
#[derive(Debug, Clone)]
pub struct DecidedEvent {
    pub name: EventName,
    pub version: u32,
    pub payload: Vec<u8>,
}

/// Runs the rules and keeps the states. One thread at a time uses it.
pub trait RulesInstance: Send {
    fn start(&mut self, aggregate: &str, id: &str) -> Result<StateSlot, CallError>;
    fn load(&mut self, aggregate: &str, id: &str, saved: &[u8]) -> Result<StateSlot, CallError>;
    fn evolve(&mut self, state: StateSlot, events: &[GuestEvent<'_>]) -> Result<StateSlot, CallError>;
    fn handle(&mut self, state: StateSlot, command: &GuestCommand<'_>) -> Result<Handled, CallError>;
    fn save(&mut self, state: &StateSlot) -> Result<Vec<u8>, CallError>;
    fn inspect(&mut self, state: &StateSlot) -> Result<String, CallError>;
    fn discard(&mut self, state: StateSlot) -> Result<(), CallError>;
    fn memory_bytes(&self) -> u64;

    /// Ends a running call once the flag is set, because its caller is gone. Native rules ignore the flag.
    fn end_when(&mut self, _is_gone: Arc<AtomicBool>) {}
}

/// The next state, with the domain's decision.
#[derive(Debug)]
pub struct Handled {
    pub state: StateSlot,
    pub decision: Result<Vec<DecidedEvent>, Reason>,
}
