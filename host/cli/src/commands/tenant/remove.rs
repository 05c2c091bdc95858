//! `polder tenant remove`: destroys all that a tenant has, after its name was given twice.

use std::io::BufRead;

use anyhow::bail;
use clap::Args;
use reqwest::Method;

use super::named_tenant::NamedTenant;
use crate::failure::Outcome;
use crate::output::Output;

/// Destroy a tenant with all that it has. Its name is never used again.
#[derive(Args)]
pub(super) struct Remove {
    #[command(flatten)]
    tenant: NamedTenant,
    /// The tenant's name again. Without this option the command asks for it.
    #[arg(long, value_name = "TENANT")]
    confirm: Option<String>,
}

impl Remove {
    pub(super) fn run(self, output: &Output) -> Outcome {
        let name = self.tenant.tenant.as_str();
        let confirmed = match self.confirm {
            Some(confirmed) => confirmed,
            None => ask_for_name(name, output)?,
        };
        if confirmed != name {
            return Err(anyhow::anyhow!("nothing is removed: {confirmed:?} is not {name:?}").into());
        }
        let removed = self.tenant.request(Method::DELETE, &[], &[("confirm", Some(confirmed))], Vec::new())?;
        output.answer(&removed, || format!("{name} is gone, with all it had"))
    }
}

fn ask_for_name(name: &str, output: &Output) -> anyhow::Result<String> {
    output.note(&format!(
        "this destroys {name} with its history, its views and its components; type its name again to confirm:"
    ));
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        bail!("nothing is removed: the name was not given again; --confirm {name} would be right");
    }
    Ok(line.trim().to_owned())
}
