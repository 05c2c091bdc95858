//! The types that can cross the border between host and guest. A type that cannot gets a compiler message in the
//! author's words.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// A type with a JSON form and a schema of it: by `#[data]` or `#[value_object]`, or from the standard library.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON form, so it cannot be part of a command, an event, a state or a document",
    label = "add `#[data]` to this type, or to the types it is made of",
    note = "types of other crates need serde's and schemars' derives: most crates have features for both"
)]
pub trait Data {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema> Data for T {}

/// Compiles only for types that are [`Data`].
#[doc(hidden)]
pub const fn assert_data<T: Data>() {}
