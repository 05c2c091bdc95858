//! A row as both kinds of log give it: named cells and the line it starts on. Also the errors that end the reading of a
//! file.

use std::sync::Arc;

use crate::refusal::Refusal;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) line: u64,
    /// Number that no other row of the file has: the line for CSV, the event's number for XES.
    pub(crate) number: u64,
    /// Cells in the order of the file. Names are shared between rows.
    pub(crate) cells: Vec<(Arc<str>, String)>,
}

impl Row {
    /// Returns `None` if an event of XES lacks the attribute. A row of CSV has every column, though it may be empty.
    pub(crate) fn cell(&self, column: &str) -> Option<&str> {
        // A row has some fifteen cells, so a linear search is faster than hashing.
        self.cells.iter().find(|(name, _)| &**name == column).map(|(_, value)| value.as_str())
    }

    /// All values of a list. A column that ends with `/*` selects the values of every name below it.
    pub(crate) fn cells<'row>(&'row self, column: &'row str) -> impl Iterator<Item = &'row str> {
        let below = column.strip_suffix('*');
        let is_named = move |name: &str| match below {
            Some(below) => name.strip_prefix(below).is_some_and(|rest| !rest.contains('/')),
            None => name == column,
        };
        self.cells.iter().filter(move |(name, _)| is_named(name)).map(|(_, value)| value.as_str())
    }
}

/// A row that cannot be read. The rows after it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) line: u64,
    pub(crate) refusal: Refusal,
}

pub(crate) type Rows = Box<dyn Iterator<Item = Result<Result<Row, BadRow>, ReadError>> + Send>;

/// Nothing after this can be read. Rows that were read before remain valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Remedy: repair the disk, or fetch the file again.
    #[error("reading stopped at line {line}")]
    Io { line: u64, source: std::io::Error },
    /// Remedy: correct the file, which is no XML from here on.
    #[error("the log is broken at line {line}: {problem}")]
    Malformed { line: u64, problem: String },
}
