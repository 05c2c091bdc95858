//! `polder build`: turns a domain crate into a wasm file that a host accepts.

use std::path::PathBuf;

use clap::Args;

use crate::domain_crate;
use crate::failure::Outcome;
use crate::output::Output;

/// Build a domain crate and check the result as a host would.
#[derive(Args)]
pub(crate) struct Build {
    /// The crate's folder.
    #[arg(long, default_value = ".", value_name = "DIR")]
    path: PathBuf,
}

impl Build {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let built = domain_crate::build(&self.path, output)?;
        let (file, domain) = (built.file.display(), &built.component.descriptor.domain);
        let revision = built.component.revision;
        let answer = serde_json::json!({
            "file": file.to_string(), "bytes": built.bytes, "domain": domain, "revision": revision,
        });
        output.answer(&answer, || {
            format!("{file}: domain {domain}, {} KiB, revision {}", built.bytes.div_ceil(1024), revision.short())
        })
    }
}
