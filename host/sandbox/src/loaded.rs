//! A domain's compiled code, ready to be instantiated.

use std::sync::Arc;

use polder_core::{Limits, MemoryReservation};
use wasmtime::component::InstancePre;

use crate::bindings::DomainIndices;
use crate::catalog::Catalog;
use crate::live::{InstantiateError, Live};
use crate::platform::Platform;
use crate::store_data::StoreData;

/// What all instances of a component share.
pub(crate) struct Loaded {
    pub(crate) ready: InstancePre<StoreData>,
    pub(crate) exports: DomainIndices,
    pub(crate) catalog: Catalog,
    pub(crate) platform: Arc<Platform>,
    /// The memory of the code. It is released when the component and its last instance are gone.
    pub(crate) code_memory: MemoryReservation,
}

impl Loaded {
    pub(crate) fn instantiate(&self, limits: &Limits) -> Result<Live, InstantiateError> {
        let platform = &self.platform;
        Live::instantiate(&self.ready, &self.exports, (&platform.watchdog, &platform.memory), limits)
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}
