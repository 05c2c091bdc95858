//! Options of deployments and rollbacks.

use polder_core::DomainName;
use tokio::sync::watch;

use super::check::{CheckProgress, ReplayScope};

/// Options of every change of the active revision.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    /// Name of the actor, for the record.
    pub actor: Option<String>,
    /// Only check the revision; change and record nothing.
    pub dry_run: bool,
    /// Accept states that differ from those of the revision before. Faults are never accepted.
    pub accept_changes: bool,
    /// Let the revision's views replace the former ones even if they set aside events that the former views have
    /// applied.
    pub accept_set_aside: bool,
    pub replay: ReplayScope,
    /// Receives the progress of the revision check.
    pub progress: Option<watch::Sender<CheckProgress>>,
}

#[derive(Debug, Clone, Default)]
pub struct DeployOptions {
    pub check: CheckOptions,
    /// Refuse a component that describes another domain than this one.
    pub domain: Option<DomainName>,
    /// Also deploy a revision that is in quarantine, and release it.
    pub release_quarantine: bool,
}

#[derive(Debug, Clone, Default)]
pub struct RollBackOptions {
    pub check: CheckOptions,
    /// The first digits of a revision that was active once. Without it, the domain goes back to the revision before.
    pub to: Option<String>,
}
