//! A domain that breaks the interface itself, where `saboteur` is built with the SDK and cannot. Which way it breaks is told by the command, by
//! the id of the aggregate, or by a mark in its bytes that tests write over.

#[cfg(target_arch = "wasm32")]
mod aggregates;
#[cfg(target_arch = "wasm32")]
mod catalog;
#[cfg(target_arch = "wasm32")]
mod numbers;
#[cfg(target_arch = "wasm32")]
mod projections;

#[cfg(target_arch = "wasm32")]
pub struct Rogue;

#[cfg(target_arch = "wasm32")]
polder_sdk::__private::export_component!(Rogue);
