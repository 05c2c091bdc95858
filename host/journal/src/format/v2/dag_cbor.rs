//! The part of DAG-CBOR (<https://ipld.io/specs/codecs/dag-cbor/spec/>) that this format uses: whole numbers from 0,
//! byte strings, texts, arrays, maps with texts as keys, true, false, null, and links to content ids. Each value has exactly one
//! encoding; the decoder refuses every other one.

use super::base32::CID_PREFIX;
use super::error::{FormatError, ensure, within};
use super::varint::Cursor;

const MAJOR_NUMBER: u8 = 0;
const MAJOR_BYTES: u8 = 2;
const MAJOR_TEXT: u8 = 3;
const MAJOR_ARRAY: u8 = 4;
const MAJOR_MAP: u8 = 5;
const MAJOR_TAG: u8 = 6;
const MAJOR_SIMPLE: u8 = 7;
const TAG_LINK: u64 = 42;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
/// Begins a number with a fraction, of 8 bytes.
const FLOAT_64: u8 = 0xfb;
/// Arrays and maps within each other, in a value that is passed over.
const DEPTH_MAX: u32 = 16;

pub(crate) fn put_uint(out: &mut Vec<u8>, number: u64) {
    put_head(out, MAJOR_NUMBER, number);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_head(out, MAJOR_BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_head(out, MAJOR_TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Begins an array; that many values have to follow.
pub(crate) fn put_array(out: &mut Vec<u8>, count: u64) {
    put_head(out, MAJOR_ARRAY, count);
}

/// Begins a map; that many pairs of a text and a value have to follow, shorter keys first, and keys of the same length
/// in the order of their bytes.
pub(crate) fn put_map(out: &mut Vec<u8>, count: u64) {
    put_head(out, MAJOR_MAP, count);
}

pub(crate) fn put_null(out: &mut Vec<u8>) {
    out.push(NULL);
}

pub(crate) fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { TRUE } else { FALSE });
}

/// A link to the content id with this digest.
pub(crate) fn put_link(out: &mut Vec<u8>, digest: &[u8; 32]) {
    put_head(out, MAJOR_TAG, TAG_LINK);
    put_head(out, MAJOR_BYTES, 1 + (CID_PREFIX.len() + digest.len()) as u64);
    // The zero stands for "binary" among the bases of content ids.
    out.push(0);
    out.extend_from_slice(&CID_PREFIX);
    out.extend_from_slice(digest);
}

fn put_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

/// Reads values from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder<'a> {
    cursor: Cursor<'a>,
}

