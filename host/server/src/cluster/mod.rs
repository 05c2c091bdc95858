//! Several hosts with journals in common, on JetStream: each journal is owned by one host at a time, which decides what goes into it; each host
//! answers every request, from its own copies or by handing it to the owner.

mod company;
mod depot;
mod division;
mod forward;
mod member;
mod plan;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use polder_bridge::ConnectOptions;
use polder_bridge::journal::{HostLine, JournalError, JournalLink, JournalOptions, LEASE_LOOK, Lease, Objects, Roll};
use polder_core::{JournalNumber, TenantName};
use polder_engine::{Host, HostOptions, MAIN_TENANT};
use polder_journal::Follower;
use tokio::sync::watch;

pub(crate) use company::Company;
pub use company::Members;
use depot::SharedDepot;
use division::Division;
pub(crate) use forward::{forward, hand_over_lines, serve_hosts};
pub(crate) use member::Role;
use member::{Asked, Member, Work};

use crate::parts::{Part, Parts};

/// Below a data folder: a folder for the copy of each journal, and what belongs to it.
pub const COPIES_FOLDER: &str = "journals";

/// A frame that waits for so long makes callers wait no longer.
const STALLED_AFTER: Duration = Duration::from_millis(1_500);
/// Between two looks whether one does.
const STALL_LOOK_INTERVAL: Duration = Duration::from_millis(100);

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

impl JoinError {
    /// The servers do not answer: it passes by itself.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Journal(error) if error.passes())
    }
}

/// What the faces of a host know of the others that have a journal in common with it. Clones share it.
#[derive(Clone)]
pub(crate) struct Cluster {
    name: Arc<str>,
    line: HostLine,
    link: JournalLink,
    division: Arc<Division>,
    objects: Objects,
    role: watch::Receiver<Role>,
    /// The number of the last frame that this host took over.
    followed: watch::Receiver<u64>,
}

/// Opens this machine's copies of the journals, serves them, and goes on as a follower until journals can be owned. Blocks.
///
/// # Errors
/// See [`JoinError`].
pub fn join(
    connect: &ConnectOptions,
    journal: &JournalOptions,
    options: &HostOptions,
) -> Result<(Parts, Members), JoinError> {
    let name: Arc<str> = uuid::Uuid::new_v4().simple().to_string().into();
    let division = Arc::new(Division::new(&name, journal.journals));
    let (asked, to_do) = watch::channel(Asked::default());
    let joining = Joining { name, division, asked: to_do, options };
    let (mut parts, mut waiting, mut links) = (Vec::new(), Vec::new(), Vec::new());
    // The first says whether there are as many as this host was told, before anything is made.
    for number in journal.journals.numbers() {
        let link = JournalLink::open(connect, journal, number)?;
        let (part, work, follower) = joining.open(&link, number)?;
        parts.push(part);
        waiting.push((work, follower));
        links.push(link);
    }
    let first = links.first().expect("there is a first journal");
    let (roll, division) = (Roll::of(first), joining.division);
    let (own, others) = (Arc::clone(&division), Arc::clone(&division));
    roll.keep(LEASE_LOOK, move || own.word(Instant::now()), move |word| others.heard(word, Instant::now()))?;
    let mut members = Vec::new();
    for (work, follower) in waiting {
        members.push(Member::start(work, follower).map_err(JoinError::Thread)?);
    }
    let company = Company::new(asked, division, roll);
    let parts = Parts::joined(journal.journals, parts, company.clone());
    Ok((parts, Members::new(company, members, first.durability().clone())))
}

/// What all parts of a host are opened with.
struct Joining<'a> {
    name: Arc<str>,
    division: Arc<Division>,
    asked: watch::Receiver<Asked>,
    options: &'a HostOptions,
}

impl Joining<'_> {
    fn open(&self, link: &JournalLink, number: JournalNumber) -> Result<(Part, Work, Follower), JoinError> {
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
        // A host takes journals once it has seen all.
        let looked = lease.look(|owner| {
            division.saw(number, owner, Instant::now());
            false
        });
        if let Err(error) = looked {
            // A bucket that was just made may not answer yet; the member looks again.
            tracing::debug!(%number, %error, "nothing is known of the journal's owner");
        }
        let (tell_role, role) = watch::channel(Role::Following { owner: None });
        let (tell_followed, followed) = watch::channel(follower.end().number);
        let cluster = Cluster {
            name: Arc::clone(name),
            line: HostLine::new(link),
            link: link.clone(),
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
            role: tell_role,
            followed: tell_followed,
            asked: asked.clone(),
        };
        Ok((Part::new(number, host, Some(cluster)), work, follower))
    }
}

impl Cluster {
    /// Once this host does not own the journal, and others can.
    pub(crate) async fn given_up(&self) {
        let mut role = self.role.clone();
        // Ends early only when the member has ended, and then it owns nothing.
        let _ = role.wait_for(|role| !matches!(role, Role::Leading | Role::GivingUp)).await;
    }

    /// Why no host takes what changes something, as far as this one knows.
    pub(crate) fn problem(&self) -> Option<String> {
        match &*self.role.borrow() {
            Role::Leading | Role::Following { owner: Some(_) } => None,
            Role::GivingUp | Role::Following { owner: None } => {
                Some("no host owns the journal at the moment".to_owned())
            }
            Role::Blind => Some("the servers that keep the journal do not answer".to_owned()),
            Role::Broken(problem) => Some(problem.clone()),
        }
    }

    pub(crate) fn servers(&self) -> Servers {
        Servers(self.link.clone())
    }

    /// Told when the host begins to lead, or leads no more.
    pub(crate) fn leading(&self) -> watch::Receiver<Role> {
        self.role.clone()
    }
}

/// The servers that keep the journal, as this host sees them. Clones share it.
#[derive(Clone)]
pub(crate) struct Servers(JournalLink);

impl Servers {
    /// Why what this host has taken is not durable yet, when that has taken too long already. `None`: it owns the journal, and the servers answer.
    pub(crate) fn stalled(&self) -> Option<String> {
        let waited = self.0.frame_waits_for().filter(|waited| *waited >= STALLED_AFTER)?;
        Some(format!("the servers that keep the journal have not answered for {} ms", waited.as_millis()))
    }

    /// What comes of `pending`, unless the servers that keep the journal do not answer.
    pub(crate) async fn answered<T>(&self, pending: impl Future<Output = T>) -> Result<T, String> {
        let mut pending = std::pin::pin!(pending);
        loop {
            match tokio::time::timeout(STALL_LOOK_INTERVAL, &mut pending).await {
                Ok(answer) => return Ok(answer),
                Err(_) => self.stalled().map_or(Ok(()), Err)?,
            }
        }
    }
}
