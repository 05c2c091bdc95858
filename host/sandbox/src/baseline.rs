//! Measures the minimum cost of calling a component: wasmtime with default settings and nothing of this crate around
//! it. There is no fuel, no deadline, no limits, no check of answers. Only benchmarks use this; they print it beside
//! the sandbox's own times.

use wasmtime::component::{Linker, ResourceAny};
use wasmtime::{Config, Engine, Store, StoreContextMut};

use crate::bindings::Domain;
use crate::diagnostics::DIAGNOSTICS;
use crate::refusal::Refusal;
use crate::{GuestCommand, admission};

/// One instance with its store.
pub struct BareGuest {
    store: Store<()>,
    guest: Domain,
}

/// A state in the guest's memory.
pub struct BareState(ResourceAny);

/// The component cannot be run in this way, or a call returned no events.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BareError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("wasmtime: {0}")]
    Wasmtime(String),
    #[error("the guest returned an error: {0}")]
    Guest(String),
}

impl From<wasmtime::Error> for BareError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasmtime(format!("{error:#}"))
    }
}

impl BareGuest {
    /// Compiles and instantiates a component.
    ///
    /// # Errors
    /// Fails if the bytes are not a component of a domain.
    pub fn new(component: &[u8]) -> Result<Self, BareError> {
        let mut config = Config::new();
        // Guests never wait, and with concurrency support every call would be slower.
        config.concurrency_support(false);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        // Notes are dropped.
        let note = |_: StoreContextMut<'_, ()>, _: (u8, String)| Ok(());
        linker.instance(DIAGNOSTICS)?.func_wrap("note", note)?;
        let code = wasmtime::component::Component::from_binary(&engine, &admission::component(component)?)?;
        let mut store = Store::new(&engine, ());
        let guest = Domain::instantiate(&mut store, &code, &linker)?;
        Ok(Self { store, guest })
    }

    /// The state of an aggregate before its first event.
    ///
    /// # Errors
    /// Fails if the guest has no such aggregate, or traps.
    pub fn start(&mut self, aggregate: &str, id: &str) -> Result<BareState, BareError> {
        let started = self.guest.polder_domain_aggregates().call_start(&mut self.store, aggregate, id)?;
        started.map(BareState).map_err(|fault| BareError::Guest(fault.message))
    }

    /// The state after the command.
    ///
    /// # Errors
    /// Fails if the command is rejected, or the guest traps.
    pub fn handle(&mut self, state: BareState, command: &GuestCommand<'_>) -> Result<BareState, BareError> {
        let guest = self.guest.polder_domain_aggregates();
        let handled = guest.call_handle(&mut self.store, state.0, *command)?;
        let (after, decision) = handled.map_err(|fault| BareError::Guest(fault.message))?;
        decision.map_err(|rejection| BareError::Guest(rejection.message))?;
        Ok(BareState(after))
    }
}
