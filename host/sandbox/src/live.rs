//! One guest in memory: its store, and its calls.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use polder_core::{Limits, MemoryBudget};
use wasmtime::component::InstancePre;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::bindings::{Domain, DomainIndices};
use crate::call_error::CallErrorKind;
use crate::call_limits::{self, CallLimits};
use crate::call_time::CallTime;
use crate::notes::{Note, Notes};
use crate::resources::{HANDLES_MAX, Resources};
use crate::store_data::StoreData;
use crate::watchdog::Watchdog;

pub(crate) struct Live {
    store: Store<StoreData>,
    guest: Domain,
    budget: CallLimits,
}

/// Why there is no instance.
pub(crate) enum InstantiateError {
    /// The component's exports do not match the interface.
    Types(String),
    /// A start function failed.
    Start { kind: CallErrorKind, notes: Vec<Note> },
}

impl Live {
    pub(crate) fn instantiate(
        ready: &InstancePre<StoreData>,
        exports: &DomainIndices,
        (watchdog, memory): (&Watchdog, &MemoryBudget),
        limits: &Limits,
    ) -> Result<Self, InstantiateError> {
        let budget = CallLimits::new(limits);
        let mut store = new_store_in(ready.engine(), (watchdog, memory), limits);
        budget.grant(&mut store);
        let instance = ready.instantiate(&mut store).map_err(|error| InstantiateError::Start {
            kind: budget.explain(&error, store.data()),
            notes: store.data_mut().notes.take(),
        })?;
        store.data_mut().call_time.end();
        let guest =
            exports.load(&mut store, &instance).map_err(|error| InstantiateError::Types(format!("{error:#}")))?;
        Ok(Self { store, guest, budget })
    }

    /// Runs one call of the guest. After an error the guest must not be called again.
    pub(crate) fn call<T>(
        &mut self,
        run: impl FnOnce(&mut Store<StoreData>, &Domain) -> wasmtime::Result<T>,
    ) -> Result<T, CallErrorKind> {
        let data = self.store.data_mut();
        data.notes.clear();
        data.resources.exhausted = false;
        data.resources.host_exhausted = None;
        self.budget.grant(&mut self.store);
        let answer = run(&mut self.store, &self.guest);
        self.store.data_mut().call_time.end();
        answer.map_err(|error| self.budget.explain(&error, self.store.data()))
    }

    pub(crate) fn end_when(&mut self, is_gone: Arc<AtomicBool>) {
        self.store.data_mut().call_time.end_when(is_gone);
    }

    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        self.store.data_mut().notes.take()
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.store.data().resources.memory_bytes()
    }
}

/// A store with these limits, still without fuel. Its memory counts against no budget of the host.
pub(crate) fn new_store(engine: &Engine, watchdog: &Watchdog, limits: &Limits) -> Store<StoreData> {
    new_store_in(engine, (watchdog, &MemoryBudget::unlimited()), limits)
}

/// Does the same as [`new_store`], with linear memory that is reserved from `memory`.
fn new_store_in(engine: &Engine, (watchdog, memory): (&Watchdog, &MemoryBudget), limits: &Limits) -> Store<StoreData> {
    let call_time = CallTime::new(watchdog.pulse(), limits.call_wall_ms_max);
    let data = StoreData { resources: Resources::new(limits, memory), notes: Notes::new(limits), call_time };
    let mut store = Store::new(engine, data);
    store.limiter(|data| &mut data.resources);
    store.epoch_deadline_callback(|mut store| {
        let is_over = store.data_mut().call_time.is_over();
        Ok(if is_over { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) })
    });
    store.set_hostcall_fuel(call_limits::answer_bytes_max(limits));
    store.set_max_component_handles(HANDLES_MAX);
    store
}
