//! `polder tenant export`: writes all that a tenant has into files that any program can read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use polder_core::{Event, TenantName, counted};
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::arguments::target::{Connection, Target};
use crate::client::{Client, block_on};
use crate::failure::{Failure, Outcome};
use crate::output::Output;

const TEMPLATE: &str = "{bar:30} {percent:>3} %  {pos} of {len} events  {elapsed}";
const README: &str = "\
tenant.json        the tenant: its domains, positions and limits
events.ndjson      its whole history, an event a line, in order of position
facts.ndjson       what was decided about it: deployments, limits, by which actor and when, an event a line
components/        every component it has or had, by revision (the BLAKE3 digest of the file)

An event's id is a content id (CIDv1, BLAKE3) over its canonical bytes and the id of the event before it of the same aggregate.
";

/// Write all that a tenant has into a new folder, readable without Polder.
#[derive(Args)]
pub(super) struct Export {
    /// The tenant's name, such as acme.
    tenant: TenantName,
    /// The folder to make. It must not exist.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

impl Export {
    pub(super) fn run(self, output: &Output) -> Outcome {
        let exported = block_on(self.export(output))?;
        let summary = |exported: &Value| {
            let (events, facts, components) = (&exported["events"], &exported["facts"], &exported["components"]);
            let (events, facts) = (counted(events, "event"), counted(facts, "fact"));
            format!("{}: {events}, {facts}, {}", self.to.display(), counted(components, "component"))
        };
        output.answer(&exported, || summary(&exported))
    }

    async fn export(&self, output: &Output) -> Result<Value, Failure> {
        let name = self.tenant.as_str();
        let tenants = Client::for_tenants(&self.connection)?;
        let own = Client::new(&Target { connection: self.connection.clone(), tenant: self.tenant.clone() })?;
        let tenant: Value = tenants.read(tenants.get(&[name], &[])).await?;
        // The export is finished under another name first: a folder with the requested name is always complete.
        let unfinished = unfinished(&self.to)?;
        let components = unfinished.join("components");
        fs::create_dir(&components).with_context(|| format!("cannot make {}", components.display()))?;

        let position = tenant["position"].as_u64().unwrap_or_default();
        let bar = if output.is_watched() { ProgressBar::new(position) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        let mut last = 0;
        let events = write_lines(&own, own.get(&["events"], &[]), unfinished.join("events.ndjson"), |line| {
            let event: Event = serde_json::from_slice(line)?;
            ensure!(
                event.position.0 == last + 1,
                "events are missing: position {} comes after position {last}",
                event.position
            );
            last = event.position.0;
            bar.set_position(last);
            Ok(())
        });
        let events = events.await?;
        bar.finish_and_clear();
        if events < position {
            return Err(anyhow::anyhow!("the host gave {events} of {}", counted(position, "event")).into());
        }
        let mut revisions = BTreeSet::new();
        let facts =
            write_lines(&tenants, tenants.get(&[name, "facts"], &[]), unfinished.join("facts.ndjson"), |line| {
                let fact: Value = serde_json::from_slice(line)?;
                let is_kept = matches!(fact["name"].as_str(), Some("revision-activated" | "revision-uploaded"));
                revisions.extend(fact["payload"]["revision"].as_str().filter(|_| is_kept).map(str::to_owned));
                Ok(())
            });
        let facts = facts.await?;
        for revision in &revisions {
            let answer = tenants.answer(tenants.get(&[name, "components", revision], &[])).await?.success()?;
            write(&components.join(format!("{revision}.wasm")), &answer.body)?;
        }
        write(&unfinished.join("tenant.json"), &serde_json::to_vec_pretty(&tenant)?)?;
        write(&unfinished.join("README.txt"), README.as_bytes())?;
        fs::rename(&unfinished, &self.to).with_context(|| format!("cannot make {}", self.to.display()))?;
        Ok(serde_json::json!({ "to": self.to, "events": events, "facts": facts, "components": revisions.len() }))
    }
}

/// Makes a new folder beside the requested one, which must not exist. The rest of an earlier attempt is removed.
fn unfinished(to: &Path) -> anyhow::Result<PathBuf> {
    ensure!(!to.exists(), "{} is there already: name a folder that is not", to.display());
    let mut unfinished = to.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    fs::create_dir_all(&unfinished).with_context(|| format!("cannot make {}", unfinished.display()))?;
    Ok(unfinished)
}

/// Writes the lines of the answer to a file as they arrive. Calls `check` with each, and returns the number of lines.
async fn write_lines(
    client: &Client,
    request: RequestBuilder,
    path: PathBuf,
    mut check: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> Result<u64, Failure> {
    let file = File::create_new(&path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut file = BufWriter::new(file);
    let mut response = client.stream(request).await?;
    let (mut rest, mut count) = (Vec::new(), 0);
    while let Some(chunk) = response.chunk().await.map_err(|error| client.unreachable(error))? {
        rest.extend_from_slice(&chunk);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in rest[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            check(line)?;
            count += 1;
        }
        file.write_all(&rest[..whole]).with_context(|| format!("cannot write {}", path.display()))?;
        rest.drain(..whole);
    }
    if !rest.is_empty() {
        return Err(anyhow::anyhow!("the host's answer broke off in the middle of a line").into());
    }
    let file = file.into_inner().map_err(|error| error.into_error()).context("cannot write")?;
    file.sync_all().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(count)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
