//! Writes JSON, and refuses numbers that JSON cannot hold. JSON has neither infinities nor NaN; serde_json would
//! silently write `null` for them, and `null` cannot be read back as a number.

use std::cell::RefCell;
use std::fmt::{self, Display};

use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};
use serde_json::Value;

use crate::place::written;

/// Most events and states fit without growing the buffer.
const BYTES_EXPECTED: usize = 128;

/// The JSON of `value`, as bytes.
/// # Errors
/// The reason as text: it names the field that holds an infinity or a NaN, or describes what else has no JSON form.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(BYTES_EXPECTED);
    written_by(value, &mut serde_json::Serializer::new(&mut bytes))?;
    Ok(bytes)
}

/// The JSON of `value`, as a value.
/// # Errors
/// Fails as [`to_vec`] does.
pub(crate) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, String> {
    written_by(value, serde_json::value::Serializer)
}

fn written_by<T: Serialize + ?Sized, S: Serializer<Error: Display>>(value: &T, inner: S) -> Result<S::Ok, String> {
    let place = Place::default();
    let answer = value.serialize(Finite { inner, place: &place });
    answer.map_err(|error| place.problem().unwrap_or_else(|| error.to_string()))
}

/// The place of the refused number. Empty unless a number was refused, so that a good value costs nothing.
#[derive(Default)]
struct Place(RefCell<Option<Refused>>);

struct Refused {
    number: f64,
    /// The segments of the path, from the innermost to the outermost.
    segments: Vec<String>,
}

impl Place {
    fn refuse<E: Error>(&self, number: f64) -> E {
        *self.0.borrow_mut() = Some(Refused { number, segments: Vec::new() });
        E::custom("this number is not finite")
    }

    /// Records that a failure lies in `segment`.
    fn within<T, E>(&self, result: Result<T, E>, segment: impl FnOnce() -> String) -> Result<T, E> {
        if result.is_err()
            && let Some(refused) = &mut *self.0.borrow_mut()
        {
            refused.segments.push(segment());
        }
        result
    }

    fn problem(self) -> Option<String> {
        let Refused { number, mut segments } = self.0.into_inner()?;
        segments.reverse();
        let place = if segments.is_empty() { "the value".to_owned() } else { format!("`{}`", written(&segments)) };
        Some(format!("{place} is {number}, and JSON has no such number: see that it stays finite"))
    }
}

/// Passes every value on, and checks the floats.
struct Finite<'p, S> {
    inner: S,
    place: &'p Place,
}

struct Checked<'p, 'v, T: ?Sized> {
    value: &'v T,
    place: &'p Place,
}

impl<T: Serialize + ?Sized> Serialize for Checked<'_, '_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Finite { inner, place: self.place })
    }
}

/// The parts of a list, a map or a struct.
struct Parts<'p, C> {
    inner: C,
    place: &'p Place,
    /// The index of the next element.
    index: usize,
}

impl<'p, C> Parts<'p, C> {
    fn new(inner: C, place: &'p Place) -> Self {
        Self { inner, place, index: 0 }
    }

    fn element<E>(&mut self, put: impl FnOnce(&mut C) -> Result<(), E>) -> Result<(), E> {
        let index = self.index;
        self.index += 1;
        self.place.within(put(&mut self.inner), || index.to_string())
    }
}

macro_rules! pass_on {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method(self $(, $argument: $type)*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($argument),*)
        })*
    };
}

