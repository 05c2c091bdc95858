//! Writes acknowledgements to a file as they arrive, so that they can be compared with the history later.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use polder_core::CommandAck;
use serde::Serialize;

pub(crate) struct Acks {
    path: PathBuf,
    file: BufWriter<File>,
}

#[derive(Serialize)]
struct Line<'a> {
    line: u64,
    #[serde(flatten)]
    acknowledgement: &'a CommandAck,
}

impl Acks {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write acknowledgements to {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Writes one acknowledgement. Set `flush` if no other one waits to be written, so that readers see this one.
    pub(crate) fn write(&mut self, line: u64, acknowledgement: &CommandAck, flush: bool) -> Result<()> {
        let written = serde_json::to_string(&Line { line, acknowledgement })
            .map_err(std::io::Error::from)
            .and_then(|text| writeln!(self.file, "{text}"))
            .and_then(|()| if flush { self.file.flush() } else { Ok(()) });
        written.with_context(|| format!("cannot write acknowledgements to {}", self.path.display()))
    }
}
