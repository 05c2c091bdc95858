//! A log and a map together: the commands of a file, in its order. The kind of log follows from the file's name, and
//! the compression from its content. The map is checked against the columns before the first command.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::csv_rows::{CsvRows, HeaderError};
use crate::encoding::{EncodingError, Input, as_utf8};
use crate::map::{FileForm, LogKind, Map};
use crate::plan::PlannedCommand;
use crate::progress::Progress;
use crate::refusal::Refusal;
use crate::row_ids::Keys;
use crate::rows::{ReadError, Rows};
use crate::xes_rows::XesRows;

const READ_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: &[u8] = b"\x1F\x8B";
/// The name of standard input.
const STDIN: &str = "-";

/// Nothing was imported. Remedy: name another file, or correct the map.
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

/// Outcome of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Command(PlannedCommand),
    /// The map skips the row.
    Skipped,
    Refused {
        line: u64,
        refusal: Refusal,
    },
}

pub struct Import {
    map: Map,
    rows: Rows,
    keys: Keys,
    progress: Progress,
}

impl Import {
    /// Opens a log. `-` is standard input.
    pub fn open(file: &Path, map: Map) -> Result<Self, ImportError> {
        let is_stdin = file == Path::new(STDIN);
        let name = if is_stdin { String::from("standard input") } else { file.display().to_string() };
        let no_log = |problem| ImportError::NoLog { file: name.clone(), problem };
        let kind = match (map.file.kind, is_stdin) {
            (Some(kind), _) => Some(kind),
            (None, true) => None,
            (None, false) => Some(kind_of(file).map_err(no_log)?),
        };
        let unreadable = |source| ImportError::Unreadable { file: name.clone(), source };
        let (input, progress) = open(file, is_stdin).map_err(unreadable)?;
        let (input, is_xml) = as_utf8(input, map.file.encoding).map_err(|error| match error {
            EncodingError::Io(source) => unreadable(source),
            other => no_log(other.to_string()),
        })?;
        let rows: Rows = match kind.unwrap_or(if is_xml { LogKind::Xes } else { LogKind::Csv }) {
            LogKind::Csv => {
                let FileForm { delimiter, skip_lines, .. } = map.file;
                let rows = CsvRows::open(input, delimiter, skip_lines).map_err(|error| match error {
                    HeaderError::Io(source) => unreadable(source),
                    other => no_log(other.to_string()),
                })?;
                let misfit = |problem| ImportError::MapMisfit { file: name.clone(), problem };
                check_columns(&map, rows.header()).map_err(misfit)?;
                Box::new(rows)
            }
            LogKind::Xes => Box::new(XesRows::open(input)),
        };
        Ok(Self { map, rows, keys: Keys::default(), progress })
    }

    /// The progress, which another thread can read while this is iterated over.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

/// Returns steps in the order of the file, so that rows of one aggregate keep their order. Ends after an error.
impl Iterator for Import {
    type Item = Result<Step, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let step = match row {
            Err(bad) => Step::Refused { line: bad.line, refusal: bad.refusal },
            Ok(row) => match self.map.plan(&row, &mut self.keys) {
                Ok(Some(command)) => Step::Command(command),
                Ok(None) => Step::Skipped,
                Err(refusal) => Step::Refused { line: row.line, refusal },
            },
        };
        self.progress.set_uncompared_keys(self.keys.uncounted);
        Some(Ok(step))
    }
}

fn open(file: &Path, is_stdin: bool) -> std::io::Result<(Input, Progress)> {
    let (source, bytes_total): (Box<dyn Read + Send>, u64) = match is_stdin {
        true => (Box::new(std::io::stdin()), 0),
        false => {
            let opened = File::open(file)?;
            let bytes = opened.metadata()?.len();
            (Box::new(opened), bytes)
        }
    };
    let (counted, progress) = Progress::of(source, bytes_total);
    let mut plain = BufReader::with_capacity(READ_BYTES, counted);
    let input: Input = match plain.fill_buf()?.starts_with(GZIP_MAGIC) {
        true => Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(plain))),
        false => Box::new(plain),
    };
    Ok((input, progress))
}

fn kind_of(file: &Path) -> Result<LogKind, String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    match name.strip_suffix(".gz").unwrap_or(&name).rsplit_once('.') {
        Some((_, "csv" | "tsv")) => Ok(LogKind::Csv),
        Some((_, "xes")) => Ok(LogKind::Xes),
        _ => Err(String::from(
            "its name must end in .csv, .tsv or .xes, each also with .gz behind it, or the map must say kind = \"csv\" or kind = \"xes\"",
        )),
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
