//! Numbers of variable length (LEB128) and byte strings preceded by their length. Reading is strict: each number has
//! exactly one encoding, its shortest.

use super::error::{FormatError, ensure, within};

/// A 64-bit number takes at most ten bytes of seven bits each.
const NUMBER_BYTES_MAX: usize = 10;

pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Maps a difference to a number without a sign, so that small differences in both directions are short.
pub(crate) fn zigzag(difference: i64) -> u64 {
    ((difference << 1) ^ (difference >> 63)) as u64
}

pub(crate) fn unzigzag(number: u64) -> i64 {
    ((number >> 1) as i64) ^ -((number & 1) as i64)
}

/// Reads values from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    /// What the bytes are, for errors.
    what: &'static str,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn cut_short(&self) -> FormatError {
        FormatError::CutShort(self.what)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, FormatError> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| self.cut_short())?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (first, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.cut_short())?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn slice(&mut self, length: u64) -> Result<&'a [u8], FormatError> {
        let length = usize::try_from(length).map_err(|_| self.cut_short())?;
        let (first, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.cut_short())?;
        self.rest = rest;
        Ok(first)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn number(&mut self) -> Result<u64, FormatError> {
        let mut value = 0_u64;
        for index in 0..NUMBER_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * index);
            ensure(shifted >> (7 * index) == bits, "a number does not fit into 64 bits")?;
            value |= shifted;
            if byte < 0x80 {
                ensure(byte > 0 || index == 0, "a number is not written in its shortest form")?;
                return Ok(value);
            }
        }
        Err(FormatError::Malformed("a number does not fit into 64 bits"))
    }

    /// A number within a limit.
    pub(crate) fn number_to(&mut self, what: &'static str, max: u64) -> Result<u64, FormatError> {
        let number = self.number()?;
        within(what, number, max)?;
        Ok(number)
    }

    /// Bytes preceded by their length, which is within a limit.
    pub(crate) fn blob_to(&mut self, what: &'static str, max: u64) -> Result<&'a [u8], FormatError> {
        let length = self.number_to(what, max)?;
        self.slice(length)
    }

    /// A text preceded by its length in bytes, which is within a limit.
    pub(crate) fn text_to(&mut self, what: &'static str, max: u64) -> Result<&'a str, FormatError> {
        std::str::from_utf8(self.blob_to(what, max)?).map_err(|_| FormatError::Malformed("a text is not UTF-8"))
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> Result<(), FormatError> {
        ensure(self.rest.is_empty(), "more bytes follow than the format allows")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), 1 << 56, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, value);
            let mut cursor = Cursor::new("a number", &bytes);
            assert_eq!(cursor.number(), Ok(value));
            assert!(cursor.is_empty());
            let mut cut = Cursor::new("a number", &bytes[..bytes.len() - 1]);
            assert_eq!(cut.number(), Err(FormatError::CutShort("a number")), "{value}");
        }
    }

    #[test]
    fn a_number_has_one_encoding() {
        for bytes in
            [&[0x80, 0][..], &[0xff, 0x80, 0], &[0xff; 20], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert!(matches!(Cursor::new("a number", bytes).number(), Err(FormatError::Malformed(_))), "{bytes:?}");
        }
    }

    #[test]
    fn differences_and_back() {
        for difference in [0, 1, -1, 63, -64, 1 << 52, -(1 << 52), i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(difference)), difference);
        }
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
    }
}
