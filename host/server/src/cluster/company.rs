//! What a host's members have in common, and how they are all asked for something.

use std::sync::Arc;

use polder_bridge::journal::{Durability, Roll};
use tokio::sync::watch;

use super::division::Division;
use super::member::{Asked, Member};

/// Clones share it.
#[derive(Clone)]
pub(crate) struct Company {
    asked: watch::Sender<Asked>,
    division: Arc<Division>,
    roll: Roll,
}

/// One for each journal. They end when they are told to.
pub struct Members {
    company: Company,
    members: Vec<Member>,
    durability: Durability,
}

impl Company {
    pub(super) fn new(asked: watch::Sender<Asked>, division: Arc<Division>, roll: Roll) -> Self {
        Self { asked, division, roll }
    }

    /// From now on this host owns no journal, until it is started again: each member gives up what it has. Blocks for a moment.
    pub(crate) fn drain(&self) {
        // First, so that the others plan without this host when its journals are free.
        self.roll.say(&self.division.leave());
        self.asked.send_modify(|asked| asked.is_draining = true);
    }
}

impl Members {
    pub(super) fn new(company: Company, members: Vec<Member>, durability: Durability) -> Self {
        Self { company, members, durability }
    }

    /// What an acknowledgement is worth.
    pub fn durability(&self) -> &Durability {
        &self.durability
    }

    /// Gives all journals up in order, so that other hosts can have them at once. Blocks.
    pub fn stop(self) {
        let Self { company, members, .. } = self;
        company.roll.say(&company.division.leave());
        company.asked.send_modify(|asked| asked.is_stopping = true);
        members.into_iter().for_each(Member::join);
    }
}