/// The keys of one map, which ascend.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    left: u64,
    last: Option<&'a str>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new("a DAG-CBOR value", bytes) }
    }

    pub(crate) fn end(&self) -> Result<(), FormatError> {
        self.cursor.end()
    }

    pub(crate) fn uint(&mut self, what: &'static str, max: u64) -> Result<u64, FormatError> {
        let number = self.expect(MAJOR_NUMBER)?;
        within(what, number, max)?;
        Ok(number)
    }

    pub(crate) fn bytes(&mut self, what: &'static str, max: u64) -> Result<&'a [u8], FormatError> {
        let length = self.expect(MAJOR_BYTES)?;
        within(what, length, max)?;
        self.cursor.slice(length)
    }

    pub(crate) fn array_of_bytes<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], FormatError> {
        let bytes = self.bytes(what, N as u64)?;
        bytes.try_into().map_err(|_| FormatError::Malformed("a byte string has another length"))
    }

    pub(crate) fn text(&mut self, what: &'static str, max: u64) -> Result<&'a str, FormatError> {
        let length = self.expect(MAJOR_TEXT)?;
        within(what, length, max)?;
        std::str::from_utf8(self.cursor.slice(length)?).map_err(|_| FormatError::Malformed("a text is not UTF-8"))
    }

    /// Begins an array and returns the number of its values, which is at most the number of bytes that are left.
    pub(crate) fn array(&mut self) -> Result<u64, FormatError> {
        let count = self.expect(MAJOR_ARRAY)?;
        self.fits(count, 1)?;
        Ok(count)
    }

    /// Begins an array of exactly so many values.
    pub(crate) fn array_of(&mut self, count: u64) -> Result<(), FormatError> {
        ensure(self.array()? == count, "an array has another number of values")
    }

    pub(crate) fn map(&mut self) -> Result<Keys<'a>, FormatError> {
        let left = self.expect(MAJOR_MAP)?;
        self.fits(left, 2)?;
        Ok(Keys { left, last: None })
    }

    /// Consumes a null, if one is next.
    pub(crate) fn null(&mut self) -> bool {
        let is_null = self.cursor.rest().first() == Some(&NULL);
        if is_null {
            self.cursor = Cursor::new("a DAG-CBOR value", &self.cursor.rest()[1..]);
        }
        is_null
    }

    pub(crate) fn bool(&mut self) -> Result<bool, FormatError> {
        match self.cursor.byte()? {
            TRUE => Ok(true),
            FALSE => Ok(false),
            _ => Err(FormatError::Malformed("a DAG-CBOR value has another type")),
        }
    }

    /// The digest of the content id that a link leads to.
    pub(crate) fn link(&mut self) -> Result<[u8; 32], FormatError> {
        ensure(self.expect(MAJOR_TAG)? == TAG_LINK, "a tag is not that of a link")?;
        let bytes: [u8; 1 + CID_PREFIX.len() + 32] = self.array_of_bytes("the length of a link")?;
        ensure(bytes[0] == 0 && bytes[1..5] == CID_PREFIX, "a link leads to another kind of content id")?;
        let mut digest = [0; 32];
        digest.copy_from_slice(&bytes[5..]);
        Ok(digest)
    }

    /// Passes over one value, whatever it is.
    pub(crate) fn skip(&mut self) -> Result<(), FormatError> {
        self.skip_within(DEPTH_MAX)
    }

    fn skip_within(&mut self, depth: u32) -> Result<(), FormatError> {
        ensure(depth > 0, "values are nested too deeply")?;
        let first = self.cursor.rest().first().copied().unwrap_or_default();
        match first >> 5 {
            MAJOR_NUMBER | 1 => self.head().map(drop),
            MAJOR_BYTES | MAJOR_TEXT => {
                let (_, length) = self.head()?;
                self.cursor.slice(length).map(drop)
            }
            MAJOR_ARRAY => (0..self.array()?).try_for_each(|_| self.skip_within(depth - 1)),
            MAJOR_MAP => {
                let mut keys = self.map()?;
                while keys.next(self)?.is_some() {
                    self.skip_within(depth - 1)?;
                }
                Ok(())
            }
            MAJOR_TAG => self.link().map(drop),
            _ => match self.cursor.byte()? {
                FALSE..=NULL => Ok(()),
                FLOAT_64 => self.cursor.slice(8).map(drop),
                _ => Err(FormatError::Malformed("a value is none of DAG-CBOR")),
            },
        }
    }

    /// Each of `count` values takes at least so many bytes.
    fn fits(&self, count: u64, bytes_min: u64) -> Result<(), FormatError> {
        let possible = self.cursor.rest().len() as u64 / bytes_min;
        if count <= possible { Ok(()) } else { Err(FormatError::CutShort("a DAG-CBOR value")) }
    }

    fn expect(&mut self, major: u8) -> Result<u64, FormatError> {
        let (found, argument) = self.head()?;
        ensure(found == major, "a DAG-CBOR value has another type")?;
        Ok(argument)
    }

    fn head(&mut self) -> Result<(u8, u64), FormatError> {
        let first = self.cursor.byte()?;
        let (argument, least) = match first & 31 {
            small @ 0..=23 => (u64::from(small), 0),
            24 => (u64::from(self.cursor.byte()?), 24),
            25 => (u64::from(u16::from_be_bytes(self.cursor.array()?)), 0x100),
            26 => (u64::from(u32::from_be_bytes(self.cursor.array()?)), 0x1_0000),
            27 => (u64::from_be_bytes(self.cursor.array()?), 0x1_0000_0000),
            _ => return Err(FormatError::Malformed("a DAG-CBOR value has no length")),
        };
        ensure(argument >= least, "a DAG-CBOR number is not written in its shortest form")?;
        ensure(first >> 5 != MAJOR_SIMPLE, "a DAG-CBOR value has another type")?;
        Ok((first >> 5, argument))
    }
}

