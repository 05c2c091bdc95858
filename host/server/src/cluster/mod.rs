//! Several hosts with one journal, on JetStream: one owns it at a time and decides; each of them answers every request, from its own copy or
//! by handing it to the owner.

mod depot;
mod forward;
mod member;
mod wire;

use std::sync::Arc;

use polder_bridge::journal::{Durability, HostLine, JournalError, JournalLink, Lease, Objects};
use polder_engine::{Host, HostOptions};
use polder_journal::OpenOptions;
use tokio::sync::watch;

use depot::SharedDepot;
pub(crate) use forward::{forward, serve_hosts};
pub use member::Member;
pub(crate) use member::Role;
use member::{Asked, Work};

/// Why a host cannot be one of several.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Host(#[from] polder_engine::OpenError),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// What the faces of a host know of the others. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    name: Arc<str>,
    line: HostLine,
    objects: Objects,
    role: watch::Receiver<Role>,
    /// The number of the last frame that this host took over.
    followed: watch::Receiver<u64>,
    asked: watch::Sender<Asked>,
    durability: Arc<Durability>,
}

/// Opens this machine's copy of the journal, serves it, and goes on as a follower until the journal can be owned. Blocks.
///
/// # Errors
/// See [`JoinError`].
pub fn join(link: &JournalLink, options: HostOptions) -> Result<(Host, Cluster, Member), JoinError> {
    let objects = Objects::of(link);
    let (follower, reader, report) = link.open_copy(&options.data_dir, OpenOptions::default())?;
    let depot = Arc::new(SharedDepot(objects.clone()));
    let host = Host::open_following(reader.clone(), report, depot, options)?;
    let name: Arc<str> = uuid::Uuid::now_v7().simple().to_string().into();
    let lease = Lease::open(link, &name)?;
    let (tell_role, role) = watch::channel(Role::Following { owner: None });
    let (asked, to_do) = watch::channel(Asked::default());
    let (tell_followed, followed) = watch::channel(follower.end().number);
    let work = Work {
        link: link.clone(),
        host: host.clone(),
        reader,
        lease,
        role: tell_role,
        followed: tell_followed,
        asked: to_do,
    };
    let member = Member::start(work, follower, asked.clone()).map_err(JoinError::Thread)?;
    let durability = Arc::new(link.durability().clone());
    Ok((host, Cluster { name, line: HostLine::new(link), objects, role, followed, asked, durability }, member))
}

impl Cluster {
    /// What an acknowledgement is worth.
    pub fn durability(&self) -> &Durability {
        &self.durability
    }

    /// From now on this host does not own the journal, until it is started again. Answers once another may.
    pub(crate) async fn drain(&self) {
        self.asked.send_modify(|asked| asked.is_draining = true);
        let mut role = self.role.clone();
        // Ends early only when the member has ended, and then it owns nothing.
        let _ = role.wait_for(|role| !matches!(role, Role::Leading)).await;
    }

    /// Why no host takes what changes something, as far as this one knows.
    pub(crate) fn problem(&self) -> Option<String> {
        match &*self.role.borrow() {
            Role::Leading | Role::Following { owner: Some(_) } => None,
            Role::Following { owner: None } => Some("no host owns the journal at the moment".to_owned()),
            Role::Broken(problem) => Some(problem.clone()),
        }
    }

    /// Told when the host begins to lead, or leads no more.
    pub(crate) fn leading(&self) -> watch::Receiver<Role> {
        self.role.clone()
    }
}
