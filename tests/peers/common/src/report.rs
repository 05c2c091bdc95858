//! The output of a peer: one line of JSON with the system, its settings and its results.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use crate::figures::Run;

#[derive(Debug, Serialize)]
pub struct Report {
    pub system: &'static str,
    pub version: String,
    pub kind: Kind,
    pub settings: Value,
    pub runs: Vec<Run>,
}

/// The kind of work that the system did.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The events of the load, one by one, without rules and state.
    Append,
    /// The commands of the load: the state is loaded, the rules run, the events are stored.
    Command,
}

impl Report {
    pub fn print(&self) -> Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// Ends a peer: a failure is one line on stderr, which `cargo xtask bench` reports as the reason for missing figures.
pub fn end(ran: Result<()>) -> ExitCode {
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The version of a package in this workspace's lock file.
pub fn locked_version(package: &str) -> String {
    version_in(include_str!("../../Cargo.lock"), package).unwrap_or_else(|| String::from("unknown"))
}

fn version_in(lock_file: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock_file.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock_file =
            "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"ab\"\nversion = \"4.0.0\"\n";
        assert_eq!(version_in(lock_file, "ab").as_deref(), Some("4.0.0"));
        assert_eq!(version_in(lock_file, "b"), None);
        assert_ne!(locked_version("serde"), "unknown");
    }
}
