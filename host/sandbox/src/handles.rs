//! What the host holds of a guest's states and documents. A handle is used up by the call that changes what it stands for, so
//! it can be neither copied nor used twice.

use wasmtime::component::ResourceAny;

/// One aggregate's state inside one [`Instance`](crate::Instance). Dropped without
/// [`discard`](crate::Instance::discard), the state stays in the guest's memory until the instance ends.
#[must_use = "a state that is not discarded stays in the guest's memory"]
#[derive(Debug)]
pub struct StateHandle {
    pub(crate) place: Place,
    /// Index into the catalog: which kind of aggregate.
    pub(crate) aggregate: usize,
}

/// One document inside one [`Instance`](crate::Instance). As for [`StateHandle`], dropping it is not enough.
#[must_use = "a document that is not discarded stays in the guest's memory"]
#[derive(Debug)]
pub struct DocumentHandle {
    pub(crate) place: Place,
    /// Index into the catalog: which projection, when it lists it.
    pub(crate) projection: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) instance: InstanceNumber,
    pub(crate) resource: ResourceAny,
}

/// Tells instances apart, so that a handle kept beyond its instance is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstanceNumber(pub(crate) u64);
