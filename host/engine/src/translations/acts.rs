//! Sets the rules of a tenant's context bridge, and returns the current ones.

use std::sync::{Arc, Mutex, PoisonError};

use polder_core::translation::{Rule, Rules};
use polder_core::{Position, TenantName};

use super::answers::{BridgeChanged, BridgeInfo};
use super::bridge_error::BridgeError;
use super::registry::{BridgeFact, Bridges};
use crate::control::{AdministrativeAct, Control};
use crate::read::ReadError;
use crate::tenancy::{PublishFeed, RuleSet, Tenant, TenantDirectory};

/// The context bridges of all tenants.
#[derive(Clone)]
pub struct Translations {
    directory: Arc<TenantDirectory>,
    control: Arc<Control>,
    registry: Arc<Mutex<Bridges>>,
}

impl Translations {
    pub(crate) fn new(directory: &Arc<TenantDirectory>, control: &Arc<Control>, registry: Bridges) -> Self {
        let (directory, control) = (Arc::clone(directory), Arc::clone(control));
        Self { directory, control, registry: Arc::new(Mutex::new(registry)) }
    }

    pub(crate) fn registry(&self) -> &Mutex<Bridges> {
        &self.registry
    }

    pub fn get(&self, tenant: &TenantName) -> Result<BridgeInfo, ReadError> {
        let tenant = self.tenant(tenant)?;
        let newest = tenant.bridge.borrow().sets.last().cloned();
        let tenant = tenant.name.clone();
        Ok(match newest {
            Some(RuleSet { after, rules, set }) => BridgeInfo { tenant, rules, after, set: Some(set) },
            None => BridgeInfo { tenant, rules: Rules::default(), after: Position::ZERO, set: None },
        })
    }

    /// Replaces all rules of the tenant, for events that are not recorded yet. Changes nothing when the rules are the
    /// same.
    pub async fn set_rules(
        &self,
        tenant: &TenantName,
        rules: Vec<Rule>,
        actor: Option<&str>,
    ) -> Result<BridgeChanged, BridgeError> {
        let rules = Rules::checked(rules)?;
        let (translations, name, actor) = (self.clone(), tenant.clone(), actor.map(str::to_owned));
        let act = move |act: &mut AdministrativeAct<'_>| translations.record_rules(act, &name, rules, actor.as_deref());
        let changed = self.control.administer(act).await?;
        let bridge = self.get(tenant).map_err(|_| BridgeError::UnknownTenant(tenant.clone()))?;
        Ok(BridgeChanged { changed, bridge })
    }

    /// What a publisher needs of a tenant: its position and its bridge rules, as they change.
    pub fn publish_feed(&self, tenant: &TenantName) -> Result<PublishFeed, ReadError> {
        // A tenant that is out of service has one too: only its own publishing waits.
        let tenant = self.tenant(tenant)?;
        Ok(PublishFeed { positions: tenant.positions.subscribe(), bridge: tenant.bridge.subscribe() })
    }

    fn tenant(&self, name: &TenantName) -> Result<Arc<Tenant>, ReadError> {
        self.directory.get(name).ok_or_else(|| ReadError::UnknownTenant(name.clone()))
    }

    fn record_rules(
        &self,
        act: &mut AdministrativeAct<'_>,
        name: &TenantName,
        rules: Rules,
        actor: Option<&str>,
    ) -> Result<bool, BridgeError> {
        let tenant = self.directory.get(name).ok_or_else(|| BridgeError::UnknownTenant(name.clone()))?;
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
        let recorded = act.record(&self.registry, fact, actor);
        recorded.map_err(|error| BridgeError::ReadOnly(error.to_string()))?;
        self.put_into_effect(name);
        Ok(true)
    }

    /// Puts the recorded rules into effect. Call it when all records have been read.
    pub(crate) fn put_into_effect(&self, name: &TenantName) {
        let Some(tenant) = self.directory.get(name) else { return };
        let sets = self.registry.lock().unwrap_or_else(PoisonError::into_inner).of(name);
        tenant.bridge.send_if_modified(|bridge| {
            let is_other = bridge.held_at.is_some() || bridge.sets.len() != sets.len();
            (bridge.sets, bridge.held_at) = (sets, None);
            is_other
        });
    }
}
