//! `polder test`: runs a domain's own tests, and then their cases once more through the compiled component.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context;
use clap::Args;
use polder_core::{Limits, counted};

use crate::domain_crate;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// The variable that names the folder to which the SDK's test kit writes its cases.
const CASES_VARIABLE: &str = "POLDER_CASES_DIR";

/// Run a domain crate's tests natively, and its given/when/then cases in the real sandbox too.
#[derive(Args)]
pub(crate) struct Test {
    /// The crate's folder.
    #[arg(long, default_value = ".", value_name = "DIR")]
    path: PathBuf,
}

impl Test {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        // This comes before cargo, which would search the folders above for a crate and test that.
        domain_crate::check_folder(&self.path)?;
        let recorded = tempfile::tempdir().context("cannot make a temporary folder")?;
        let mut cargo = domain_crate::cargo(&self.path);
        cargo.arg("test").env(CASES_VARIABLE, recorded.path());
        if output.is_json() {
            cargo.stdout(Stdio::null());
        }
        if !cargo.status().context("cannot start cargo")?.success() {
            return Err(anyhow::anyhow!("the tests fail natively: see cargo's messages above").into());
        }
        let cases = polder_cases::read_folder(recorded.path())?;
        let built = domain_crate::build(&self.path, output)?;
        let mut failed = Vec::new();
        for case in &cases {
            if let Err(error) = polder_cases::replay(&built.component, case, &Limits::DEFAULT) {
                failed.push((case.name(), error.to_string()));
            }
        }
        let differing: Vec<_> =
            failed.iter().map(|(name, error)| serde_json::json!({ "case": name, "problem": error })).collect();
        let answer =
            serde_json::json!({ "cases": cases.len(), "agree": cases.len() - failed.len(), "failed": differing });
        output.answer(&answer, || summary(cases.len(), &failed))?;
        if failed.is_empty() { Ok(()) } else { Err(Failure::Reported) }
    }
}

fn summary(count: usize, failed: &[(&str, String)]) -> String {
    if count == 0 {
        return "no case was recorded, so nothing was tried in the sandbox: write cases with polder_sdk::testing::check".to_owned();
    }
    let mut summary: String = failed.iter().map(|(name, error)| format!("{name}: {error}\n")).collect();
    let agreeing = count - failed.len();
    summary.push_str(&format!("{agreeing} of {} agree, natively and in the sandbox", counted(count, "case")));
    summary
}
