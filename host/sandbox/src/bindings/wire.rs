//! The records of `polder:domain/types` as host and guest exchange them. When a component is loaded, they are compared
//! with its interface, field by field.

use wasmtime::component::{ComponentType, HasData, Lift, Linker, Lower};

// The generated code expects these items for every interface that a world imports. This interface has only types, so
// nothing is linked.
pub type PayloadParam<'a> = &'a [u8];
pub type PayloadResult = Vec<u8>;
pub trait Host {}
pub trait HostWithStore<T>: HasData {}
pub fn add_to_linker<T, D: HasData>(_: &mut Linker<T>, _: fn(&mut T) -> D::Data<'_>) -> wasmtime::Result<()> {
    Ok(())
}

/// A request to one aggregate, as the guest sees it.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub struct Command<'a> {
    pub id: &'a str,
    pub name: &'a str,
    /// JSON in UTF-8.
    pub payload: &'a [u8],
    #[component(name = "at")]
    pub at_ms: u64,
    pub actor: Option<&'a str>,
}

/// A recorded fact, as the guest sees it.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub struct Event<'a> {
    pub position: u64,
    pub aggregate: &'a str,
    #[component(name = "aggregate-id")]
    pub aggregate_id: &'a str,
    pub sequence: u64,
    pub name: &'a str,
    pub version: u32,
    /// JSON in UTF-8.
    pub payload: &'a [u8],
    #[component(name = "at")]
    pub at_ms: u64,
}

/// An event as the guest returned it, before any check.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub struct NewEvent {
    pub name: String,
    pub version: u32,
    pub payload: Vec<u8>,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub struct Rejection {
    pub code: String,
    pub message: String,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub struct Fault {
    pub message: String,
}
