//! What whoever deploys or goes back may ask for.

use polder_core::DomainName;
use tokio::sync::watch;

use crate::gate::{GateProgress, ReplayScope};

/// What holds for everything that changes the active revision.
#[derive(Debug, Clone, Default)]
pub struct GateOptions {
    /// Who does it, for the record.
    pub actor: Option<String>,
    /// Judge, and change and record nothing.
    pub dry_run: bool,
    /// States may come out otherwise than before. Faults are never accepted.
    pub accept_changes: bool,
    /// The revision's views take the place of those before also when they set aside events that those have applied.
    pub accept_set_aside: bool,
    pub replay: ReplayScope,
    /// Told how far the gate is.
    pub progress: Option<watch::Sender<GateProgress>>,
}

#[derive(Debug, Clone, Default)]
pub struct DeployOptions {
    pub gate: GateOptions,
    /// Refuse unless the component describes this domain.
    pub domain: Option<DomainName>,
    /// Also a revision that was put into quarantine.
    pub release_quarantine: bool,
}

#[derive(Debug, Clone, Default)]
pub struct RollBackOptions {
    pub gate: GateOptions,
    /// The first digits of a revision that was active once; by default the one before.
    pub to: Option<String>,
}
