//! The thread that follows or owns one journal. It takes the journal over when it falls to this host, and releases it
//! when another host has taken it, when another host should have it, or on request.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use polder_core::JournalNumber;
use polder_engine::Host;
use polder_journal::{Follower, Reader, Writer};
use polder_nats::journal::{JournalError, JournalLink, LEASE_LOOK, Lease, Renewal};
use tokio::sync::watch;

use super::assignment::Assignment;
use super::role::Role;
use super::stop_request::StopRequest;

/// The state of the thread of one journal.
pub(super) struct Ownership {
    pub(super) journal: JournalNumber,
    pub(super) assignment: Arc<Assignment>,
    pub(super) link: JournalLink,
    pub(super) host: Host,
    pub(super) reader: Reader,
    pub(super) lease: Lease,
    pub(super) role: watch::Sender<Role>,
    /// Gets the number of the last frame that this host has applied.
    pub(super) followed: watch::Sender<u64>,
    pub(super) stop_request: watch::Receiver<StopRequest>,
}

/// Why following ended.
enum Next {
    Lead,
    Stop,
}

impl Ownership {
    /// Runs until the thread is asked to stop, or can neither follow nor lead any more. Then another host can own the
    /// journal.
    pub(super) fn run(mut self, follower: Follower) {
        let journal = self.journal;
        if let Err(problem) = self.follow_and_lead(follower) {
            tracing::error!(%journal, problem, "this host can neither follow nor own the journal any more; its data can still be read");
            self.role.send_replace(Role::Broken(problem));
        }
        self.assignment.lost(journal);
        self.lease.release();
    }

    /// Alternates between following and leading until the thread has to stop.
    fn follow_and_lead(&mut self, mut follower: Follower) -> Result<(), String> {
        loop {
            match self.follow(&mut follower)? {
                Next::Stop => return follower.close().map_err(|error| error.to_string()),
                Next::Lead => {}
            }
            match self.link.claim(&mut follower) {
                Ok(()) => {}
                // The servers are away. Another host may be faster when they are back.
                Err(JournalError::Unavailable { .. } | JournalError::Append(_)) => {
                    self.release();
                    continue;
                }
                Err(other) => return Err(other.to_string()),
            }
            self.caught_up(&follower)?;
            let writer = self.link.writer(follower).map_err(|error| error.to_string())?;
            self.host.lead(writer).map_err(|error| error.to_string())?;
            self.role.send_replace(Role::Leading);
            tracing::info!(journal = %self.journal, "this host owns the journal now");
            let Some(writer) = self.lead()? else { return Ok(()) };
            follower = writer.into_follower();
            self.link.catch_up(&mut follower).or_else(unless_lost)?;
            self.caught_up(&follower)?;
        }
    }

    fn follow(&mut self, follower: &mut Follower) -> Result<Next, String> {
        let Self { journal, assignment, link, host, lease, role, followed: heard, stop_request, .. } = self;
        let (mut looked, mut next, mut problem) = (Instant::now() - LEASE_LOOK, Next::Stop, None);
        let followed = link.follow(follower, LEASE_LOOK, |followed| {
            if let Some(frame) = followed {
                if let Err(error) = host.followed(&frame.tenants) {
                    problem = Some(error.to_string());
                    return false;
                }
                heard.send_replace(frame.number);
            }
            if stop_request.borrow().is_stopping {
                return false;
            }
            if looked.elapsed() < LEASE_LOOK {
                return true;
            }
            looked = Instant::now();
            let may_own = |owner: Option<&str>| {
                let now = Instant::now();
                assignment.saw(*journal, owner, now);
                !stop_request.borrow().is_draining && assignment.may_take(*journal, now)
            };
            match lease.look(may_own) {
                Ok(true) => next = Next::Lead,
                Ok(false) => {
                    let owner = lease.owner().map(str::to_owned);
                    role.send_if_modified(|role| replace(role, Role::Following { owner }));
                    return true;
                }
                Err(error) => {
                    tracing::debug!(%journal, %error, "cannot read the journal's owner");
                    return true;
                }
            }
            false
        });
        followed.map_err(|error| error.to_string())?;
        problem.map_or(Ok(next), Err)
    }

    /// Reports all applied frames to the host and to waiting readers.
    fn caught_up(&self, follower: &Follower) -> Result<(), String> {
        self.host.followed(&self.reader.tenants()).map_err(|error| error.to_string())?;
        self.followed.send_replace(follower.end().number);
        Ok(())
    }

    /// Renews the lease until it is lost, released or useless. Returns the journal's writer, or `None` if the thread
    /// has to stop.
    fn lead(&mut self) -> Result<Option<Writer>, String> {
        let journal = self.journal;
        self.assignment.saw(journal, self.lease.owner(), Instant::now());
        let reason = loop {
            thread::sleep(LEASE_LOOK);
            let request = self.stop_request.borrow().clone();
            let reason = match self.assignment.must_release(journal, Instant::now()) {
                _ if request.is_stopping || request.is_draining => "it was asked to",
                true => "another host has fewer journals",
                false => "",
            };
            if !reason.is_empty() {
                self.role.send_replace(Role::Releasing);
                let Some(writer) = self.host.step_down() else { return Ok(None) };
                if request.is_stopping {
                    // Closing marks an orderly stop. If it fails, the next owner reports a kill, and nothing else
                    // changes.
                    writer.close().or_else(|error| unless_lost(error.into()))?;
                    return Ok(None);
                }
                self.release();
                tracing::info!(%journal, reason, "this host does not own the journal any more");
                self.role.send_replace(Role::Following { owner: None });
                return Ok(Some(writer));
            }
            let health = self.host.health();
            if !health.writable {
                break health.reason.unwrap_or_default();
            }
            match self.lease.renew() {
                Renewal::Held => self.assignment.saw(journal, self.lease.owner(), Instant::now()),
                Renewal::Lost => break "another host has taken it over".to_owned(),
                Renewal::Unknown(problem) => tracing::debug!(%journal, problem, "the owner's lease was not renewed"),
            }
        };
        tracing::info!(%journal, reason, "this host does not own the journal any more");
        self.role.send_replace(Role::Following { owner: self.lease.owner().map(str::to_owned) });
        let writer = self.host.step_down();
        self.release();
        Ok(writer)
    }

    fn release(&mut self) {
        self.lease.release();
        self.assignment.saw(self.journal, self.lease.owner(), Instant::now());
    }
}

/// Ignores errors that are temporary: the servers provide later what they do not provide now.
fn unless_lost(error: JournalError) -> Result<(), String> {
    match error {
        JournalError::Unavailable { .. } | JournalError::Append(_) => Ok(()),
        other => Err(other.to_string()),
    }
}

fn replace(role: &mut Role, with: Role) -> bool {
    let changes = *role != with;
    *role = with;
    changes
}
