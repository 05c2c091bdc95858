//! The context bridge of each tenant: its rules and the positions from which they apply, folded from the facts in the
//! host's own history. `polder_core::translation` defines what a rule does.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_core::translation::Rules;
use polder_core::{AggregateId, Position, TenantName};
use serde::{Deserialize, Serialize};

use crate::control::{Fact, Recorded, Registry};
use crate::tenancy::{Act, RuleSet};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BridgeFact {
    /// The rules replace all former ones for events after this position. Events published before remain as they are.
    BridgeRulesSet { tenant: TenantName, after: Position, rules: Rules },
}

impl Fact for BridgeFact {
    const DOMAIN: &'static str = "bridges";
    const AGGREGATE: &'static str = "bridge";

    fn aggregate_id(&self) -> AggregateId {
        let Self::BridgeRulesSet { tenant, .. } = self;
        AggregateId::new(tenant.as_str()).expect("a name is a good id")
    }
}

/// All rules that were ever set. Old ones are kept, because events are translated by the rules of their time.
#[derive(Debug, Default)]
pub(crate) struct Bridges(BTreeMap<TenantName, Arc<Vec<RuleSet>>>);

impl Registry for Bridges {
    type Fact = BridgeFact;

    fn fold(&mut self, fact: BridgeFact, noted: &Recorded) {
        let BridgeFact::BridgeRulesSet { tenant, after, rules } = fact;
        let set = Act { at_ms: noted.at_ms, actor: noted.actor.clone() };
        Arc::make_mut(self.0.entry(tenant).or_default()).push(RuleSet { after, rules, set });
    }
}

impl Bridges {
    /// The tenant's rules, oldest first.
    pub(crate) fn of(&self, tenant: &TenantName) -> Arc<Vec<RuleSet>> {
        self.0.get(tenant).cloned().unwrap_or_default()
    }
}
