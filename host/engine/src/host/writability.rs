//! Whether the host takes commands, and what is out of service.

use polder_core::{DomainName, TenantName};
use serde::Serialize;

use super::Host;
use crate::tenancy::TenantDirectory;

#[derive(Debug, Clone, Serialize)]
pub struct Writability {
    /// Whether commands are taken.
    pub writable: bool,
    /// Why commands are not taken, if so.
    pub reason: Option<String>,
    /// Parts that are out of service while everything else is served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<Degraded>,
}

/// A tenant, or one of its domains, that is out of service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Degraded {
    pub tenant: TenantName,
    /// The domain that is out of service. `None` if the whole tenant is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainName>,
    /// A description that may leave the host. Paths of files are only in the log.
    pub problem: String,
}

impl Host {
    /// Whether the host takes commands, and which parts of it are out of service.
    pub fn health(&self) -> Writability {
        let write_path = &self.inner.write_path;
        let reason = match &*write_path.pipeline() {
            Some(pipeline) => pipeline.trouble().map(|trouble| trouble.to_string()),
            None => Some(write_path.refusal().to_string()),
        };
        Writability { writable: reason.is_none(), reason, degraded: degraded(&self.inner.directory) }
    }
}

fn degraded(directory: &TenantDirectory) -> Vec<Degraded> {
    let mut degraded = Vec::new();
    for tenant in directory.all() {
        let own = |domain, problem| Degraded { tenant: tenant.name.clone(), domain, problem };
        if tenant.unavailable().is_some() {
            degraded.push(own(None, "its key is missing or damaged".to_owned()));
            continue;
        }
        let unloadable = tenant.all_unloadable().into_iter();
        degraded.extend(unloadable.map(|(domain, unloadable)| own(Some(domain), unloadable.reason)));
    }
    degraded.sort_unstable_by(|a, b| (&a.tenant, &a.domain).cmp(&(&b.tenant, &b.domain)));
    degraded
}