impl<'p, S: Serializer> Serializer for Finite<'p, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'p, S::SerializeSeq>;
    type SerializeTuple = Parts<'p, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'p, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'p, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'p, S::SerializeMap>;
    type SerializeStruct = Parts<'p, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'p, S::SerializeStructVariant>;

    pass_on! {
        serialize_bool(v: bool); serialize_i8(v: i8); serialize_i16(v: i16); serialize_i32(v: i32);
        serialize_i64(v: i64); serialize_i128(v: i128); serialize_u8(v: u8); serialize_u16(v: u16);
        serialize_u32(v: u32); serialize_u64(v: u64); serialize_u128(v: u128); serialize_char(v: char);
        serialize_str(v: &str); serialize_bytes(v: &[u8]); serialize_none(); serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_f32(self, v: f32) -> Result<S::Ok, S::Error> {
        if v.is_finite() { self.inner.serialize_f32(v) } else { Err(self.place.refuse(v.into())) }
    }

    fn serialize_f64(self, v: f64) -> Result<S::Ok, S::Error> {
        if v.is_finite() { self.inner.serialize_f64(v) } else { Err(self.place.refuse(v)) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Checked { value, place: self.place })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &Checked { value, place: self.place })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let place = self.place;
        let put = self.inner.serialize_newtype_variant(name, index, variant, &Checked { value, place });
        place.within(put, || variant.to_owned())
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(Parts::new(self.inner.serialize_seq(len)?, self.place))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(Parts::new(self.inner.serialize_tuple(len)?, self.place))
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        Ok(Parts::new(self.inner.serialize_tuple_struct(name, len)?, self.place))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        Ok(Parts::new(self.inner.serialize_tuple_variant(name, index, variant, len)?, self.place))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(Parts::new(self.inner.serialize_map(len)?, self.place))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        Ok(Parts::new(self.inner.serialize_struct(name, len)?, self.place))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        Ok(Parts::new(self.inner.serialize_struct_variant(name, index, variant, len)?, self.place))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! lists {
    ($($kind:ident: $method:ident;)*) => {
        $(impl<C: $kind> $kind for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let place = self.place;
                self.element(|parts| parts.$method(&Checked { value, place }))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

lists! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

macro_rules! structs {
    ($($kind:ident;)*) => {
        $(impl<C: $kind> $kind for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), C::Error> {
                let place = self.place;
                let put = self.inner.serialize_field(key, &Checked { value, place });
                place.within(put, || key.to_owned())
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

structs! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<C: SerializeMap> SerializeMap for Parts<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    // A float as a key is text in JSON, and serde_json itself refuses keys that are not finite.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&Checked { value, place: self.place })
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), C::Error> {
        let put = self.inner.serialize_entry(key, &Checked { value, place: self.place });
        self.place.within(put, || match key.serialize(serde_json::value::Serializer) {
            Ok(Value::String(text)) => text,
            Ok(other) => other.to_string(),
            Err(_) => "?".to_owned(),
        })
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize)]
    struct Bill {
        lines: Vec<Line>,
        by_town: BTreeMap<String, f64>,
        rest: Option<f32>,
        #[serde(flatten)]
        more: BTreeMap<String, f64>,
        kind: Kind,
    }

    #[derive(Serialize)]
    struct Line {
        price: f64,
        pair: (f64, f64),
    }

    #[derive(Serialize)]
    enum Kind {
        Plain,
        Rated(f64),
        Split { share: f64 },
    }

    fn bill() -> Bill {
        let line = || Line { price: 1.5, pair: (0.1, -0.0) };
        Bill {
            lines: vec![line(), line()],
            by_town: [("Delft".to_owned(), 2.0)].into(),
            rest: Some(0.25),
            more: [("extra".to_owned(), 1e300)].into(),
            kind: Kind::Plain,
        }
    }

    #[test]
    fn a_good_value_is_written_as_serde_json_writes_it() {
        let bill = bill();
        assert_eq!(String::from_utf8(to_vec(&bill).unwrap()).unwrap(), serde_json::to_string(&bill).unwrap());
        assert_eq!(to_value(&bill).unwrap(), serde_json::to_value(&bill).unwrap());
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_with_its_place() {
        type Spoil = fn(&mut Bill);
        let cases: [(Spoil, &str); 8] = [
            (|bill| bill.lines[1].price = f64::INFINITY, "`lines[1].price` is inf"),
            (|bill| bill.lines[0].pair.1 = f64::NAN, "`lines[0].pair[1]` is NaN"),
            (|bill| bill.by_town.extend([("Goes".into(), f64::NEG_INFINITY)]), "`by_town.Goes` is -inf"),
            (|bill| bill.rest = Some(f32::NAN), "`rest` is NaN"),
            (|bill| bill.more.extend([("extra".into(), f64::NAN)]), "`extra` is NaN"),
            (|bill| bill.kind = Kind::Rated(f64::NAN), "`kind.Rated` is NaN"),
            (|bill| bill.kind = Kind::Split { share: f64::INFINITY }, "`kind.share` is inf"),
            (|bill| bill.lines[0].price = -f64::NAN, "`lines[0].price` is NaN"),
        ];
        for (spoil, expected) in cases {
            let mut bill = bill();
            spoil(&mut bill);
            for problem in [to_vec(&bill).unwrap_err(), to_value(&bill).unwrap_err()] {
                assert!(problem.starts_with(expected), "{problem}");
            }
        }
        assert!(to_vec(&f64::NAN).unwrap_err().starts_with("the value is NaN"));
    }

    #[test]
    fn other_values_without_json_keep_serde_jsons_message() {
        let map: BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        assert_eq!(to_vec(&map).unwrap_err(), serde_json::to_vec(&map).unwrap_err().to_string());
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Numbers {
        single: f32,
        double: f64,
        any: Value,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn every_finite_number_comes_back_bit_for_bit(bits: u64, single_bits: u32) {
            let (double, single) = (f64::from_bits(bits), f32::from_bits(single_bits));
            prop_assume!(double.is_finite() && single.is_finite());
            let written = to_vec(&Numbers { single, double, any: to_value(&double).unwrap() }).unwrap();
            let read: Numbers = serde_json::from_slice(&written).unwrap();
            prop_assert_eq!(read.double.to_bits(), bits);
            prop_assert_eq!(read.single.to_bits(), single_bits);
            prop_assert_eq!(read.any.as_f64().unwrap().to_bits(), bits);
            prop_assert_eq!(to_vec(&read).unwrap(), written);
        }

        #[test]
        fn every_whole_number_of_64_bits_comes_back(unsigned: u64, signed: i64) {
            let written = to_vec(&(unsigned, signed)).unwrap();
            let read: (Value, Value) = serde_json::from_slice(&written).unwrap();
            prop_assert_eq!(read.0.as_u64(), Some(unsigned));
            prop_assert_eq!(read.1.as_i64(), Some(signed));
        }
    }
}
