//! The deployments of a host: what they work with, and what is recorded of them.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use polder_core::{DomainName, Revision, TenantName};
use polder_journal::Reader;
use polder_sandbox::{Component, Sandbox};

use super::check::RevisionCheck;
use super::components::Components;
use super::deploy_error::DeployError;
use super::facts::{Deployments, DomainDeployments};
use super::turns::Turns;
use crate::control::Control;
use crate::read::ReadAdmission;
use crate::tenancy::{Tenant, TenantDirectory};
use crate::views::Projections;
use crate::write::WritePath;

/// Deploys components, rolls back to earlier revisions, and withdraws bad ones. Clones share everything.
#[derive(Clone)]
pub struct DeploymentService {
    pub(super) parts: Arc<DeploymentParts>,
}

/// What deployments work with.
pub(crate) struct DeploymentParts {
    pub(crate) directory: Arc<TenantDirectory>,
    pub(crate) control: Arc<Control>,
    pub(crate) registry: Mutex<Deployments>,
    pub(crate) components: Arc<Components>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) check: RevisionCheck,
    pub(crate) reader: Reader,
    pub(crate) reads: Arc<ReadAdmission>,
    pub(crate) write_path: Arc<WritePath>,
    pub(crate) projections: Arc<Projections>,
    pub(crate) turns: Turns,
    pub(crate) restoring: Restoring,
}

/// The state of activating what is recorded.
#[derive(Default)]
pub(crate) struct Restoring {
    /// Held while recorded revisions are activated, so that an older revision never replaces a newer one.
    pub(super) activating: Mutex<()>,
    /// Whether the thread that tries again runs.
    pub(super) is_trying_again: AtomicBool,
}

impl DeploymentParts {
    /// Checks that the tenant has this domain already, or has fewer domains than `domains_max`.
    pub(super) fn check_domains(&self, tenant: &Tenant, domain: &DomainName) -> Result<(), DeployError> {
        let domains_max = tenant.limits().domains_max;
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.check_domains(&tenant.name, domain, domains_max).map_err(|domains| DeployError::TooManyDomains {
            domain: domain.clone(),
            domains,
            domains_max,
        })
    }

    /// Checks that the tenant's active revisions hold at most `code_bytes_max` of machine code once this component
    /// takes the place of its domain's present revision.
    pub(super) fn check_code(&self, tenant: &Tenant, component: &Component) -> Result<(), DeployError> {
        let (domain, code_bytes_max) = (&component.descriptor.domain, tenant.limits().code_bytes_max);
        let others = tenant.domains().into_iter().filter(|other| other.name != *domain);
        let code_bytes = others.map(|other| other.active().rules.code_bytes()).sum::<u64>() + component.code_bytes();
        if code_bytes <= code_bytes_max {
            return Ok(());
        }
        Err(DeployError::TooMuchCode { domain: domain.clone(), code_bytes, code_bytes_max })
    }
}

impl DeploymentService {
    pub(crate) fn new(parts: DeploymentParts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    pub(crate) fn registry(&self) -> &Mutex<Deployments> {
        &self.parts.registry
    }

    /// Ends running compilers and checks. The host is shutting down.
    pub(crate) fn stop(&self) {
        self.parts.components.stop();
        self.parts.check.stop();
    }

    /// Number of components that were compiled since the start.
    pub(crate) fn compilations(&self) -> u64 {
        self.parts.components.compilations()
    }

    /// Drops what the revision check remembers of a tenant's history.
    pub(crate) fn forget_inventories(&self, tenant: &TenantName) {
        self.parts.check.forget(tenant);
    }

    /// All revisions that the selected tenants ever had.
    pub(crate) fn revisions_of(&self, is_selected: impl Fn(&TenantName) -> bool) -> Vec<Revision> {
        self.with_registry(|registry| registry.revisions_of(is_selected).into_iter().collect())
    }

    /// Deletes the components of these revisions that no present tenant has.
    pub(crate) fn remove_components(&self, revisions: &[Revision]) -> std::io::Result<()> {
        let present = self.parts.directory.names();
        let others = self.revisions_of(|tenant| present.contains(tenant));
        let unused = revisions.iter().filter(|revision| !others.contains(revision));
        unused.into_iter().try_for_each(|revision| self.parts.components.remove(*revision))
    }

    /// The deployments of a domain; `None` if nothing is recorded of it.
    pub(super) fn standing(&self, tenant: &Tenant, domain: &DomainName) -> Option<DomainDeployments> {
        self.with_registry(|registry| registry.standing(&tenant.name, domain).cloned())
    }

    pub(super) fn with_registry<T>(&self, read: impl FnOnce(&Deployments) -> T) -> T {
        read(&self.parts.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
