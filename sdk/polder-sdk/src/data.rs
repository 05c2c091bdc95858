//! The types that can cross the border between host and guest. A type that cannot gets a compiler message in the
//! author's words.
//!
//! Generated code does not use serde's traits of a field's type directly, because each use would add a message of
//! serde's to this one. It contains one function for each field, `fn form() -> impl Form<T>`, which calls [`form`]:
//! only this call needs [`Data`]. All other generated code relies on the returned [`Form`], which the compiler takes as
//! given even when the function is wrong.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::describe::schema_read;

/// A type with a JSON form and a schema of it: by `#[data]` or `#[value_object]`, or from the standard library.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON form, so it cannot be part of a command, an event, a state or a document",
    label = "add `#[data]` to this type, or to the types it is made of",
    note = "types of other crates need serde's and schemars' derives: most crates have features for both"
)]
pub trait Data: Serialize + DeserializeOwned + JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema> Data for T {}

/// Compiles only for types that are [`Data`].
#[doc(hidden)]
pub const fn assert_data<T: Data>() {}

/// How a `T` is read and written.
#[doc(hidden)]
pub trait Form<T> {
    type Schema: JsonSchema;
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>;
    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>;
}

struct Known;

impl<T: Data> Form<T> for Known {
    type Schema = T;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }

    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }
}

/// The form of a `T`. The type behind `impl` is hidden on purpose; see the top of this file.
#[doc(hidden)]
pub fn form<T: Data>() -> impl Form<T> {
    Known
}

/// A value that is read and written in the form `F`.
#[doc(hidden)]
pub struct Field<T, F>(pub T, PhantomData<F>);

impl<T, F: Form<T>> Field<T, F> {
    /// The type of a field with this form.
    pub fn shape(_: F) -> PhantomData<Self> {
        PhantomData
    }
}

impl<T: Default, F> Default for Field<T, F> {
    fn default() -> Self {
        Self(T::default(), PhantomData)
    }
}

impl<'de, T, F: Form<T>> Deserialize<'de> for Field<T, F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        F::read(deserializer).map(|value| Self(value, PhantomData))
    }
}

impl<T, F: Form<T>> Serialize for Field<T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        F::write(&self.0, serializer)
    }
}

impl<T, F: Form<T>> JsonSchema for Field<T, F> {
    fn inline_schema() -> bool {
        F::Schema::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        F::Schema::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        F::Schema::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        F::Schema::json_schema(generator)
    }

    // The two hidden functions decide whether a field may be left out.
    fn _schemars_private_non_optional_json_schema(generator: &mut SchemaGenerator) -> Schema {
        F::Schema::_schemars_private_non_optional_json_schema(generator)
    }

    fn _schemars_private_is_option() -> bool {
        F::Schema::_schemars_private_is_option()
    }
}

/// `value` as something that serde writes in the form `F`.
#[doc(hidden)]
pub fn written<'a, T, F: Form<T>>(value: &'a T, _: F) -> impl Serialize + use<'a, T, F> {
    struct Written<'a, T, F>(&'a T, PhantomData<F>);

    impl<T, F: Form<T>> Serialize for Written<'_, T, F> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            F::write(self.0, serializer)
        }
    }

    Written(value, PhantomData::<F>)
}

/// Returns `value`, and makes it a `T`.
#[doc(hidden)]
pub fn of<T>(_: PhantomData<T>, value: T) -> T {
    value
}

/// The JSON schema for reading a `T`.
#[doc(hidden)]
pub fn schema_of_shape<T: JsonSchema>(_: PhantomData<T>) -> Schema {
    schema_read::<T>()
}
