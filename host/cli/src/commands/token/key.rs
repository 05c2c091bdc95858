//! `polder token key`: the keys that tokens are signed with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use polder_access::{KeyId, SigningKey};
use serde_json::{Value, json};

use super::key_registry::KeyRegistry;
use crate::failure::Outcome;
use crate::output::Output;
use crate::text::times::rfc3339;

const FILE_MODE: u32 = 0o600;

/// Make, list and revoke the keys that tokens are signed with.
#[derive(Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand)]
enum KeyCommand {
    New(New),
    List(List),
    Revoke(Revoke),
}

/// Make a key and register its public part with the host. From the first key on, a host requires a token from every
/// client.
///
/// The private part is kept in the data folder (with --data), written to a file (with --out), or printed. The host
/// never gets it.
#[derive(Args)]
struct New {
    /// Write the private part to this file. Only its owner can read it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Name of the person or program that does this. The host records it.
    #[arg(long)]
    actor: Option<String>,
    #[command(flatten)]
    registry: KeyRegistry,
}

/// List every key that was ever registered with a host.
#[derive(Args)]
struct List {
    #[command(flatten)]
    registry: KeyRegistry,
}

/// Revoke a key for good: its tokens are refused from then on.
#[derive(Args)]
struct Revoke {
    /// The key's id, as `polder token key list` shows it.
    key: KeyId,
    /// Name of the person or program that does this. The host records it.
    #[arg(long)]
    actor: Option<String>,
    #[command(flatten)]
    registry: KeyRegistry,
}

impl Key {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.command {
            KeyCommand::New(command) => command.run(output),
            KeyCommand::List(command) => command.run(output),
            KeyCommand::Revoke(command) => command.run(output),
        }
    }
}

impl New {
    fn run(self, output: &Output) -> Outcome {
        let key = SigningKey::generate()?;
        // The private part is kept first: a registered key without it could only be revoked.
        let kept = match (&self.out, self.registry.key_folder()) {
            (Some(file), _) => {
                write(file, &key).with_context(|| format!("cannot write the private key to {}", file.display()))?;
                Some(file.clone())
            }
            (None, Some(folder)) => Some(folder.keep(&key)?),
            (None, None) => None,
        };
        if let Err(failure) = self.registry.add(&key.public_key(), self.actor.as_deref()) {
            if let Some(file) = &kept {
                // The host does not know the key. What matters is the failure, which the caller reports.
                let _ = std::fs::remove_file(file);
            }
            return Err(failure);
        }
        let mut answer = json!({ "key": key.id(), "public_key": key.public_key() });
        match &kept {
            Some(file) => answer["file"] = json!(file),
            None => answer["private_key"] = json!(key.to_digits()),
        }
        output.answer(&answer, || match &kept {
            Some(file) => format!("{} is known from now on; its private part is in {}", key.id(), file.display()),
            None => format!(
                "{} is known from now on; its private part, which is kept nowhere else, is\n{}",
                key.id(),
                key.to_digits()
            ),
        })
    }
}

impl List {
    fn run(self, output: &Output) -> Outcome {
        let answer = self.registry.list()?;
        output.answer(&answer, || {
            let keys = answer["keys"].as_array().map_or(&[][..], Vec::as_slice);
            if keys.is_empty() {
                return "no keys yet, so the host requires no token: `polder token key new --data DIR` makes one while the host is stopped".to_owned();
            }
            keys.iter().map(describe).collect()
        })
    }
}

impl Revoke {
    fn run(self, output: &Output) -> Outcome {
        let answer = self.registry.revoke(&self.key, self.actor.as_deref())?;
        if let Some(folder) = self.registry.key_folder() {
            folder.remove(&self.key)?;
        }
        output.answer(&answer, || describe(&answer))
    }
}

fn describe(key: &Value) -> String {
    let event = |what: &str, at_ms: &Value, by: &Value| {
        let by = by.as_str().map_or_else(String::new, |by| format!(" by {by}"));
        format!("{what} {}{by}", rfc3339(at_ms.as_u64().unwrap_or_default()))
    };
    let mut text = key["id"].as_str().unwrap_or_default().to_owned();
    text.push_str(&event("  added", &key["added_at_ms"], &key["added_by"]));
    if let revoked @ Value::Object(_) = &key["revoked"] {
        text.push_str(&event(", revoked", &revoked["at_ms"], &revoked["by"]));
    }
    text.push('\n');
    text
}

fn write(file: &Path, key: &SigningKey) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(file)?;
    writeln!(file, "{}", key.to_digits())?;
    file.sync_all()
}
