//! Finds the first row in some bytes of CSV. It is strict where other readers guess: a quote that is not closed makes a
//! bad row, and so does anything but a delimiter or a line end after a closing quote. Pure; knows nothing of files.

use std::ops::Range;

/// Largest cell in bytes. A larger one is refused with its row.
pub(crate) const CELL_BYTES_MAX: usize = 1024 * 1024;

const QUOTE: u8 = b'"';

/// What the bytes begin with. `bytes` is its length, line end included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scanned {
    Row {
        bytes: usize,
    },
    EmptyLine {
        bytes: usize,
    },
    Bad {
        bytes: usize,
        problem: CsvProblem,
    },
    /// The row does not end in these bytes.
    More,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CsvProblem {
    /// A quote that is never closed. `cell` counts from 1, and `at` is the offset of the quote.
    UnclosedQuote { cell: usize, at: usize },
    /// Text after a closing quote. `at` is the offset of the text.
    AfterQuote { cell: usize, at: usize },
}

/// The cells of one row. Reused for each row, so that reading allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.text[std::mem::replace(&mut start, *end)..*end])
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    fn end(&mut self) {
        self.ends.push(self.text.len());
    }
}

/// Scans one row. `is_end` means that nothing follows these bytes.
pub(crate) fn scan(bytes: &[u8], delimiter: u8, is_end: bool, cells: &mut Cells) -> Scanned {
    cells.clear();
    if let Some(ended) = line_end(bytes, 0, is_end) {
        return ended.map_or(Scanned::More, |end| Scanned::EmptyLine { bytes: end });
    }
    let mut at = 0;
    loop {
        at = match bytes.get(at) {
            Some(&QUOTE) => match quoted(bytes, at, cells) {
                Ok(Some(after)) => after,
                Ok(None) if !is_end => return Scanned::More,
                Ok(None) | Err(TooLong) => {
                    let problem = CsvProblem::UnclosedQuote { cell: cells.len() + 1, at };
                    return Scanned::Bad { bytes: after_line(bytes, at), problem };
                }
            },
            _ => plain(bytes, at, delimiter, cells),
        };
        match bytes.get(at) {
            Some(byte) if *byte == delimiter => {
                cells.end();
                at += 1;
            }
            None if is_end => {
                cells.end();
                return Scanned::Row { bytes: at };
            }
            None => return Scanned::More,
            Some(b'\r' | b'\n') => {
                cells.end();
                return match line_end(bytes, at, is_end) {
                    Some(Some(end)) => Scanned::Row { bytes: end },
                    _ => Scanned::More,
                };
            }
            Some(_) => {
                let problem = CsvProblem::AfterQuote { cell: cells.len() + 1, at };
                return Scanned::Bad { bytes: after_line(bytes, at), problem };
            }
        }
    }
}

/// End of the line that `at` is on, line end included; the length of `bytes` if the line does not end in them.
fn after_line(bytes: &[u8], at: usize) -> usize {
    let Some(found) = bytes[at..].iter().position(|byte| matches!(byte, b'\r' | b'\n')) else { return bytes.len() };
    let found = at + found;
    // If the line feed comes in later bytes, it counts as an empty line.
    if bytes[found..].starts_with(b"\r\n") { found + 2 } else { found + 1 }
}

/// Returns `None` if there is no line end at `at`. Returns `Some(None)` if a line feed may follow in later bytes.
fn line_end(bytes: &[u8], at: usize, is_end: bool) -> Option<Option<usize>> {
    match (bytes.get(at)?, bytes.get(at + 1)) {
        (b'\n', _) => Some(Some(at + 1)),
        (b'\r', Some(b'\n')) => Some(Some(at + 2)),
        (b'\r', None) if !is_end => Some(None),
        (b'\r', _) => Some(Some(at + 1)),
        _ => None,
    }
}

/// Reads a cell without quotes, up to the delimiter or line end. A quote in the middle of a cell is text.
fn plain(bytes: &[u8], at: usize, delimiter: u8, cells: &mut Cells) -> usize {
    let rest = &bytes[at..];
    let length = rest.iter().position(|byte| *byte == delimiter || matches!(byte, b'\r' | b'\n'));
    let length = length.unwrap_or(rest.len());
    cells.text.extend_from_slice(&rest[..length]);
    at + length
}

struct TooLong;

/// Reads a quoted cell, and returns the offset after the closing quote; `None` if the closing quote is not in these
/// bytes.
fn quoted(bytes: &[u8], at: usize, cells: &mut Cells) -> Result<Option<usize>, TooLong> {
    let mut part = Range { start: at + 1, end: at + 1 };
    let start = cells.text.len();
    while let Some(found) = bytes[part.start..].iter().position(|byte| *byte == QUOTE) {
        part.end = part.start + found;
        cells.text.extend_from_slice(&bytes[part.clone()]);
        if cells.text.len() - start > CELL_BYTES_MAX {
            return Err(TooLong);
        }
        match bytes.get(part.end + 1) {
            Some(&QUOTE) => {
                cells.text.push(QUOTE);
                part.start = part.end + 2;
            }
            _ => return Ok(Some(part.end + 1)),
        }
    }
    if cells.text.len() - start + (bytes.len() - part.start) > CELL_BYTES_MAX { Err(TooLong) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str, is_end: bool) -> (Scanned, Vec<String>) {
        let mut cells = Cells::default();
        let scanned = scan(text.as_bytes(), b',', is_end, &mut cells);
        (scanned, cells.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect())
    }

    #[test]
    fn a_row_ends_with_its_line() {
        for (text, bytes, wanted) in [
            ("a,b\nc", 4, vec!["a", "b"]),
            ("a,\r\nc", 4, vec!["a", ""]),
            ("\"a\"\"b\",\"c\nd\"\re", 13, vec!["a\"b", "c\nd"]),
            ("5\" pipe,b\n", 10, vec!["5\" pipe", "b"]),
            (",\"\"\n", 4, vec!["", ""]),
        ] {
            assert_eq!(
                scanned(text, false),
                (Scanned::Row { bytes }, wanted.iter().map(|cell| cell.to_string()).collect())
            );
        }
        assert_eq!(scanned("\r\na", false).0, Scanned::EmptyLine { bytes: 2 });
        assert_eq!(scanned("a,\"b\"", true), (Scanned::Row { bytes: 5 }, vec![String::from("a"), String::from("b")]));
    }

    #[test]
    fn an_incomplete_row_needs_more_bytes() {
        for text in ["", "a", "a,", "a,b\r", "\"a", "\"a\"", "\"a\n", "\r"] {
            assert_eq!(scanned(text, false).0, Scanned::More, "{text:?}");
        }
    }

    #[test]
    fn quotes_that_make_no_sense_are_bad_rows_of_one_line() {
        let (bad, _) = scanned("a,\"5 inch\nb,c\n", true);
        assert_eq!(bad, Scanned::Bad { bytes: 10, problem: CsvProblem::UnclosedQuote { cell: 2, at: 2 } });
        let (bad, _) = scanned("\"12\" pipe\",x\nb,c\n", false);
        assert_eq!(bad, Scanned::Bad { bytes: 13, problem: CsvProblem::AfterQuote { cell: 1, at: 4 } });
        let endless = format!("\"{}\n{}", "x".repeat(10), "y".repeat(CELL_BYTES_MAX));
        let (bad, _) = scanned(&endless, false);
        assert_eq!(bad, Scanned::Bad { bytes: 12, problem: CsvProblem::UnclosedQuote { cell: 1, at: 0 } });
    }
}
