//! One instance of a domain, for one thread at a time. A call either returns an answer, or ends the instance.

mod aggregates;
mod projections;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use polder_core::Limits;
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use crate::bindings::Domain;
use crate::bindings::wire::Fault;
use crate::call_error::{CallError, CallErrorKind, DEAD, STALE};
use crate::handles::{Handle, InstanceNumber};
use crate::live::{InstantiateError, Live};
use crate::loaded::Loaded;
use crate::notes::Note;
use crate::store_data::StoreData;

/// Maximum length of a fault's message, in bytes. A longer one is cut.
const FAULT_BYTES_MAX: usize = 4 * 1024;

static INSTANCES_MADE: AtomicU64 = AtomicU64::new(0);

pub struct Instance {
    loaded: Arc<Loaded>,
    limits: Limits,
    number: InstanceNumber,
    /// `None` after the first trap. The store is dropped at once, because it holds the guest's memory.
    live: Option<Live>,
}

impl Instance {
    pub(crate) fn new(loaded: &Arc<Loaded>, limits: &Limits) -> Result<Self, CallError> {
        let live = loaded.instantiate(limits).map_err(|error| match error {
            InstantiateError::Start { kind, notes } => CallError { kind, instance_lost: true, notes },
            InstantiateError::Types(problem) => {
                CallError { kind: CallErrorKind::Misbehaved(problem), instance_lost: true, notes: Vec::new() }
            }
        })?;
        let number = InstanceNumber(INSTANCES_MADE.fetch_add(1, Ordering::Relaxed));
        Ok(Self { loaded: Arc::clone(loaded), limits: *limits, number, live: Some(live) })
    }

    /// Whether the instance can still be called.
    pub fn is_alive(&self) -> bool {
        self.live.is_some()
    }

    /// Size of the guest's linear memory, in bytes; 0 if the instance has ended.
    pub fn memory_bytes(&self) -> u64 {
        self.live.as_ref().map_or(0, Live::memory_bytes)
    }

    /// Makes the running call, and each later one, end at the first tick after `is_gone` is set.
    pub fn end_when(&mut self, is_gone: Arc<AtomicBool>) {
        if let Some(live) = &mut self.live {
            live.end_when(is_gone);
        }
    }

    /// The guest's notes of the last call, if that call returned an answer; the notes of a failed call are in its
    /// error. Costs nothing if there are none. The next call drops notes that were not taken.
    pub fn take_notes(&mut self) -> Vec<Note> {
        self.live.as_mut().map(Live::take_notes).unwrap_or_default()
    }

    fn call<T>(
        &mut self,
        run: impl FnOnce(&mut Store<StoreData>, &Domain) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        let Some(live) = &mut self.live else {
            return Err(CallError::gone(DEAD));
        };
        let result = live.call(run);
        result.map_err(|kind| {
            let notes = self.take_notes();
            // wasmtime must not enter a store again after a trap, and its content cannot be trusted.
            self.live = None;
            CallError { kind, instance_lost: true, notes }
        })
    }

    fn handle_of(&self, resource: ResourceAny) -> Handle {
        Handle { instance: self.number, resource }
    }

    fn resource(&self, handle: &Handle) -> Result<ResourceAny, CallError> {
        if self.live.is_none() {
            return Err(CallError::gone(DEAD));
        }
        if handle.instance != self.number {
            return Err(CallError::gone(STALE));
        }
        Ok(handle.resource)
    }

    fn drop_resource(&mut self, resource: ResourceAny) -> Result<(), CallError> {
        self.call(|store, _| resource.resource_drop(store))
    }

    fn fault(&mut self, fault: Fault) -> CallError {
        let mut message = fault.message;
        message.truncate(message.floor_char_boundary(FAULT_BYTES_MAX));
        self.failed(CallErrorKind::Fault(message))
    }

    /// Does the same as [`failed`](Self::failed), and drops the resource that the guest returned with its invalid
    /// answer.
    fn failed_with(&mut self, resource: ResourceAny, kind: CallErrorKind) -> CallError {
        let mut error = self.failed(kind);
        error.instance_lost = self.drop_resource(resource).is_err();
        error
    }

    fn failed(&mut self, kind: CallErrorKind) -> CallError {
        CallError { kind, instance_lost: false, notes: self.take_notes() }
    }
}
