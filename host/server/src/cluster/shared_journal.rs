//! A journal that several hosts share, as the HTTP and NATS interfaces of one of them see it.

use std::sync::Arc;

use polder_nats::journal::{HostLine, Objects};
use tokio::sync::watch;

use super::assignment::Assignment;
use super::role::Role;
use super::servers::Servers;

/// Clones share it.
#[derive(Clone)]
pub(crate) struct SharedJournal {
    /// The name of this host.
    pub(super) name: Arc<str>,
    pub(super) line: HostLine,
    pub(super) servers: Servers,
    pub(super) assignment: Arc<Assignment>,
    pub(super) objects: Objects,
    pub(super) role: watch::Receiver<Role>,
    /// The number of the last frame that this host has applied.
    pub(super) followed: watch::Receiver<u64>,
}

impl SharedJournal {
    /// Resolves when this host does not own the journal and others can.
    pub(crate) async fn released(&self) {
        let mut role = self.role.clone();
        // Ends early only if the ownership thread has ended, and then it owns nothing.
        let _ = role.wait_for(|role| !matches!(role, Role::Leading | Role::Releasing)).await;
    }

    /// Why no host takes changes, as far as this host knows. `None` if one does.
    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(problem) = self.servers.problem() {
            return Some(problem);
        }
        match &*self.role.borrow() {
            Role::Leading | Role::Following { owner: Some(_) } => None,
            Role::Releasing | Role::Following { owner: None } => {
                Some("no host owns the journal at the moment".to_owned())
            }
            Role::Broken(problem) => Some(problem.clone()),
        }
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The role of this host now.
    pub(crate) fn role_now(&self) -> Role {
        self.role.borrow().clone()
    }

    /// A receiver that changes when the host begins or ends to lead.
    pub(crate) fn role(&self) -> watch::Receiver<Role> {
        self.role.clone()
    }
}
