//! The host's handles to a guest's states and documents. A call that changes a state consumes its handle, so a handle
//! can be neither copied nor used twice.

use wasmtime::component::ResourceAny;

/// A handle to one aggregate's state in one [`Instance`](crate::Instance). If it is dropped without
/// [`discard`](crate::Instance::discard), the state stays in the guest's memory until the instance ends.
#[must_use = "a state that is not discarded stays in the guest's memory"]
#[derive(Debug)]
pub struct StateHandle {
    pub(crate) handle: Handle,
    /// Index of the aggregate's type in the catalog.
    pub(crate) aggregate: usize,
}

/// A handle to one document in one [`Instance`](crate::Instance). It must be discarded like a [`StateHandle`].
#[must_use = "a document that is not discarded stays in the guest's memory"]
#[derive(Debug)]
pub struct DocumentHandle {
    pub(crate) handle: Handle,
    /// Index of the projection in the catalog; `None` if the catalog does not list it.
    pub(crate) projection: Option<usize>,
}

/// What a guest's handle refers to, and the instance in which it is valid.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) instance: InstanceNumber,
    pub(crate) resource: ResourceAny,
}

/// Distinguishes instances, so that the use of a handle with another instance is detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstanceNumber(pub(crate) u64);
