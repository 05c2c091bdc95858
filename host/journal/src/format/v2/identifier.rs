//! Identifiers of aggregates, commands and causes. To others they are texts. Here those texts that hold random bytes in
//! a known notation are kept as these bytes, because no compression makes them shorter.
//!
//! ```text
//! 0 | 16 bytes              a UUID
//! 1 | 32 bytes              a content id
//! 2 | letter | 16 bytes     a small letter, a colon, and a UUID
//! 3 | letter | 32 bytes     a small letter, a colon, and a content id
//! 3 + n | n bytes           any other text of n bytes, at least one
//! ```
//!
//! A text that one of the first four forms can hold is written in that form and in no other.

use super::base32::{CID_TEXT_BYTES, cid_text, parse_cid};
use super::error::{FormatError, ensure, within};
use super::limits::IDENTIFIER_BYTES_MAX;
use super::varint::{Cursor, put_number};

const UUID_TEXT_BYTES: usize = 36;
/// The places of the hyphens in a UUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const LETTER_AND_COLON_BYTES: usize = 2;
const TEXT_FORMS_FROM: u64 = 3;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// An identifier as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identifier<'a> {
    Text(&'a str),
    Uuid { letter: Option<char>, bytes: [u8; 16] },
    ContentId { letter: Option<char>, digest: [u8; 32] },
}

impl<'a> Identifier<'a> {
    /// Takes the form that holds this text.
    ///
    /// # Errors
    /// Fails if the text is empty, or longer than [`IDENTIFIER_BYTES_MAX`].
    pub(crate) fn of(text: &'a str) -> Result<Self, FormatError> {
        ensure(!text.is_empty(), "an identifier is empty")?;
        within("the length of an identifier", text.len() as u64, IDENTIFIER_BYTES_MAX)?;
        Ok(Self::in_form_of_bytes(text).unwrap_or(Self::Text(text)))
    }

    fn in_form_of_bytes(text: &str) -> Option<Self> {
        let (letter, rest) = match text.as_bytes() {
            [letter @ b'a'..=b'z', b':', ..] => (Some(char::from(*letter)), &text[2..]),
            _ => (None, text),
        };
        let uuid = parse_uuid(rest).map(|bytes| Self::Uuid { letter, bytes });
        uuid.or_else(|| Some(Self::ContentId { letter, digest: parse_cid(rest)? }))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uuid { letter: None, .. } => out.push(0),
            Self::ContentId { letter: None, .. } => out.push(1),
            Self::Uuid { letter: Some(letter), .. } => out.extend_from_slice(&[2, *letter as u8]),
            Self::ContentId { letter: Some(letter), .. } => out.extend_from_slice(&[3, *letter as u8]),
            Self::Text(text) => put_number(out, TEXT_FORMS_FROM + text.len() as u64),
        }
        out.extend_from_slice(match self {
            Self::Uuid { bytes, .. } => bytes,
            Self::ContentId { digest, .. } => digest,
            Self::Text(text) => text.as_bytes(),
        });
    }

    /// Length of the identifier as others see it, in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        let (letter, rest) = match self {
            Self::Text(text) => (&None, text.len()),
            Self::Uuid { letter, .. } => (letter, UUID_TEXT_BYTES),
            Self::ContentId { letter, .. } => (letter, CID_TEXT_BYTES),
        };
        rest + if letter.is_some() { LETTER_AND_COLON_BYTES } else { 0 }
    }

    /// Appends the identifier as others see it.
    pub(crate) fn append_text(&self, out: &mut Vec<u8>) {
        if let Self::Uuid { letter: Some(letter), .. } | Self::ContentId { letter: Some(letter), .. } = self {
            out.extend_from_slice(&[*letter as u8, b':']);
        }
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::ContentId { digest, .. } => out.extend_from_slice(cid_text(digest).as_bytes()),
            Self::Uuid { bytes, .. } => out.extend_from_slice(&uuid_text(bytes)),
        }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, FormatError> {
        let form = cursor.number_to("the form of an identifier", TEXT_FORMS_FROM + IDENTIFIER_BYTES_MAX)?;
        match form {
            0 => Ok(Self::Uuid { letter: None, bytes: cursor.array()? }),
            1 => Ok(Self::ContentId { letter: None, digest: cursor.array()? }),
            2 => Ok(Self::Uuid { letter: Some(read_letter(cursor)?), bytes: cursor.array()? }),
            3 => Ok(Self::ContentId { letter: Some(read_letter(cursor)?), digest: cursor.array()? }),
            _ => {
                let text = std::str::from_utf8(cursor.slice(form - TEXT_FORMS_FROM)?);
                let text = text.map_err(|_| FormatError::Malformed("an identifier is not UTF-8"))?;
                ensure(Self::in_form_of_bytes(text).is_none(), "an identifier is not written in its shortest form")?;
                Ok(Self::Text(text))
            }
        }
    }
}

