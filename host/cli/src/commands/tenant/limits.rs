//! `polder tenant limits`: shows and sets the limits of a tenant.

use std::collections::BTreeMap;

use clap::Args;
use reqwest::Method;

use super::named_tenant::NamedTenant;
use super::show;
use crate::failure::Outcome;
use crate::output::Output;

/// Set limits of a tenant; without --set, show them.
#[derive(Args)]
pub(super) struct Limits {
    #[command(flatten)]
    tenant: NamedTenant,
    /// A limit and its new value, as in fuel_per_call_max=5000000; the value `default` resets it.
    #[arg(long, value_name = "LIMIT=VALUE", value_parser = change)]
    set: Vec<(String, Option<u64>)>,
}

impl Limits {
    pub(super) fn run(self, output: &Output) -> Outcome {
        let tenant = if self.set.is_empty() {
            self.tenant.request(Method::GET, &[], &[], Vec::new())?
        } else {
            let changes: BTreeMap<_, _> = self.set.into_iter().collect();
            self.tenant.request(Method::PATCH, &["limits"], &[], serde_json::to_vec(&changes)?)?
        };
        output.answer(&tenant, || show::limits(&tenant))
    }
}

/// Parses one change. Only the host knows which limits exist, and which values they accept.
fn change(text: &str) -> Result<(String, Option<u64>), String> {
    let right = "give a limit and a whole number, as in fuel_per_call_max=5000000, or =default";
    let (name, value) = text.split_once('=').ok_or(right)?;
    match value {
        "default" => Ok((name.to_owned(), None)),
        value => match value.replace('_', "").parse() {
            Ok(value) => Ok((name.to_owned(), Some(value))),
            Err(_) => Err(format!("{value:?} is no whole number; {right}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_or_taken_back() {
        assert_eq!(change("warm_states_max=7"), Ok(("warm_states_max".into(), Some(7))));
        assert_eq!(change("warm_states_max=20_000"), Ok(("warm_states_max".into(), Some(20_000))));
        assert_eq!(change("warm_states_max=default"), Ok(("warm_states_max".into(), None)));
        for text in ["warm_states_max", "warm_states_max=", "warm_states_max=-1", "warm_states_max=many"] {
            assert!(change(text).unwrap_err().contains("give a limit"), "{text}");
        }
    }
}
