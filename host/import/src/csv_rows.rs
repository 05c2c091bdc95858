//! Reads rows of CSV: any delimiter, quotes, line ends within quotes, `sep=` in the first line. A row is bad if it does
//! not fit the header, is not UTF-8, has invalid quotes or is too large. The rows after it are still read.

use std::io::BufRead;
use std::sync::Arc;

use crate::csv_scan::{CELL_BYTES_MAX, Cells, CsvProblem, Scanned, scan};
use crate::csv_window::{ROW_BYTES_MAX, Window};
use crate::refusal::{Refusal, shown};
use crate::rows::{BadRow, ReadError, Row};

/// Prefix of the line before the header in which spreadsheets name the delimiter.
const SEPARATOR: &[u8] = b"sep=";

pub(crate) struct CsvRows<R> {
    window: Window<R>,
    delimiter: u8,
    header: Vec<Arc<str>>,
    cells: Cells,
    is_over: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("it cannot be read")]
    Io(#[from] std::io::Error),
    #[error("it is empty; its first line must name the columns")]
    Empty,
    #[error(
        "its first line, which must name the columns, is not UTF-8 text: encoding = \"windows-1252\" in the map declares another encoding"
    )]
    NotText,
    #[error("its first line, which must name the columns, cannot be read: {0}")]
    Bad(Refusal),
}

impl<R: BufRead> CsvRows<R> {
    /// Opens a file with `skip_lines` lines before the header.
    pub(crate) fn open(input: R, delimiter: Option<u8>, skip_lines: u64) -> Result<Self, HeaderError> {
        let mut window = Window::new(input);
        for _ in 0..skip_lines {
            window.skip_line()?;
        }
        let separator = separator(window.first_line()?);
        if separator.is_some() {
            window.skip_line()?;
        }
        let delimiter = match delimiter.or(separator) {
            Some(delimiter) => delimiter,
            None => most_frequent_delimiter(window.first_line()?),
        };
        let mut rows = Self { window, delimiter, header: Vec::new(), cells: Cells::default(), is_over: false };
        match rows.next_scanned()? {
            None => return Err(HeaderError::Empty),
            Some((_, Err(refusal))) => return Err(HeaderError::Bad(refusal)),
            Some((_, Ok(()))) => {}
        }
        let header: Result<_, _> = rows.cells.iter().map(|name| std::str::from_utf8(name).map(Arc::from)).collect();
        rows.header = header.map_err(|_| HeaderError::NotText)?;
        Ok(rows)
    }

    pub(crate) fn header(&self) -> &[Arc<str>] {
        &self.header
    }

    /// Reads the next row. Returns its line, and a refusal if the row itself is bad; `cells` holds its cells. `None` at
    /// the end.
    fn next_scanned(&mut self) -> std::io::Result<Option<(u64, Result<(), Refusal>)>> {
        loop {
            let is_at_end = self.window.is_at_end();
            if self.window.bytes().is_empty() && is_at_end {
                return Ok(None);
            }
            let scanned = scan(self.window.bytes(), self.delimiter, is_at_end, &mut self.cells);
            let line = self.window.line();
            match scanned {
                Scanned::More if self.window.is_full() => {
                    self.window.skip_line()?;
                    return Ok(Some((line, Err(too_large("row", ROW_BYTES_MAX)))));
                }
                Scanned::More => self.window.more()?,
                Scanned::EmptyLine { bytes } => self.window.consume(bytes),
                Scanned::Row { bytes } => {
                    self.window.consume(bytes);
                    return Ok(Some((line, self.check_sizes())));
                }
                Scanned::Bad { bytes, problem } => {
                    let refusal = refusal(&problem, self.window.bytes(), line);
                    self.consume_line(bytes)?;
                    return Ok(Some((line, Err(refusal))));
                }
            }
        }
    }

    /// Consumes `bytes`, which reach to a line end, or the whole line if it continues in later bytes.
    fn consume_line(&mut self, bytes: usize) -> std::io::Result<()> {
        let consumed = &self.window.bytes()[..bytes];
        let has_ended = matches!(consumed.last(), Some(b'\r' | b'\n'));
        // The scanned bytes may end between a carriage return and its line feed.
        let is_whole = has_ended && (consumed.last() == Some(&b'\n') || bytes < self.window.bytes().len());
        if is_whole || self.window.is_at_end() {
            self.window.consume(bytes);
            return Ok(());
        }
        self.window.consume(bytes - usize::from(has_ended));
        self.window.skip_line()
    }