/// Writes the identifier as others see it.
impl std::fmt::Display for Identifier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Self::Text(text) = self {
            return f.write_str(text);
        }
        let mut text = Vec::with_capacity(self.text_bytes());
        self.append_text(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

fn read_letter(cursor: &mut Cursor<'_>) -> Result<char, FormatError> {
    let letter = cursor.byte()?;
    ensure(letter.is_ascii_lowercase(), "an identifier begins with no small letter")?;
    Ok(char::from(letter))
}

fn uuid_text(bytes: &[u8; 16]) -> [u8; UUID_TEXT_BYTES] {
    let mut text = [b'-'; UUID_TEXT_BYTES];
    let places = (0..UUID_TEXT_BYTES).filter(|place| !HYPHENS.contains(place));
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (place, digit) in places.zip(digits) {
        text[place] = DIGITS[usize::from(digit)];
    }
    text
}

/// The bytes of a UUID in its common notation, with small letters; `None` if the text is not one.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; UUID_TEXT_BYTES] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    let mut digits = 0;
    for (place, letter) in text.iter().enumerate() {
        if HYPHENS.contains(&place) {
            (*letter == b'-').then_some(())?;
            continue;
        }
        let digit = match letter {
            b'0'..=b'9' => letter - b'0',
            b'a'..=b'f' => letter - b'a' + 10,
            _ => return None,
        };
        bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
        digits += 1;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn stored(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Identifier::of(text).unwrap().put(&mut out);
        out
    }

    #[test]
    fn identifiers_and_back() {
        let content_id = cid_text(&[7; 32]);
        for (text, length) in [
            ("o-1", 1 + 3),
            (UUID, 1 + 16),
            (&content_id, 1 + 32),
            (&format!("e:{content_id}"), 1 + 1 + 32),
            (&format!("p:{UUID}"), 1 + 1 + 16),
            (&UUID.to_uppercase(), 1 + 36),
            (&format!("P:{UUID}"), 1 + 38),
            (&UUID.replace('-', "0"), 1 + 36),
            ("a:", 1 + 2),
            (&"é".repeat(512), 2 + 1_024),
        ] {
            let bytes = stored(text);
            assert_eq!(bytes.len(), length, "{text}");
            let mut cursor = Cursor::new("an identifier", &bytes);
            let read = Identifier::read(&mut cursor).unwrap();
            assert_eq!((read.to_string().as_str(), read.text_bytes()), (text, text.len()));
            assert_eq!(Identifier::of(text), Ok(read));
            assert!(cursor.is_empty());
            for cut in 0..bytes.len() {
                assert!(Identifier::read(&mut Cursor::new("an identifier", &bytes[..cut])).is_err());
            }
        }
    }

    #[test]
    fn an_identifier_has_one_form() {
        for text in [UUID, &format!("x:{UUID}"), &cid_text(&[1; 32])] {
            let mut bytes = Vec::new();
            Identifier::Text(text).put(&mut bytes);
            let read = Identifier::read(&mut Cursor::new("an identifier", &bytes));
            assert_eq!(read, Err(FormatError::Malformed("an identifier is not written in its shortest form")));
        }
    }

    #[test]
    fn empty_and_endless_identifiers_are_refused() {
        assert!(Identifier::of("").is_err());
        assert!(Identifier::of(&"x".repeat(1_025)).is_err());
        assert!(Identifier::read(&mut Cursor::new("an identifier", &[2, b'A', 0])).is_err());
        let mut endless = Vec::new();
        put_number(&mut endless, u64::MAX);
        assert!(Identifier::read(&mut Cursor::new("an identifier", &endless)).is_err());
    }
}
