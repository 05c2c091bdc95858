//! Converts a log to UTF-8 from the encoding that its byte-order mark, the map or its XML declaration names. Invalid
//! bytes become a byte that UTF-8 does not have, so that the row with them is refused.

use std::io::{BufRead, Cursor, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes that are examined to find the encoding. An XML declaration is shorter.
const HEAD_BYTES: u64 = 1_024;
/// Bytes of UTF-8 that are decoded at a time.
const DECODED_BYTES: usize = 64 * 1024;
/// A byte that no UTF-8 text contains.
const MALFORMED: u8 = 0xFF;

pub(crate) type Input = Box<dyn BufRead + Send>;

/// Returns the encoding for one of its names on the web.
pub(crate) fn by_name(name: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(name.as_bytes()).ok_or_else(|| {
        format!("{name:?} is no encoding: write utf-8, windows-1252, iso-8859-15, utf-16le or another name that browsers know")
    })
}

/// Returns the log as UTF-8 without a byte-order mark, and whether it begins like XML. A byte-order mark has precedence
/// over the map, and the map over the XML declaration.
pub(crate) fn as_utf8(mut input: Input, declared: Option<&'static Encoding>) -> Result<(Input, bool), EncodingError> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    let (encoding, mark_bytes) = match Encoding::for_bom(&head) {
        Some(found) => found,
        None => (declared.map_or_else(|| of_xml(&head), Ok).map_err(EncodingError::Unknown)?, 0),
    };
    head.drain(..mark_bytes);
    let whole = Cursor::new(head).chain(input);
    let mut utf8: Input = match encoding == UTF_8 {
        true => Box::new(whole),
        false => Box::new(Decoded::new(whole, encoding)),
    };
    let is_xml = utf8.fill_buf()?.trim_ascii_start().starts_with(b"<");
    Ok((utf8, is_xml))
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodingError {
    #[error("it cannot be read")]
    Io(#[from] std::io::Error),
    #[error("it declares an encoding that is not known: {0}")]
    Unknown(String),
}

/// The encoding of an XML declaration; UTF-8 if none is named.
fn of_xml(head: &[u8]) -> Result<&'static Encoding, String> {
    if head.starts_with(b"<\0") {
        return Ok(UTF_16LE);
    }
    if head.starts_with(b"\0<") {
        return Ok(UTF_16BE);
    }
    match declared_by_xml(head) {
        // A declaration that is readable byte by byte cannot be in UTF-16.
        Some(name) => by_name(&name).map(|named| if [UTF_16LE, UTF_16BE].contains(&named) { UTF_8 } else { named }),
        None => Ok(UTF_8),
    }
}

/// The name in `<?xml … encoding="…"?>`.
fn declared_by_xml(head: &[u8]) -> Option<String> {
    let head = head.strip_prefix(b"<?xml")?;
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let declaration = String::from_utf8_lossy(&head[..end]).into_owned();
    let (_, after) = declaration.split_once("encoding")?;
    let after = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = after.chars().next().filter(|quote| "\"'".contains(*quote))?;
    Some(after[1..].split_once(quote)?.0.to_owned())
}

struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    decoded: Vec<u8>,
    /// Start of the bytes of `decoded` that are not consumed yet.
    start: usize,
    end: usize,
    is_over: bool,
}

impl<R: BufRead> Decoded<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_without_bom_handling();
        Self { inner, decoder, decoded: vec![0; DECODED_BYTES], start: 0, end: 0, is_over: false }
    }

    fn decode(&mut self) -> std::io::Result<()> {
        (self.start, self.end) = (0, 0);
        while self.end == 0 && !self.is_over {
            let bytes = self.inner.fill_buf()?;
            let is_last = bytes.is_empty();
            // The last byte of the buffer is reserved for the mark of a malformed sequence.
            let room = self.decoded.len() - 1;
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.decoded[..room], is_last);
            self.inner.consume(read);
            self.end = written;
            match result {
                DecoderResult::InputEmpty => self.is_over = is_last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    self.decoded[written] = MALFORMED;
                    self.end += 1;
                }
            }
        }
        Ok(())
    }
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.start == self.end {
            self.decode()?;
        }
        Ok(&self.decoded[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = self.end.min(self.start + amount);
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], declared: Option<&str>) -> Vec<u8> {
        let declared = declared.map(|name| by_name(name).unwrap());
        let (mut utf8, _) = as_utf8(Box::new(Cursor::new(bytes.to_vec())), declared).unwrap();
        let mut text = Vec::new();
        utf8.read_to_end(&mut text).unwrap();
        text
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn each_encoding_is_read_wherever_it_is_named() {
        let xml = "<?xml version=\"1.0\" encoding='windows-1252'?><a>caf\u{e9}</a>";
        let latin: Vec<u8> = xml.chars().map(|character| character as u8).collect();
        assert_eq!(read(&latin, None), xml.as_bytes());
        assert_eq!(read(b"na\xEFve \x80", Some("windows-1252")), "na\u{ef}ve \u{20ac}".as_bytes());
        assert_eq!(read("\u{feff}a\u{e9}".as_bytes(), Some("windows-1252")), "a\u{e9}".as_bytes());
        let text = "\u{feff}<a>\u{e9}\u{1f600}</a>";
        for bytes in [utf16(text, u16::to_le_bytes), utf16(text, u16::to_be_bytes)] {
            assert_eq!(read(&bytes, None), &text.as_bytes()[3..]);
        }
        let without_mark = utf16("<a>\u{e9}</a>", u16::to_le_bytes);
        assert_eq!(read(&without_mark, None), "<a>\u{e9}</a>".as_bytes());
        assert_eq!(read(&utf16("a,b", u16::to_be_bytes), Some("utf-16be")), b"a,b");
        // Text that is larger than the decode buffer.
        let large = "\u{e9}x".repeat(DECODED_BYTES);
        assert_eq!(read(&utf16(&large, u16::to_le_bytes), Some("utf-16le")), large.as_bytes());
    }

    #[test]
    fn malformed_bytes_are_marked_and_the_rest_is_read() {
        let mut bytes = utf16("a", u16::to_le_bytes);
        bytes.extend_from_slice(&[0x00, 0xD8]);
        bytes.extend(utf16("b", u16::to_le_bytes));
        assert_eq!(read(&bytes, Some("utf-16le")), b"a\xFFb");
        assert_eq!(read(b"a\xFFb", None), b"a\xFFb");
    }

    #[test]
    fn an_unknown_encoding_is_named() {
        let declared = as_utf8(Box::new(&b"<?xml encoding=\"ebcdic-37\"?>"[..]), None);
        assert!(declared.err().unwrap().to_string().contains("\"ebcdic-37\""));
        assert!(by_name("klingon").unwrap_err().contains("windows-1252"));
    }
}
