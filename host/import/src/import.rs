//! A log and a map together: the commands of a file, in its order. Finds out by name what kind of log it is and by content
//! whether it is compressed, and checks the map against the columns before giving the first.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::csv_rows::{CsvRows, HeaderError};
use crate::plan::PlannedCommand;
use crate::progress::Progress;
use crate::rows::{ReadError, Rows};
use crate::xes_rows::XesRows;
use crate::{Map, Refusal};

const READ_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: &[u8] = b"\x1F\x8B";

/// Nothing has been read. Name another file, or mend the map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    #[error("cannot read {file}")]
    Unreadable { file: String, source: std::io::Error },
    #[error("{file} is no log to import: {problem}")]
    NoLog { file: String, problem: String },
    #[error("the map and {file} do not fit: {problem}")]
    MapMisfit { file: String, problem: String },
}

/// One row and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Command(PlannedCommand),
    Refused { line: u64, refusal: Refusal },
}

pub struct Import {
    map: Map,
    rows: Rows,
    progress: Progress,
}

impl Import {
    pub fn open(file: &Path, map: Map) -> Result<Self, ImportError> {
        let name = file.display().to_string();
        let kind = LogKind::of(file).map_err(|problem| ImportError::NoLog { file: name.clone(), problem })?;
        let unreadable = |source| ImportError::Unreadable { file: name.clone(), source };
        let opened = File::open(file).map_err(unreadable)?;
        let bytes_total = opened.metadata().map_err(unreadable)?.len();
        let (counted, progress) = Progress::of(opened, bytes_total);
        let mut plain = BufReader::with_capacity(READ_BYTES, counted);
        let is_compressed = plain.fill_buf().map_err(unreadable)?.starts_with(GZIP_MAGIC);
        let input: Box<dyn BufRead + Send> = if is_compressed {
            Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        let rows: Rows = match kind {
            LogKind::Csv => {
                let rows = CsvRows::open(input, map.delimiter).map_err(|error| match error {
                    HeaderError::Io(source) => unreadable(source),
                    other => ImportError::NoLog { file: name.clone(), problem: other.to_string() },
                })?;
                check_columns(&map, rows.header()).map_err(|problem| ImportError::MapMisfit { file: name, problem })?;
                Box::new(rows)
            }
            LogKind::Xes => Box::new(XesRows::open(input)),
        };
        Ok(Self { map, rows, progress })
    }

    pub fn map(&self) -> &Map {
        &self.map
    }

    /// To be looked at from elsewhere while this is iterated over.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

/// In the file's order, so that rows of one aggregate follow each other as they should. Ends after an error.
impl Iterator for Import {
    type Item = Result<Step, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(match row {
            Err(bad) => Step::Refused { line: bad.line, refusal: bad.refusal },
            Ok(row) => match self.map.plan(&row) {
                Ok(command) => Step::Command(command),
                Err(refusal) => Step::Refused { line: row.line, refusal },
            },
        }))
    }
}

#[derive(Debug, Clone, Copy)]
enum LogKind {
    Csv,
    Xes,
}

impl LogKind {
    fn of(file: &Path) -> Result<Self, String> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        match name.strip_suffix(".gz").unwrap_or(&name).rsplit_once('.') {
            Some((_, "csv" | "tsv")) => Ok(Self::Csv),
            Some((_, "xes")) => Ok(Self::Xes),
            _ => Err(String::from("its name must end in .csv, .tsv or .xes, each also with .gz behind it")),
        }
    }
}

fn check_columns(map: &Map, header: &[Arc<str>]) -> Result<(), String> {
    for column in map.columns() {
        match header.iter().filter(|name| &***name == column).count() {
            1 => {}
            0 => {
                return Err(format!(
                    "the map names column {column:?}, and the file has only {}",
                    header.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
                ));
            }
            count => return Err(format!("the map names column {column:?}, which the file has {count} times")),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
