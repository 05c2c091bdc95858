//! How a host joins the others that share its journals: opens its copies, and starts the threads that follow them.

use std::sync::Arc;
use std::time::Instant;

use polder_core::{JournalNumber, TenantName};
use polder_engine::{Host, HostOptions, MAIN_TENANT};
use polder_journal::Follower;
use polder_nats::ConnectOptions;
use polder_nats::journal::{HostLine, JournalError, JournalLink, JournalOptions, LEASE_LOOK, Lease, Objects, Presence};
use tokio::sync::watch;

use super::assignment::Assignment;
use super::cluster_handle::{ClusterHandle, ClusterThreads};
use super::component_store::SharedComponentStore;
use super::ownership::Ownership;
use super::role::Role;
use super::servers::{self, ServerWatch};
use super::shared_journal::SharedJournal;
use super::stop_request::StopRequest;

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

/// A host that has joined the others.
pub(crate) struct Joined {
    /// In the order of their numbers.
    pub(crate) journals: Vec<(JournalNumber, Host, SharedJournal)>,
    pub(crate) cluster: ClusterHandle,
    pub(crate) threads: ClusterThreads,
}

/// Opens this machine's copies of the journals, serves them, and follows until journals can be owned. Blocks.
///
/// # Errors
/// See [`JoinError`].
pub(crate) fn join(
    connect: &ConnectOptions,
    journal: &JournalOptions,
    options: &HostOptions,
) -> Result<Joined, JoinError> {
    let name: Arc<str> = uuid::Uuid::new_v4().simple().to_string().into();
    let assignment = Arc::new(Assignment::new(&name, journal.journals));
    let (stop_sender, stop_request) = watch::channel(StopRequest::default());
    let joining = Joining { name, assignment, stop_request, options };
    let (mut journals, mut waiting, mut links) = (Vec::new(), Vec::new(), Vec::new());
    // The first link verifies that the number of journals is the configured one, before anything is created.
    for number in journal.journals.numbers() {
        let link = JournalLink::open(connect, journal, number)?;
        let Opened { host, shared, threads } = joining.open(&link, number)?;
        journals.push((number, host, shared));
        waiting.push(threads);
        links.push(link);
    }
    let first = links.first().expect("there is a first journal");
    let (presence, assignment) = (Presence::of(first), joining.assignment);
    let (own, others) = (Arc::clone(&assignment), Arc::clone(&assignment));
    presence.keep(
        LEASE_LOOK,
        move || own.heartbeat(Instant::now()),
        move |heartbeat| others.heard(heartbeat, Instant::now()),
    )?;
    let cluster = ClusterHandle::new(stop_sender, assignment, presence);
    let mut threads = ClusterThreads::new(cluster.clone(), first.durability().clone());
    for (ownership, follower, server_watch) in waiting {
        threads.start(ownership, follower, server_watch).map_err(JoinError::Thread)?;
    }
    Ok(Joined { journals, cluster, threads })
}

/// The values that all journals of a host are opened with.
struct Joining<'a> {
    name: Arc<str>,
    assignment: Arc<Assignment>,
    stop_request: watch::Receiver<StopRequest>,
    options: &'a HostOptions,
}

/// One journal's copy, before its threads start.
struct Opened {
    host: Host,
    shared: SharedJournal,
    threads: (Ownership, Follower, ServerWatch),
}

impl Joining<'_> {
    fn open(&self, link: &JournalLink, number: JournalNumber) -> Result<Opened, JoinError> {
        let Self { name, assignment, stop_request, options } = self;
        let main = TenantName::new(MAIN_TENANT).expect("a good name");
        let options = HostOptions {
            data_dir: options.data_dir.join(COPIES_FOLDER).join(number.to_string()),
            has_main: link.journals().of(&main) == number,
            ..HostOptions::clone(options)
        };
        let objects = Objects::of(link);
        let (follower, reader, report) = link.open_copy(&options.data_dir, options.journal())?;
        let components = Arc::new(SharedComponentStore(objects.clone()));
        let host = Host::open_following(reader.clone(), report, components, options)?;
        let mut lease = Lease::open(link, name)?;
        // A host may take a journal only after it has seen the leases of all.
        let looked = lease.look(|owner| {
            assignment.saw(number, owner, Instant::now());
            false
        });
        if let Err(error) = looked {
            // A new bucket may not answer yet. The thread tries again.
            tracing::debug!(%number, %error, "cannot read the journal's owner");
        }
        let (role_sender, role) = watch::channel(Role::Following { owner: None });
        let (followed_sender, followed) = watch::channel(follower.end().number);
        let (server_watch, servers) = servers::watch(link, lease.reader(), assignment, name, stop_request.clone());
        let shared = SharedJournal {
            name: Arc::clone(name),
            line: HostLine::new(link),
            servers,
            assignment: Arc::clone(assignment),
            objects,
            role,
            followed,
        };
        let ownership = Ownership {
            journal: number,
            assignment: Arc::clone(assignment),
            link: link.clone(),
            host: host.clone(),
            reader,
            lease,
            role: role_sender,
            followed: followed_sender,
            stop_request: stop_request.clone(),
        };
        Ok(Opened { host, shared, threads: (ownership, follower, server_watch) })
    }
}
