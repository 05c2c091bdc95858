//! The connection to a journal's streams, for threads that block. It has a runtime of its own, so that a blocked thread
//! does not delay answers to clients.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{Context, ContextBuilder, ErrorCode};
use polder_core::{JournalNumber, Journals};
use polder_journal::Keyring;
use tokio::runtime::Runtime;

use super::durability::{self, Durability};
use super::error::JournalError;
use super::objects;
use super::secret::{JournalSecret, Marks};
use super::settings::{self, JOURNAL_NAME, Names};
use super::tenant_keys::KeyStream;
use crate::steering::Leaving;
use crate::throttle::Throttle;
use crate::{ConnectOptions, Connection};

/// Longest wait for one answer of JetStream.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);
/// Longest wait for a request that a cluster may not be able to answer while it elects a leader.
pub(super) const QUESTION_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long a frame waits before the connection goes to another server.
const FRAME_WAIT_MAX: Duration = Duration::from_millis(2_500);
const FRAME_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Pause between two attempts.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Settings of a set of journals.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    pub name: String,
    /// Number of journals.
    pub journals: Journals,
    /// Number of servers that hold each frame: 1 or 3.
    pub replicas: usize,
    /// Accept that a power failure of the only server can lose acknowledged frames.
    pub accepts_unsynced: bool,
    /// Address of a server's monitoring, `http://host:8222`; by default port 8222 of the server that is connected.
    pub monitoring: Option<String>,
    /// The file with the secret that the hosts of the cluster share. The first host makes it.
    pub secret: PathBuf,
}

impl JournalOptions {
    /// Options for one journal on one server that syncs to disk.
    pub fn new(secret: PathBuf) -> Self {
        let (name, journals) = (JOURNAL_NAME.to_owned(), Journals::ONE);
        Self { name, journals, replicas: 1, accepts_unsynced: false, monitoring: None, secret }
    }
}

/// The purpose for which a journal is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Append,
    Read,
}

/// The last message of the stream that was read, and the last frame up to it. Frames have their own numbers, because
/// other clients may have written into the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) number: u64,
    pub(super) sequence: u64,
}

/// The link to one journal. A handle; clones share it.
#[derive(Clone)]
pub struct JournalLink {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) names: Names,
    journals: Journals,
    pub(super) replicas: usize,
    pub(super) connection: Connection,
    pub(super) context: Context,
    pub(super) frames: Stream,
    pub(super) objects: ObjectStore,
    pub(super) parcels: ObjectStore,
    durability: Durability,
    purpose: Use,
    /// `None` if the link is only for reading and has no secret: then the writers of messages are unknown.
    marks: Option<Marks>,
    spot: Mutex<Spot>,
    /// Time since when a frame waits for the servers' acknowledgement.
    pub(super) waiting: Mutex<Option<Instant>>,
    strange: Throttle,
    runtime: Option<Runtime>,
}

impl JournalLink {
    /// Connects, makes the streams unless they exist, and finds out what an acknowledgement guarantees. Blocks.
    ///
    /// # Errors
    /// See [`JournalError`]. Fails within seconds if the servers do not answer.
    pub fn open(
        connect: &ConnectOptions,
        options: &JournalOptions,
        number: JournalNumber,
    ) -> Result<Self, JournalError> {
        Self::open_as(connect, options, number, Use::Append)
    }

    /// Opens an existing journal to read it, whatever its servers guarantee. Without the file of the cluster's secret,
    /// the writers of frames are unknown. Blocks.
    ///
    /// # Errors
    /// Like [`open`](Self::open).
    pub fn open_to_read(
        connect: &ConnectOptions,
        name: &str,
        number: JournalNumber,
        secret: Option<&Path>,
    ) -> Result<Self, JournalError> {
        let options =
            JournalOptions { name: name.to_owned(), ..JournalOptions::new(secret.unwrap_or(Path::new("")).to_owned()) };
        Self::open_as(connect, &options, number, Use::Read)
    }

