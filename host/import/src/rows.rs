//! A row as both kinds of log give it: named cells and the line it starts on. Also what ends the reading of a file.

use std::sync::Arc;

use crate::Refusal;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) line: u64,
    /// Tells the row from all others of its file: the line of CSV, or which event of XES it is.
    pub(crate) number: u64,
    /// In the file's order. Names are shared between rows.
    pub(crate) cells: Vec<(Arc<str>, String)>,
}

impl Row {
    /// `None` where a log of events simply lacks the attribute. A row of CSV has every column, if only empty.
    pub(crate) fn cell(&self, column: &str) -> Option<&str> {
        // A row has some fifteen cells: looking through them beats hashing.
        self.cells.iter().find(|(name, _)| &**name == column).map(|(_, value)| value.as_str())
    }

    /// All values of a list. A column that ends with `/*` names the values of any name below it.
    pub(crate) fn cells<'row>(&'row self, column: &'row str) -> impl Iterator<Item = &'row str> {
        let below = column.strip_suffix('*');
        let is_named = move |name: &str| match below {
            Some(below) => name.strip_prefix(below).is_some_and(|rest| !rest.contains('/')),
            None => name == column,
        };
        self.cells.iter().filter(move |(name, _)| is_named(name)).map(|(_, value)| value.as_str())
    }
}

/// A row that is there but cannot be understood. The rows after it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) line: u64,
    pub(crate) refusal: Refusal,
}

pub(crate) type Rows = Box<dyn Iterator<Item = Result<Result<Row, BadRow>, ReadError>> + Send>;

/// Nothing after this can be read. What was read before stands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Mend the disk or fetch the file again.
    #[error("reading stopped at line {line}")]
    Io { line: u64, source: std::io::Error },
    /// Mend the file: it is no XML from here on.
    #[error("the log is broken at line {line}: {problem}")]
    Malformed { line: u64, problem: String },
}