impl<'a> Keys<'a> {
    /// The next key; `None` at the end of the map. The caller has to read or to skip its value.
    pub(crate) fn next(&mut self, decoder: &mut Decoder<'a>) -> Result<Option<&'a str>, FormatError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let key = decoder.text("the length of a key", 255)?;
        let ascends = self.last.is_none_or(|last| (last.len(), last) < (key.len(), key));
        ensure(ascends, "the keys of a map are not in their order")?;
        self.last = Some(key);
        Ok(Some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out);
        out
    }

    #[test]
    fn numbers_have_the_encodings_of_the_specification() {
        // From appendix A of RFC 8949.
        for (number, bytes) in [
            (0, "00"),
            (23, "17"),
            (24, "1818"),
            (255, "18ff"),
            (256, "190100"),
            (65_536, "1a00010000"),
            (1_000_000_000_000, "1b000000e8d4a51000"),
        ] {
            let written: String =
                encoded(|out| put_uint(out, number)).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(written, bytes);
        }
    }

    #[test]
    fn every_value_and_back() {
        let bytes = encoded(|out| {
            put_array(out, 6);
            put_uint(out, 300);
            put_bytes(out, &[1, 2, 3]);
            put_link(out, &[9; 32]);
            put_null(out);
            put_bool(out, true);
            put_map(out, 2);
            put_text(out, "b");
            put_uint(out, 1);
            put_text(out, "aa");
            put_text(out, "é");
        });
        let mut decoder = Decoder::new(&bytes);
        decoder.array_of(6).unwrap();
        assert_eq!(decoder.uint("a number", 300), Ok(300));
        assert_eq!(decoder.bytes("bytes", 3), Ok(&[1, 2, 3][..]));
        assert_eq!(decoder.link(), Ok([9; 32]));
        assert!(decoder.null());
        assert_eq!(decoder.bool(), Ok(true));
        let mut keys = decoder.map().unwrap();
        assert_eq!(keys.next(&mut decoder), Ok(Some("b")));
        decoder.skip().unwrap();
        assert_eq!(keys.next(&mut decoder), Ok(Some("aa")));
        assert_eq!(decoder.text("a text", 2), Ok("é"));
        assert_eq!(keys.next(&mut decoder), Ok(None));
        decoder.end().unwrap();
        let mut whole = Decoder::new(&bytes);
        whole.skip().unwrap();
        whole.end().unwrap();
        for length in 0..bytes.len() {
            assert!(Decoder::new(&bytes[..length]).skip().is_err(), "{length} bytes");
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        let long_number = [0x18, 23];
        let unsorted = [0xa2, 0x62, b'a', b'a', 0, 0x61, b'b', 0];
        let repeated = [0xa2, 0x61, b'a', 0, 0x61, b'a', 0];
        let endless = [0x9f, 0xff];
        let nested = [0x81; 40];
        let huge = [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let other_tag = [0xc1, 0];
        for bytes in [&long_number[..], &unsorted, &repeated, &endless, &nested, &huge, &other_tag, &[0xf9, 0, 0], &[]]
        {
            assert!(Decoder::new(bytes).skip().is_err(), "{bytes:02x?}");
        }
    }
}
