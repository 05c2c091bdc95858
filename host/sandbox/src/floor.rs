//! The least a call of a component can cost: wasmtime as it comes, with nothing of this crate around it. No fuel, no deadline, no limits,
//! no check of what is answered. Benchmarks print it beside what the sandbox reaches; nobody else should want it.

use wasmtime::component::{Linker, ResourceAny};
use wasmtime::{Config, Engine, Store, StoreContextMut};

use crate::bindings::Domain;
use crate::notes::DIAGNOSTICS;
use crate::{GuestCommand, Refusal, admission};

/// One instance, and all it needs.
pub struct BareGuest {
    store: Store<()>,
    guest: Domain,
}

/// A state in the guest's memory.
pub struct BareState(ResourceAny);

/// The component cannot be run so, or a call gave no events.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BareError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("wasmtime: {0}")]
    Wasmtime(String),
    #[error("the guest says: {0}")]
    Guest(String),
}

impl From<wasmtime::Error> for BareError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasmtime(format!("{error:#}"))
    }
}

impl BareGuest {
    /// # Errors
    /// When these bytes are no component of a domain.
    pub fn new(component: &[u8]) -> Result<Self, BareError> {
        let mut config = Config::new();
        // Guests never wait; with it every call would pay for what nobody uses.
        config.concurrency_support(false);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        // Nobody reads what it notes.
        let note = |_: StoreContextMut<'_, ()>, _: (u8, String)| Ok(());
        linker.instance(DIAGNOSTICS)?.func_wrap("note", note)?;
        let code = wasmtime::component::Component::from_binary(&engine, &admission::component(component)?)?;
        let mut store = Store::new(&engine, ());
        let guest = Domain::instantiate(&mut store, &code, &linker)?;
        Ok(Self { store, guest })
    }

    /// # Errors
    /// When the guest has no such aggregate, or ends over it.
    pub fn start(&mut self, aggregate: &str, id: &str) -> Result<BareState, BareError> {
        let started = self.guest.polder_domain_aggregates().call_start(&mut self.store, aggregate, id)?;
        started.map(BareState).map_err(|fault| BareError::Guest(fault.message))
    }

    /// The state after the command.
    ///
    /// # Errors
    /// When the command is refused, or the guest ends over it.
    pub fn handle(&mut self, state: BareState, command: &GuestCommand<'_>) -> Result<BareState, BareError> {
        let guest = self.guest.polder_domain_aggregates();
        let handled = guest.call_handle(&mut self.store, state.0, *command)?;
        let (after, decision) = handled.map_err(|fault| BareError::Guest(fault.message))?;
        decision.map_err(|rejection| BareError::Guest(rejection.message))?;
        Ok(BareState(after))
    }
}
