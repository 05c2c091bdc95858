//! A domain that passed all checks: compiled, described, ready for any number of instances on any thread.

use std::sync::Arc;

use polder_core::{Descriptor, Limits, MemoryPurpose, Revision};

use crate::bindings::DomainIndices;
use crate::call_error::{CallError, CallErrorKind};
use crate::catalog::Catalog;
use crate::instance::Instance;
use crate::live::{InstantiateError, Live};
use crate::loaded::Loaded;
use crate::platform::Platform;
use crate::refusal::Refusal;
use crate::resources::{self, TABLE_ELEMENTS_MAX};

/// Size of a page of linear memory, in bytes.
const PAGE_BYTES: u64 = 64 * 1024;

pub struct Component {
    /// Digest of the loaded bytes.
    pub revision: Revision,
    pub descriptor: Descriptor,
    pub origin: Origin,
    /// Initial linear memory of an instance, in bytes.
    pub memory_bytes_needed: u64,
    loaded: Arc<Loaded>,
}

/// Where the machine code came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Compiled,
    /// Compiled, but not stored in the cache, for this reason.
    CompiledUncached(String),
    Cached,
}

impl Component {
    /// Creates an instance without any state.
    pub fn instantiate(&self, limits: &Limits) -> Result<Instance, CallError> {
        Instance::new(&self.loaded, limits)
    }

    /// Size of the machine code in memory, in bytes.
    pub fn code_bytes(&self) -> u64 {
        self.loaded.code_memory.bytes()
    }

    /// Runs the checks for which compiled code must be run, wherever that code came from.
    pub(crate) fn admit(
        platform: &Arc<Platform>,
        code: &wasmtime::component::Component,
        revision: Revision,
        origin: Origin,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let memory = platform.memory.try_reserve(MemoryPurpose::Code, code_bytes(code));
        let code_memory = memory.map_err(Refusal::HostMemory)?;
        let memory_bytes_needed = check_resources(code, limits)?;
        let wrong_types = |error: wasmtime::Error| Refusal::WrongTypes(format!("{error:#}"));
        let ready = platform.linker.instantiate_pre(code).map_err(wrong_types)?;
        let exports = DomainIndices::new(&ready).map_err(wrong_types)?;
        let mut live =
            Live::instantiate(&ready, &exports, (&platform.watchdog, &platform.memory), limits).map_err(|error| {
                match error {
                    InstantiateError::Types(problem) => Refusal::WrongTypes(problem),
                    InstantiateError::Start { kind, notes } => {
                        Refusal::of_call(CallError { kind, instance_lost: true, notes }, Refusal::Start)
                    }
                }
            })?;
        let text = describe(&mut live)?;
        let descriptor = Descriptor::parse(&text)?;
        if describe(&mut live)? != text {
            return Err(Refusal::DescriptorChanges);
        }
        let catalog = Catalog::new(&descriptor);
        let loaded = Arc::new(Loaded { ready, exports, catalog, platform: Arc::clone(platform), code_memory });
        Ok(Self { revision, descriptor, origin, memory_bytes_needed, loaded })
    }
}

/// Size of the machine code in memory, with its tables and data, in bytes.
fn code_bytes(code: &wasmtime::component::Component) -> u64 {
    let image = code.image_range();
    (image.end.addr() - image.start.addr()) as u64
}

/// Checks the initial resources of an instance, and returns its initial memory in bytes. The limits at run time would
/// stop it too, but with a less helpful message.
fn check_resources(code: &wasmtime::component::Component, limits: &Limits) -> Result<u64, Refusal> {
    let Some(needed) = code.resources_required() else {
        return Err(Refusal::WrongTypes("it instantiates modules that it imports".into()));
    };
    let memory_pages_max = resources::memory_bytes_max(limits) / PAGE_BYTES;
    let bounds = [
        ("initial memory, in pages of 64 KiB", needed.max_initial_memory_size, memory_pages_max),
        ("initial table elements", needed.max_initial_table_size, TABLE_ELEMENTS_MAX as u64),
    ];
    for (what, needed, allowed) in bounds {
        match needed {
            Some(needed) if needed > allowed => return Err(Refusal::Resources { what, needed, allowed }),
            _ => {}
        }
    }
    Ok(needed.max_initial_memory_size.unwrap_or_default() * PAGE_BYTES)
}

fn describe(live: &mut Live) -> Result<String, Refusal> {
    live.call(|store, guest| guest.polder_domain_catalog().call_describe(store)).map_err(|kind: CallErrorKind| {
        let notes = live.take_notes();
        Refusal::of_call(CallError { kind, instance_lost: true, notes }, Refusal::Describe)
    })
}
