//! Several hosts that share journals, on JetStream. Each journal has one owner at a time, which decides what is
//! appended to it. Every host answers every request: queries from its own copies, changes by forwarding them to the
//! owner.

mod assignment;
mod cluster_handle;
mod component_store;
mod forward;
mod ownership;
mod plan;
mod servers;
mod wire;

use std::sync::Arc;
use std::time::Instant;

use polder_core::{JournalNumber, TenantName};
use polder_engine::{Host, HostOptions, MAIN_TENANT};
use polder_journal::Follower;
use polder_nats::ConnectOptions;
use polder_nats::journal::{HostLine, JournalError, JournalLink, JournalOptions, LEASE_LOOK, Lease, Objects, Presence};
use tokio::sync::watch;

use assignment::Assignment;
pub(crate) use cluster_handle::ClusterHandle;
pub use cluster_handle::Members;
use component_store::SharedDepot;
pub(crate) use forward::{ForwardWaits, forward, hand_over_lines, serve_hosts};
pub(crate) use ownership::Role;
use ownership::{Asked, OwnershipThread, Work};
pub(crate) use servers::Servers;
use servers::Watched;

use crate::partitions::{Partition, Partitions};

/// The folder below a data folder that holds one folder per journal, with the copy of the journal and its data.
pub const COPIES_FOLDER: &str = "journals";

/// Why a host cannot join the others.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Host(#[from] polder_engine::OpenError),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl JoinError {
    /// Whether the error is temporary: the servers do not answer.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Journal(error) if error.passes())
    }
}

/// What the HTTP and NATS interfaces know of the hosts that share a journal. Clones share it.
#[derive(Clone)]
pub(crate) struct Cluster {
    name: Arc<str>,
    line: HostLine,
    servers: Servers,
    division: Arc<Assignment>,
    objects: Objects,
    role: watch::Receiver<Role>,
    /// The number of the last frame that this host has applied.
    followed: watch::Receiver<u64>,
}

/// Opens this machine's copies of the journals, serves them, and follows until journals can be owned. Blocks.
///
/// # Errors
/// See [`JoinError`].
pub fn join(
    connect: &ConnectOptions,
    journal: &JournalOptions,
    options: &HostOptions,
) -> Result<(Partitions, Members), JoinError> {
    let name: Arc<str> = uuid::Uuid::new_v4().simple().to_string().into();
    let division = Arc::new(Assignment::new(&name, journal.journals));
    let (asked, to_do) = watch::channel(Asked::default());
    let joining = Joining { name, division, asked: to_do, options };
    let (mut parts, mut waiting, mut links) = (Vec::new(), Vec::new(), Vec::new());
    // The first link verifies that the number of journals is the configured one, before anything is created.
    for number in journal.journals.numbers() {
        let link = JournalLink::open(connect, journal, number)?;
        let (part, work, watched, follower) = joining.open(&link, number)?;
        parts.push(part);
        waiting.push((work, watched, follower));
        links.push(link);
    }
    let first = links.first().expect("there is a first journal");
    let (roll, division) = (Presence::of(first), joining.division);
    let (own, others) = (Arc::clone(&division), Arc::clone(&division));
    roll.keep(LEASE_LOOK, move || own.word(Instant::now()), move |word| others.heard(word, Instant::now()))?;
    let mut members = Vec::new();
    for (work, watched, follower) in waiting {
        members.push(OwnershipThread::start(work, follower).map_err(JoinError::Thread)?);
        members.push(OwnershipThread::watch(watched).map_err(JoinError::Thread)?);
    }
    let company = ClusterHandle::new(asked, division, roll);
    let parts = Partitions::joined(journal.journals, parts, company.clone());
    Ok((parts, Members::new(company, members, first.durability().clone())))
}

/// The values that all parts of a host are opened with.
struct Joining<'a> {
    name: Arc<str>,
    division: Arc<Assignment>,
    asked: watch::Receiver<Asked>,
    options: &'a HostOptions,
}

impl Joining<'_> {
    fn open(
        &self,
        link: &JournalLink,
        number: JournalNumber,
    ) -> Result<(Partition, Work, Watched, Follower), JoinError> {
        let Self { name, division, asked, options } = self;
        let main = TenantName::new(MAIN_TENANT).expect("a good name");
        let options = HostOptions {
            data_dir: options.data_dir.join(COPIES_FOLDER).join(number.to_string()),
            has_main: link.journals().of(&main) == number,
            ..HostOptions::clone(options)
        };
        let objects = Objects::of(link);
        let (follower, reader, report) = link.open_copy(&options.data_dir, options.journal())?;
        let depot = Arc::new(SharedDepot(objects.clone()));
        let host = Host::open_following(reader.clone(), report, depot, options)?;
        let mut lease = Lease::open(link, name)?;
        // A host may take a journal only after it has seen the leases of all.
        let looked = lease.look(|owner| {
            division.saw(number, owner, Instant::now());
            false
        });
        if let Err(error) = looked {
            // A new bucket may not answer yet. The member tries again.
            tracing::debug!(%number, %error, "cannot read the journal's owner");
        }
        let (role_sender, role) = watch::channel(Role::Following { owner: None });
        let (followed_sender, followed) = watch::channel(follower.end().number);
        let (watched, servers) = servers::watch(link, lease.reader(), division, name, asked.clone());
        let cluster = Cluster {
            name: Arc::clone(name),
            line: HostLine::new(link),
            servers,
            division: Arc::clone(division),
            objects,
            role,
            followed,
        };
        let work = Work {
            journal: number,
            division: Arc::clone(division),
            link: link.clone(),
            host: host.clone(),
            reader,
            lease,
            role: role_sender,
            followed: followed_sender,
            asked: asked.clone(),
        };
        Ok((Partition::new(number, host, Some(cluster)), work, watched, follower))
    }
}

impl Cluster {
    /// Resolves when this host does not own the journal and others can.
    pub(crate) async fn given_up(&self) {
        let mut role = self.role.clone();
        // Ends early only if the member thread has ended, and then it owns nothing.
        let _ = role.wait_for(|role| !matches!(role, Role::Leading | Role::GivingUp)).await;
    }

    /// Why no host takes changes, as far as this host knows. `None` if one does.
    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(problem) = self.servers.problem() {
            return Some(problem);
        }
        match &*self.role.borrow() {
            Role::Leading | Role::Following { owner: Some(_) } => None,
            Role::GivingUp | Role::Following { owner: None } => {
                Some("no host owns the journal at the moment".to_owned())
            }
            Role::Broken(problem) => Some(problem.clone()),
        }
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// A receiver that changes when the host begins or ends to lead.
    pub(crate) fn leading(&self) -> watch::Receiver<Role> {
        self.role.clone()
    }
}
