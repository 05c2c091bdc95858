//! Sets the rules of a tenant's context bridge, and returns the current ones.

use std::sync::{Arc, PoisonError};

use polder_core::translation::{Rule, Rules};
use polder_core::{Position, TenantName};

use super::{Host, Inner};
use crate::answers::{BridgeChanged, BridgeInfo};
use crate::system::SystemStream;
use crate::translations::{BridgeFact, PublishFeed, RuleSet};
use crate::{BridgeError, ReadError};

impl Host {
    pub fn bridge(&self, tenant: &TenantName) -> Result<BridgeInfo, ReadError> {
        let tenant = self.inner.tenant(tenant).ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))?;
        let newest = tenant.bridge.borrow().sets.last().cloned();
        let tenant = tenant.name.clone();
        Ok(match newest {
            Some(RuleSet { after, rules, set }) => BridgeInfo { tenant, rules, after, set: Some(set) },
            None => BridgeInfo { tenant, rules: Rules::default(), after: Position::ZERO, set: None },
        })
    }

    /// Replaces all rules of the tenant, for events that are not recorded yet. Changes nothing when the rules are the
    /// same.
    pub async fn set_bridge_rules(
        &self,
        tenant: &TenantName,
        rules: Vec<Rule>,
        actor: Option<&str>,
    ) -> Result<BridgeChanged, BridgeError> {
        let rules = Rules::checked(rules)?;
        let (name, actor) = (tenant.clone(), actor.map(str::to_owned));
        let act = move |inner: &Arc<Inner>, stream: &mut SystemStream| {
            inner.set_rules(stream, &name, rules, actor.as_deref())
        };
        let changed = self.inner.administer(act).await?;
        let bridge = self.bridge(tenant).map_err(|_| BridgeError::UnknownTenant(tenant.clone()))?;
        Ok(BridgeChanged { changed, bridge })
    }

    /// An id that distinguishes a tenant's history from all others, even from that of a tenant of the same name on
    /// another host.
    pub fn history_id(&self, tenant: &TenantName) -> Result<String, ReadError> {
        let id = self.inner.reader.keys().history_id(tenant);
        id.ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))
    }

    /// What a publisher needs of a tenant: its position and its bridge rules, as they change.
    pub fn publish_feed(&self, tenant: &TenantName) -> Result<PublishFeed, ReadError> {
        // A tenant that is out of service has one too: only its own publishing waits.
        let tenant = self.inner.tenant(tenant).ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))?;
        Ok(PublishFeed { positions: tenant.positions.subscribe(), bridge: tenant.bridge.subscribe() })
    }
}

impl Inner {
    fn set_rules(
        &self,
        stream: &mut SystemStream,
        name: &TenantName,
        rules: Rules,
        actor: Option<&str>,
    ) -> Result<bool, BridgeError> {
        let tenant = self.tenant(name).ok_or_else(|| BridgeError::UnknownTenant(name.clone()))?;
        let is_same = match tenant.bridge.borrow().sets.last() {
            Some(set) => set.rules == rules,
            None => rules.is_empty(),
        };
        if is_same {
            return Ok(false);
        }
        // From here until the rules are durable, nothing beyond this position is published, because it is not known
        // which rules hold there.
        let mut after = *tenant.positions.borrow();
        tenant.bridge.send_modify(|bridge| {
            after = *tenant.positions.borrow();
            bridge.held_at = Some(after);
        });
        let fact = BridgeFact::BridgeRulesSet { tenant: name.clone(), after, rules };
        // If this fails, the rules may be durable or not. Publishing stays held until this host has read the recorded
        // rules again.
        let recorded = self.record(stream, &self.bridges, fact, actor);
        recorded.map_err(|error| BridgeError::ReadOnly(error.to_string()))?;
        self.bridge_as_recorded(name);
        Ok(true)
    }

    /// Puts the recorded rules into effect. Call it when all records have been read.
    pub(super) fn bridge_as_recorded(&self, name: &TenantName) {
        let Some(tenant) = self.tenant(name) else { return };
        let sets = self.bridges.lock().unwrap_or_else(PoisonError::into_inner).of(name);
        tenant.bridge.send_if_modified(|bridge| {
            let is_other = bridge.held_at.is_some() || bridge.sets.len() != sets.len();
            (bridge.sets, bridge.held_at) = (sets, None);
            is_other
        });
    }
}