    fn check_sizes(&self) -> Result<(), Refusal> {
        match self.cells.iter().any(|cell| cell.len() > CELL_BYTES_MAX) {
            true => Err(too_large("cell", CELL_BYTES_MAX)),
            false => Ok(()),
        }
    }

    fn row(&self, line: u64) -> Result<Row, BadRow> {
        let bad = |reason: &str, detail: String| BadRow { line, refusal: Refusal::new(reason, detail) };
        if self.cells.len() != self.header.len() {
            let detail = format!("{} instead of {}", self.cells.len(), self.header.len());
            return Err(bad("the row has another number of cells than the header", detail));
        }
        let mut cells = Vec::with_capacity(self.header.len());
        for (name, cell) in self.header.iter().zip(self.cells.iter()) {
            let remedy = "encoding = \"windows-1252\" in the map declares another encoding";
            let text = std::str::from_utf8(cell)
                .map_err(|error| bad("the row is not UTF-8 text", format!("column {name:?}: {error}; {remedy}")))?;
            cells.push((Arc::clone(name), text.to_owned()));
        }
        // The line identifies a row, and stays the same when an earlier row is corrected.
        Ok(Row { line, number: line, cells })
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<Result<Row, BadRow>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.next_scanned() {
            Ok(Some((line, Ok(())))) => Some(Ok(self.row(line))),
            Ok(Some((line, Err(refusal)))) => Some(Ok(Err(BadRow { line, refusal }))),
            Ok(None) => {
                self.is_over = true;
                None
            }
            Err(source) => {
                self.is_over = true;
                Some(Err(ReadError::Io { line: self.window.line(), source }))
            }
        }
    }
}

fn too_large(what: &str, bytes_max: usize) -> Refusal {
    Refusal::new(format!("a {what} has more than {bytes_max} bytes"), "is there a quote that is never closed?")
}

fn refusal(problem: &CsvProblem, bytes: &[u8], line: u64) -> Refusal {
    match *problem {
        CsvProblem::UnclosedQuote { cell, at } => {
            let line = line + line_ends(&bytes[..at]);
            let remedy = "a quote inside a cell is written twice; the lines after it are read as rows of their own";
            Refusal::new(
                "a quote opens a cell and nothing closes it",
                format!("cell {cell}, on line {line}, within {CELL_BYTES_MAX} bytes; {remedy}"),
            )
        }
        CsvProblem::AfterQuote { cell, at } => {
            let after = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 80)]).into_owned();
            let after = after.lines().next().unwrap_or_default();
            let (first, last) = (line, line + line_ends(&bytes[..at]));
            let lines =
                if first == last { String::new() } else { format!("; the row reaches from line {first} to {last}") };
            let detail =
                format!("cell {cell} is followed by {}{lines}; a quote inside a cell is written twice", shown(after));
            Refusal::new("a closing quote is not followed by a delimiter", detail)
        }
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    let is_end = |at: &usize| bytes[*at] == b'\n' || (bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    (0..bytes.len()).filter(is_end).count() as u64
}

/// Delimiter in a line such as `sep=;`, with or without quotes around it.
fn separator(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, separator) = line.split_at_checked(SEPARATOR.len())?;
    match separator {
        [byte] if name.eq_ignore_ascii_case(SEPARATOR) && byte.is_ascii() => Some(*byte),
        _ => None,
    }
}

/// The candidate that is most frequent in the header, outside of quotes.
fn most_frequent_delimiter(first_line: &[u8]) -> u8 {
    const CANDIDATES: [u8; 4] = *b",;\t|";
    let mut counts = [0_usize; CANDIDATES.len()];
    let mut within_quotes = false;
    for byte in first_line {
        within_quotes ^= *byte == b'"';
        if let Some(index) = CANDIDATES.iter().position(|candidate| candidate == byte).filter(|_| !within_quotes) {
            counts[index] += 1;
        }
    }
    let mut best = 0;
    for index in 1..CANDIDATES.len() {
        if counts[index] > counts[best] {
            best = index;
        }
    }
    CANDIDATES[best]
}

#[cfg(test)]
#[path = "csv_rows_tests.rs"]
mod tests;
