//! The revisions of a domain as a list for people: the time, actor and status of each deployment.

use std::collections::HashMap;

use polder_core::{Position, Revision, TimestampMs};
use serde::Serialize;

use super::check::Verdict;
use super::facts::DeploymentFact;
use crate::control::{Recorded, Registry};

/// One deployment of a revision, or a rollback to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RevisionInfo {
    pub revision: Revision,
    pub status: RevisionStatus,
    pub at_ms: TimestampMs,
    /// The actor of the deployment. `None` if none was named.
    pub actor: Option<String>,
    /// Why the domain went back to the revision, or why it is in quarantine.
    pub cause: Option<String>,
    pub verdict: Option<Verdict>,
    /// Position of the event that recorded it, in the host's own history.
    pub position: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionStatus {
    /// Stored, but neither activated nor refused, because the host was stopped before.
    Uploaded,
    Active,
    WasActive,
    Refused,
    /// The domain went back to another revision.
    RolledBack,
    /// The revision was active, and may not be activated again until it is released.
    Quarantined,
}

#[derive(Debug, Default)]
pub(crate) struct Revisions {
    pub(crate) list: Vec<RevisionInfo>,
    /// What a revision in quarantine was before, and is again once it is released.
    before_quarantine: HashMap<Revision, RevisionStatus>,
}

impl Registry for Revisions {
    type Fact = DeploymentFact;

    fn fold(&mut self, fact: DeploymentFact, noted: &Recorded) {
        match fact {
            DeploymentFact::RevisionUploaded { revision, .. } => {
                self.push(revision, RevisionStatus::Uploaded, None, None, noted);
            }
            DeploymentFact::RevisionActivated { revision, verdict, .. } => {
                self.replaced(RevisionStatus::WasActive);
                self.push(revision, RevisionStatus::Active, None, Some(verdict), noted);
            }
            DeploymentFact::RevisionRefused { revision, verdict, .. } => {
                self.push(revision, RevisionStatus::Refused, None, Some(verdict), noted);
            }
            DeploymentFact::RevisionRolledBack { revision, cause, verdict, .. } => {
                self.replaced(RevisionStatus::RolledBack);
                self.push(revision, RevisionStatus::Active, Some(cause), Some(verdict), noted);
            }
            DeploymentFact::RevisionQuarantined { revision, cause, .. } => {
                if let Some(info) = self.latest(revision) {
                    let before = std::mem::replace(&mut info.status, RevisionStatus::Quarantined);
                    info.cause = Some(cause);
                    self.before_quarantine.insert(revision, before);
                }
            }
            DeploymentFact::QuarantineReleased { revision, .. } => {
                let before = self.before_quarantine.remove(&revision);
                if let (Some(info), Some(before)) = (self.latest(revision), before) {
                    info.status = before;
                }
            }
        }
    }
}

impl Revisions {
    fn push(
        &mut self,
        revision: Revision,
        status: RevisionStatus,
        cause: Option<String>,
        verdict: Option<Verdict>,
        noted: &Recorded,
    ) {
        // An upload is the first step of a deployment, so the deployment replaces its entry.
        self.list.pop_if(|last| last.status == RevisionStatus::Uploaded && last.revision == revision);
        let (at_ms, actor, position) = (noted.at_ms, noted.actor.clone(), noted.position);
        self.list.push(RevisionInfo { revision, status, at_ms, actor, cause, verdict, position });
    }

    /// Gives the active revision another status.
    fn replaced(&mut self, status: RevisionStatus) {
        let active = self.list.iter_mut().rfind(|info| info.status == RevisionStatus::Active);
        active.into_iter().for_each(|info| info.status = status);
    }

    fn latest(&mut self, revision: Revision) -> Option<&mut RevisionInfo> {
        self.list.iter_mut().rfind(|info| info.revision == revision && info.status != RevisionStatus::Refused)
    }
}
