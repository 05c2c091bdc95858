//! Activates the revisions that are recorded as active: at the start, and when another host has deployed them.

use std::sync::Arc;

use polder_core::{DomainName, Revision};
use polder_sandbox::{Component, Sandbox};

use super::activate::put_in_place;
use super::components::{ComponentError, Components};
use super::facts::Activation;
use super::service::DeploymentService;
use crate::tenancy::{GuestRules, Probation, Tenant, Unloadable};
use crate::views::{Asked, Restore};

impl DeploymentService {
    /// Activates a revision that is recorded as active, unless it is active already. If its component cannot be loaded,
    /// the domain is out of service.
    pub(super) fn restore(&self, activation: Activation) {
        let Activation { tenant, domain, revision } = activation;
        // The tenant was removed since then, or its records cannot be read.
        let Some(owner) = self.parts.directory.get(&tenant).filter(|owner| owner.unavailable().is_none()) else {
            return;
        };
        let active = owner.domain(&domain).map(|domain| domain.active().revision);
        if active != Some(revision) {
            let was_out = owner.unloadable(&domain).is_some();
            let component = match self.parts.components.restore(&self.parts.sandbox, revision) {
                Ok(component) => component,
                Err(error) => return not_loaded(&owner, &domain, revision, &error),
            };
            let rules = Arc::new(GuestRules::new(Arc::clone(&component), Arc::clone(&owner.notes)));
            put_in_place(&owner, rules, Probation::Proven);
            if was_out {
                tracing::info!(%tenant, %domain, %revision, "a domain is back in service: its component is loaded now");
            }
            match active {
                None => self.parts.projections.expect(&owner, &component),
                Some(_) => {
                    if let Err(problem) = self.build_views(&owner, &component, None) {
                        tracing::error!(%tenant, %domain, problem, "the views of a new revision cannot be built; the host will try again");
                    }
                }
            }
        }
        let cause = self.standing(&owner, &domain).and_then(|mut standing| standing.quarantined.remove(&revision));
        if let (Some(cause), Some(domain)) = (cause, owner.domain(&domain)) {
            domain.active().health.shut(&cause);
        }
    }

    /// Builds the projections of a new revision. Until they are built, readers see those of the revision before.
    /// Projections that exist already are not built again.
    pub(super) fn build_views(
        &self,
        tenant: &Arc<Tenant>,
        component: &Arc<Component>,
        asked: Option<Asked>,
    ) -> Result<(), String> {
        self.parts.projections.activate(tenant, component, asked).map_err(|error| error.to_string())
    }
}

/// Takes a domain out of service whose component is missing, damaged, or no longer accepted by the sandbox. Deploying
/// the component again brings the domain back.
fn not_loaded(tenant: &Tenant, domain: &DomainName, revision: Revision, error: &ComponentError) {
    let (reason, is_temporary) = (error.public().to_owned(), error.is_temporary());
    let is_known =
        tenant.unloadable(domain).is_some_and(|known| (known.revision, &known.reason) == (revision, &reason));
    if !is_known {
        tracing::error!(
            tenant = %tenant.name, %domain, %revision, %error, is_temporary,
            "a domain is out of service: its component cannot be loaded"
        );
    }
    if let Some(domain) = tenant.domain(domain) {
        // Another revision is still active, and must not go on deciding.
        domain.active().health.shut(&reason);
    }
    tenant.set_unloadable(domain, Unloadable { revision, reason, is_temporary });
}

/// Loads former revisions, for views that are served until those of the next revision have caught up.
pub(crate) fn old_revisions(sandbox: &Arc<Sandbox>, components: &Arc<Components>) -> Arc<Restore> {
    let (sandbox, components) = (Arc::clone(sandbox), Arc::clone(components));
    Arc::new(move |revision| match components.restore(&sandbox, revision) {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(%revision, %error, "an old revision cannot be loaded; its views do not advance until they are rebuilt");
            None
        }
    })
}
