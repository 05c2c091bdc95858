//! The engine, and what belongs to it.

use polder_core::MemoryBudget;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::store_data::StoreData;
use crate::watchdog::Watchdog;

/// What all loaded components share. The watchdog ends when the last of them is dropped, so that no call runs without
/// it.
pub(crate) struct Platform {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<StoreData>,
    pub(crate) watchdog: Watchdog,
    pub(crate) memory: MemoryBudget,
}
