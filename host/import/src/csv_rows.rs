//! Reads rows of CSV: any delimiter, quotes, line ends within quotes, a byte-order mark. A row that does not fit the header, or is
//! not UTF-8, is given as bad, and the next one follows.

use std::io::{BufRead, Cursor, Read};
use std::sync::Arc;

use csv::ByteRecord;

use crate::Refusal;
use crate::line_starts::LineStarts;
use crate::rows::{BadRow, ReadError, Row};

/// A first line longer than this is no list of column names.
const HEADER_BYTES_MAX: u64 = 1024 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(crate) struct CsvRows<R> {
    reader: csv::Reader<Input<R>>,
    header: Vec<Arc<str>>,
    record: ByteRecord,
    is_over: bool,
}

type Input<R> = LineStarts<std::io::Chain<Cursor<Vec<u8>>, R>>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("it cannot be read")]
    Io(#[from] std::io::Error),
    #[error("it is empty; its first line must name the columns")]
    Empty,
    #[error("its first line, which must name the columns, is not UTF-8 text")]
    NotText,
}

impl<R: BufRead> CsvRows<R> {
    pub(crate) fn open(mut input: R, delimiter: Option<u8>) -> Result<Self, HeaderError> {
        let mut first_line = Vec::new();
        input.by_ref().take(HEADER_BYTES_MAX).read_until(b'\n', &mut first_line)?;
        if first_line.starts_with(BYTE_ORDER_MARK) {
            first_line.drain(..BYTE_ORDER_MARK.len());
        }
        let delimiter = delimiter.unwrap_or_else(|| most_frequent_delimiter(&first_line));
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            // The number of cells is checked here, so that a row with another number does not end the reading.
            .flexible(true)
            .from_reader(LineStarts::new(Cursor::new(first_line).chain(input)));
        let header = reader.byte_headers().map_err(into_io)?;
        if header.is_empty() {
            return Err(HeaderError::Empty);
        }
        let header: Result<_, _> = header.iter().map(|name| std::str::from_utf8(name).map(Arc::from)).collect();
        let header = header.map_err(|_| HeaderError::NotText)?;
        Ok(Self { reader, header, record: ByteRecord::new(), is_over: false })
    }

    pub(crate) fn header(&self) -> &[Arc<str>] {
        &self.header
    }

    fn row(&self, line: u64) -> Result<Row, BadRow> {
        let bad = |reason: &str, detail: String| BadRow { line, refusal: Refusal::new(reason, detail) };
        if self.record.len() != self.header.len() {
            let detail = format!("{} instead of {}", self.record.len(), self.header.len());
            return Err(bad("the row has another number of cells than the header", detail));
        }
        let mut cells = Vec::with_capacity(self.header.len());
        for (name, cell) in self.header.iter().zip(&self.record) {
            let text = std::str::from_utf8(cell)
                .map_err(|error| bad("the row is not UTF-8 text", format!("column {name:?}: {error}")))?;
            cells.push((Arc::clone(name), text.to_owned()));
        }
        Ok(Row { line, cells })
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<Result<Row, BadRow>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {
                let offset = self.record.position().map_or(0, csv::Position::byte);
                let line = self.reader.get_mut().line_from(offset);
                Some(Ok(self.row(line)))
            }
            Ok(false) => None,
            Err(error) => {
                self.is_over = true;
                let line = self.reader.position().line();
                Some(Err(ReadError::Io { line, source: into_io(error) }))
            }
        }
    }
}

/// What separates the most column names; what stands within quotes does not count.
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

/// Byte records of any length fail for no other reason than reading.
fn into_io(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
#[path = "csv_rows_tests.rs"]
mod tests;
