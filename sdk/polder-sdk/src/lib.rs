//! What the author of a domain needs.
#![cfg_attr(not(target_arch = "wasm32"), forbid(unsafe_code))]
#![cfg_attr(target_arch = "wasm32", deny(unsafe_code))]
#![warn(missing_docs)]

// The generated bindings name the SDK as guests do.
#[cfg(target_arch = "wasm32")]
extern crate self as polder_sdk;

mod aggregate;
mod chart;
mod compile_time;
mod context;
mod describe;
mod domain;
mod id;
mod messages;
mod note;
mod payload;
mod place;
mod projection;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod timestamp;
mod value;

#[doc(hidden)]
pub mod __private;

pub use aggregate::{Aggregate, Command, Event, Rejection};
pub use chart::StateChart;
pub use context::Context;
pub use domain::{Document, Domain, State};
pub use id::Id;
pub use messages::{CommandRef, EventRef, Fault, NewEvent, Refused, Rejected};
pub use note::{Level, note};
pub use polder_sdk_macros::{
    Command, Event, Rejection, Source, StateChart, aggregate, data, domain, projection, value_object,
};
pub use projection::{Documents, Effect, Effects, Projection, Recorded, Source};
pub use timestamp::Timestamp;
pub use value::{InvalidValue, NonEmptyText};

/// Everything an author's file usually needs, in one `use`.
pub mod prelude {
    pub use crate::{
        Aggregate, Command, Context, Documents, Effect, Event, Id, InvalidValue, NonEmptyText, Projection, Recorded,
        Rejection, Source, StateChart, Timestamp, aggregate, data, domain, projection, value_object,
    };
}