    fn open_as(
        connect: &ConnectOptions,
        options: &JournalOptions,
        number: JournalNumber,
        purpose: Use,
    ) -> Result<Self, JournalError> {
        let names = Names::of(&options.name, number).ok_or_else(|| JournalError::OtherSettings {
            stream: options.name.clone(),
            problem: "the name of journals has 1 to 32 letters, digits, '-' and '_'".to_owned(),
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("journal-link")
            .enable_all()
            .build()
            .map_err(|source| JournalError::Io { what: "start a thread", source })?;
        let opened = runtime.block_on(open(connect, options, &names, purpose));
        let Opened { connection, context, frames, journals, objects, parcels, durability, marks } = match opened {
            Ok(opened) => opened,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let (replicas, handle, runtime) = (options.replicas, runtime.handle().clone(), Some(runtime));
        let link = Self {
            inner: Arc::new(Inner {
                names,
                journals,
                replicas,
                connection,
                context,
                frames,
                objects,
                parcels,
                durability,
                purpose,
                marks,
                spot: Mutex::default(),
                waiting: Mutex::default(),
                strange: Throttle::default(),
                runtime,
            }),
        };
        handle.spawn(leave_servers_that_take_no_frames(Arc::downgrade(&link.inner)));
        Ok(link)
    }

    /// Number of journals in the set, this one included.
    pub fn journals(&self) -> Journals {
        self.inner.journals
    }

    /// What an acknowledgement guarantees.
    pub fn durability(&self) -> &Durability {
        &self.inner.durability
    }

    /// Time that a frame of this host has been waiting for the servers' acknowledgement. `None` if no frame waits.
    pub fn frame_waits_for(&self) -> Option<Duration> {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }

    /// Connects to another server of the cluster, if there is one. Blocks.
    pub fn leave_server(&self) {
        self.block_on(self.inner.connection.leave_server());
    }

    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// The marks for messages of hosts. `None` if the link is only for reading and has no secret.
    pub(super) fn marks(&self) -> Option<&Marks> {
        self.inner.marks.as_ref()
    }

    pub(super) fn own_marks(&self) -> &Marks {
        self.marks().expect("a link that writes has the secret")
    }

    pub(super) fn spot(&self) -> Spot {
        *self.inner.spot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_spot(&self, spot: Spot) {
        *self.inner.spot.lock().unwrap_or_else(PoisonError::into_inner) = spot;
    }

    /// Logs that a message is skipped: no host of the cluster wrote it, or it is an old frame again.
    pub(super) fn strange(&self, sequence: u64) {
        if let Some(unsaid) = self.inner.strange.now() {
            let stream = &self.inner.names.frames;
            tracing::warn!(
                stream,
                sequence,
                unsaid,
                "a message of the journal's stream is skipped: no host of this cluster wrote it; only the hosts may be allowed to publish there"
            );
        }
    }

    /// The tenants' keys, which all hosts share.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub fn keyring(&self) -> Result<Keyring, JournalError> {
        let made = self.block_on(async {
            let context = &self.inner.context;
            match self.inner.purpose {
                Use::Append => make_sure_of(context, settings::keys(&self.inner.names, self.inner.replicas)).await,
                Use::Read => there(context, &self.inner.names.keys).await,
            }
        })?;
        let keys = Keyring::kept_in(Box::new(KeyStream::new(self.clone(), made)));
        keys.map_err(|source| JournalError::Io { what: "read the tenants' keys", source })
    }

    /// Runs a background task until the link is dropped.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.inner.runtime.as_ref().expect("the runtime exists until the drop").spawn(future));
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.inner.runtime.as_ref().expect("the runtime exists until the drop").block_on(future)
    }

    /// Repeats a request until there is an answer, or [`QUESTION_WAIT_MAX`] is over.
    pub(super) async fn ask<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
        &self,
        what: &str,
        question: impl FnMut() -> F,
    ) -> Result<T, JournalError> {
        ask(what, question).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last clone may be dropped on a thread that must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Makes the connection go to another server when a frame has waited too long. A server that leads a stream and has
/// lost the others answers all other questions as before, for up to twenty seconds.
async fn leave_servers_that_take_no_frames(inner: Weak<Inner>) {
    let mut leaving = Leaving::new(FRAME_WAIT_MAX);
    loop {
        tokio::time::sleep(FRAME_CHECK_INTERVAL).await;
        let Some(inner) = inner.upgrade() else { return };
        let waits_since = *inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = waits_since.map_or(Duration::ZERO, |since| since.elapsed());
        if leaving.is_due(lasts, Instant::now()) {
            inner.connection.leave_server().await;
        }
    }
}

struct Opened {
    connection: Connection,
    context: Context,
    frames: Stream,
    journals: Journals,
    objects: ObjectStore,
    parcels: ObjectStore,
    durability: Durability,
    marks: Option<Marks>,
}

async fn open(
    connect: &ConnectOptions,
    options: &JournalOptions,
    names: &Names,
    purpose: Use,
) -> Result<Opened, JournalError> {
    let connection = Connection::open(connect, "polder-journal").await?;
    connection.require_jetstream().await?;
    // A link that only reads acknowledges nothing, so its durability does not matter.
    let accepts_unsynced = options.accepts_unsynced || purpose == Use::Read;
    let durability = durability::find_out(&connection, options, accepts_unsynced).await?;
    let context =
        ContextBuilder::new().timeout(ANSWER_WAIT_MAX).ack_timeout(ANSWER_WAIT_MAX).build(connection.client().clone());
    let (marks, frames) = match purpose {
        Use::Append => {
            let (marks, frames) = ours(&context, options, names).await?;
            (Some(marks), frames)
        }
        Use::Read => {
            let secret = JournalSecret::read(&options.secret).map_err(|error| bad_secret(options, error))?;
            (secret.map(|secret| secret.marks(&names.journal)), there(&context, &names.frames).await?)
        }
    };
    let journals = count(&frames, names)?;
    if purpose == Use::Append && journals != options.journals {
        let (set, there, asked) = (names.set.clone(), journals, options.journals);
        return Err(JournalError::OtherCount { set, there, asked });
    }
    let bucket = |name, age_max| objects::bucket(&context, name, options.replicas, age_max);
    let objects = ask("keep objects", || bucket(&names.objects, Duration::ZERO)).await?;
    let parcels = ask("keep parcels", || bucket(&names.parcels, objects::PARCEL_AGE_MAX)).await?;
    Ok(Opened { connection, context, frames, journals, objects, parcels, durability, marks })
}

/// The stream of frames, and the marks of its secret. The first host of a cluster makes both.
async fn ours(context: &Context, options: &JournalOptions, names: &Names) -> Result<(Marks, Stream), JournalError> {
    let file = &options.secret;
    let read = JournalSecret::read(file).map_err(|error| bad_secret(options, error))?;
    let is_made = read.is_none();
    let secret = match read {
        Some(secret) => secret,
        None if existing(context, &names.frames).await?.is_some() => {
            let (set, file) = (names.set.clone(), file.clone());
            return Err(JournalError::NoSecret { set, file });
        }
        None => JournalSecret::make(file).map_err(|error| bad_secret(options, error))?,
    };
    let marks = secret.marks(&names.journal);
    let wanted = settings::frames(names, options.replicas, options.journals, &marks.id());
    let frames = make_sure_of(context, wanted).await?;
    if settings::secret_id(&frames.cached_info().config) != Some(&marks.id()) {
        if is_made {
            // Another host was faster, and its secret is the cluster's. No message was marked with this one.
            let _ = std::fs::remove_file(file);
        }
        return Err(JournalError::OtherSecret { set: names.set.clone(), file: file.clone() });
    }
    if is_made {
        tracing::info!(file = %file.display(), "made the secret of this cluster: copy it to its other hosts");
    }
    Ok((marks, frames))
}

fn bad_secret(options: &JournalOptions, source: std::io::Error) -> JournalError {
    JournalError::BadSecret { file: options.secret.clone(), source }
}

/// An existing stream, with whatever settings it has. `None` if the servers say that it does not exist.
async fn existing(context: &Context, name: &str) -> Result<Option<Stream>, JournalError> {
    ask(&format!("give stream {name}"), || async {
        match context.get_stream(name).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                _ => Err(error),
            },
        }
    })
    .await
}

fn count(frames: &Stream, names: &Names) -> Result<Journals, JournalError> {
    settings::count(&frames.cached_info().config).ok_or_else(|| JournalError::OtherSettings {
        stream: names.frames.clone(),
        problem: "its metadata does not hold the number of journals".to_owned(),
    })
}

async fn there(context: &Context, name: &str) -> Result<Stream, JournalError> {
    let missing = || JournalError::unavailable(format!("give stream {name}"), "stream not found");
    existing(context, name).await?.ok_or_else(missing)
}

/// Makes the stream unless it exists, and refuses one with wrong settings.
async fn make_sure_of(context: &Context, wanted: Config) -> Result<Stream, JournalError> {
    let what = format!("give stream {}", wanted.name);
    let stream = ask(&what, || context.get_or_create_stream(wanted.clone())).await?;
    match settings::difference(&stream.cached_info().config, &wanted) {
        None => Ok(stream),
        Some(problem) => Err(JournalError::OtherSettings { stream: wanted.name, problem }),
    }
}

async fn ask<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut question: impl FnMut() -> F,
) -> Result<T, JournalError> {
    let start = Instant::now();
    loop {
        match question().await {
            Ok(answer) => return Ok(answer),
            Err(error) if start.elapsed() > QUESTION_WAIT_MAX => return Err(JournalError::unavailable(what, error)),
            Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
        }
    }
}
