//! Makes rules the active ones of a domain.

use std::sync::Arc;

use polder_core::TenantName;

use super::deploy_error::DeployError;
use super::service::DeploymentService;
use super::uploads::Uploaded;
use crate::tenancy::{Active, Domain, Drained, GuestRules, Probation, Rules, Tenant};

impl DeploymentService {
    /// Compiles a component and returns only its rules, for [`attach`](Self::attach).
    pub fn load(&self, component: &[u8]) -> Result<Arc<dyn Rules>, DeployError> {
        let components = &self.parts.components;
        let component = Uploaded::from(component.to_vec());
        let loaded = components.load(&self.parts.sandbox, None, &component, &components.new_stop())?;
        Ok(Arc::new(GuestRules::new(loaded, Arc::clone(&self.parts.directory.system().notes))))
    }

    /// Activates rules without recording them and without projections, for benchmarks of the write side and for the
    /// native rules that they are compared with.
    pub fn attach(&self, tenant: &TenantName, rules: Arc<dyn Rules>) -> Result<(), DeployError> {
        let tenant = self.tenant_to_deploy(tenant)?;
        put_in_place(&tenant, rules, Probation::Attached);
        Ok(())
    }
}

/// Makes these rules active for all later commands. Returns the commands in flight that the former rules may still
/// decide.
pub(super) fn put_in_place(tenant: &Tenant, rules: Arc<dyn Rules>, probation: Probation) -> Option<Drained> {
    let name = rules.descriptor().domain.clone();
    tenant.is_loaded(&name);
    let active = Active::new(&tenant.name, rules, probation);
    if let Some(domain) = tenant.domain(&name) {
        return Some(domain.activate(active));
    }
    tenant.insert(Domain::new(name, active));
    None
}
