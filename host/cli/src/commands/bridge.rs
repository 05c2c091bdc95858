//! `polder bridge`: shows and sets the rules that translate a tenant's events into the words of other contexts.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use polder_core::counted;
use polder_core::translation::{Field, Rule};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::failure::Outcome;
use crate::output::Output;
use crate::text::times::rfc3339;

/// Show or set the rules that translate events into the words of other contexts, for subscribers over NATS.
#[derive(Args)]
pub(crate) struct Bridge {
    #[command(subcommand)]
    command: BridgeCommand,
}

#[derive(Subcommand)]
enum BridgeCommand {
    /// Show the rules that are in force.
    Show(Show),
    /// Replace all rules by those in a file; a file without rules ends the translation.
    Set(Set),
}

#[derive(Args)]
struct Show {
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
struct Set {
    /// A TOML file with a [[rule]] for each rule: from, to, and optionally except and [rule.fields].
    file: PathBuf,
    /// Name of the person or program that does this. The host records it.
    #[arg(long)]
    actor: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "rule")]
    rules: Vec<Rule>,
}

impl Bridge {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.command {
            BridgeCommand::Show(show) => show.run(output),
            BridgeCommand::Set(set) => set.run(output),
        }
    }
}

impl Show {
    fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let bridge: Value = block_on(client.read(client.get(&["bridge"], &[])))?;
        let rules: Vec<Rule> = serde_json::from_value(bridge["rules"].clone())
            .map_err(|error| anyhow!("the host's rules cannot be understood ({error}): is it of this version?"))?;
        output.answer(&bridge, || described(&bridge, &rules))
    }
}

impl Set {
    fn run(self, output: &Output) -> Outcome {
        let name = self.file.display();
        let text = std::fs::read_to_string(&self.file).with_context(|| format!("cannot read {name}"))?;
        let file: File = toml::from_str(&text)
            .map_err(|error| anyhow!("{name} holds no rules: {}", error.to_string().trim_end()))?;
        let client = Client::new(&self.target)?;
        let mut request = client.request(Method::PUT, &["bridge"]).json(&json!({ "rules": file.rules }));
        if let Some(actor) = &self.actor {
            request = request.header("actor", actor);
        }
        let changed: Value = block_on(client.read(request))?;
        output.answer(&changed, || match changed["changed"] == true {
            true => format!("for events after position {}: {}", changed["after"], counted(file.rules.len(), "rule")),
            false => "these rules were in force before".to_owned(),
        })
    }
}

fn described(bridge: &Value, rules: &[Rule]) -> String {
    let Some(at_ms) = bridge["set"]["at_ms"].as_u64() else { return "no rules were set".to_owned() };
    let by = bridge["set"]["actor"].as_str().map(|actor| format!(" by {actor}")).unwrap_or_default();
    let mut text = format!(
        "for events after position {}: {}, set {}{by}\n",
        bridge["after"],
        counted(rules.len(), "rule"),
        rfc3339(at_ms)
    );
    for Rule { from, except, to, fields } in rules {
        text.push_str(&format!("{from} becomes {to}\n"));
        except.iter().for_each(|pattern| text.push_str(&format!("  except {pattern}\n")));
        for (name, field) in fields.iter().flatten() {
            let made = match field {
                Field::Pick(path) => path.to_string(),
                Field::Value(value) => value.to_string(),
                Field::Text(words) => format!("{:?}", words.to_string()),
            };
            text.push_str(&format!("  {name} = {made}\n"));
        }
    }
    text
}
