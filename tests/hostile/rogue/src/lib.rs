//! A domain that breaks the interface itself, which `saboteur` cannot do because it uses the SDK. The command, the id
//! of the aggregate, or a mark in its bytes, which tests overwrite, selects the way in which it breaks.

#[cfg(target_arch = "wasm32")]
mod aggregates;
#[cfg(target_arch = "wasm32")]
mod catalog;
#[cfg(target_arch = "wasm32")]
mod notes;
#[cfg(target_arch = "wasm32")]
mod numbers;
#[cfg(target_arch = "wasm32")]
mod projections;

#[cfg(target_arch = "wasm32")]
pub struct Rogue;

#[cfg(target_arch = "wasm32")]
polder_sdk::__private::export_component!(Rogue);
