//! What a host's members share, and how all of them are asked to drain or stop.

use std::sync::Arc;

use polder_nats::journal::{Durability, Presence};
use tokio::sync::watch;

use super::assignment::Assignment;
use super::ownership::{Asked, OwnershipThread};

/// The state that all members of a host share. Clones share it.
#[derive(Clone)]
pub(crate) struct ClusterHandle {
    asked: watch::Sender<Asked>,
    division: Arc<Assignment>,
    roll: Presence,
}

/// The threads of a host, one per journal. They end on request.
pub struct Members {
    company: ClusterHandle,
    members: Vec<OwnershipThread>,
    durability: Durability,
}

impl ClusterHandle {
    pub(super) fn new(asked: watch::Sender<Asked>, division: Arc<Assignment>, roll: Presence) -> Self {
        Self { asked, division, roll }
    }

    /// From now on this host owns no journal until it is restarted: each member releases its journal. Blocks for a
    /// moment.
    pub(crate) fn drain(&self) {
        // Leave first, so that the other hosts plan without this one when its journals are free.
        self.roll.say(&self.division.leave());
        self.asked.send_modify(|asked| asked.is_draining = true);
    }
}

impl Members {
    pub(super) fn new(company: ClusterHandle, members: Vec<OwnershipThread>, durability: Durability) -> Self {
        Self { company, members, durability }
    }

    /// The number of servers that keep an acknowledged event, and how soon they sync it.
    pub fn durability(&self) -> &Durability {
        &self.durability
    }

    /// Releases all journals in order, so that other hosts can own them at once. Blocks.
    pub fn stop(self) {
        let Self { company, members, .. } = self;
        company.roll.say(&company.division.leave());
        company.asked.send_modify(|asked| asked.is_stopping = true);
        members.into_iter().for_each(OwnershipThread::join);
    }
}
