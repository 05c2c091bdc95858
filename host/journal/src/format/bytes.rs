//! Numbers and texts as bytes, for records and index values: variable-length numbers (LEB128), and texts preceded by
//! their length. Reading never panics; it returns `None` for what cannot be read.

/// A 64-bit number takes at most ten bytes of seven bits each.
const NUMBER_BYTES_MAX: usize = 10;

pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Reads values from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*first)
    }

    pub(crate) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(first)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for index in 0..NUMBER_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * index);
            if shifted >> (7 * index) != bits {
                return None;
            }
            value |= shifted;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Bytes preceded by their length.
    pub(crate) fn blob(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.slice(length)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.blob()?).ok()
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
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.number(), Some(value));
            assert!(cursor.rest().is_empty());
            assert_eq!(Cursor::new(&bytes[..bytes.len() - 1]).number(), None, "{value} cut short");
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused() {
        let mut bytes = [0xff; NUMBER_BYTES_MAX];
        bytes[NUMBER_BYTES_MAX - 1] = 2;
        assert_eq!(Cursor::new(&bytes).number(), None);
        assert_eq!(Cursor::new(&[0xff; 20]).number(), None);
    }

    #[test]
    fn a_text_longer_than_what_is_there_is_refused() {
        let mut bytes = Vec::new();
        put_text(&mut bytes, b"abc");
        assert_eq!(Cursor::new(&bytes).text(), Some("abc"));
        assert_eq!(Cursor::new(&bytes[..3]).text(), None);
        bytes[1] = 0xff;
        assert_eq!(Cursor::new(&bytes).text(), None, "not UTF-8");
    }
}
