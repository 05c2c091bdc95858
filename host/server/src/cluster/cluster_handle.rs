//! What the threads of a host share, and how all of them are asked to drain or stop.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use polder_journal::Follower;
use polder_nats::journal::{Durability, Presence};
use tokio::sync::watch;

use super::assignment::Assignment;
use super::ownership::Ownership;
use super::servers::ServerWatch;
use super::stop_request::StopRequest;

/// This host's part in the cluster, for all journals together. Clones share it.
#[derive(Clone)]
pub(crate) struct ClusterHandle {
    stop_request: watch::Sender<StopRequest>,
    assignment: Arc<Assignment>,
    presence: Presence,
}

/// The threads of a host: two for each journal. They end on request.
pub struct ClusterThreads {
    cluster: ClusterHandle,
    threads: Vec<JoinHandle<()>>,
    durability: Durability,
}

impl ClusterHandle {
    pub(super) fn new(
        stop_request: watch::Sender<StopRequest>,
        assignment: Arc<Assignment>,
        presence: Presence,
    ) -> Self {
        Self { stop_request, assignment, presence }
    }

    /// From now on this host owns no journal until it is restarted: each thread releases its journal. Blocks for a
    /// moment.
    pub(crate) fn drain(&self) {
        // Leave first, so that the other hosts plan without this one when its journals are free.
        self.presence.say(self.assignment.leave());
        self.stop_request.send_modify(|request| request.is_draining = true);
    }

    fn stop(&self) {
        self.presence.say(self.assignment.leave());
        self.stop_request.send_modify(|request| request.is_stopping = true);
    }
}

impl ClusterThreads {
    pub(super) fn new(cluster: ClusterHandle, durability: Durability) -> Self {
        Self { cluster, threads: Vec::new(), durability }
    }

    /// Starts the threads of one journal: one follows or owns it, and one watches its servers.
    pub(super) fn start(
        &mut self,
        ownership: Ownership,
        follower: Follower,
        server_watch: ServerWatch,
    ) -> io::Result<()> {
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        self.threads.push(named("journal-member").spawn(move || ownership.run(follower))?);
        self.threads.push(named("journal-servers").spawn(move || server_watch.run())?);
        Ok(())
    }

    /// The number of servers that keep an acknowledged event, and how soon they sync it.
    pub fn durability(&self) -> &Durability {
        &self.durability
    }

    /// Releases all journals in order, so that other hosts can own them at once. Blocks.
    pub fn stop(self) {
        self.cluster.stop();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread that follows a journal panicked");
            }
        }
    }
}
