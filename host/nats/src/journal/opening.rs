//! Opens the link to a journal: connects, finds or makes the streams, and checks that they are this cluster's.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{Context, ContextBuilder};
use polder_core::{JournalNumber, Journals};
use polder_journal::Keyring;

use super::durability::{self, Durability};
use super::error::JournalError;
use super::link::{Inner, JournalLink, Purpose, leave_servers_that_take_no_frames};
use super::objects;
use super::options::JournalOptions;
use super::retry::{ANSWER_WAIT_MAX, ask};
use super::secret::{JournalSecret, Marks};
use super::settings::{self, Names};
use super::streams::{existing, get_or_make, required};
use super::tenant_keys::KeyStream;
use crate::connection::Connection;
use crate::options::ConnectOptions;
use crate::throttle::Throttle;

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
        Self::open_as(connect, options, number, Purpose::Append)
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
        Self::open_as(connect, &options, number, Purpose::Read)
    }

    fn open_as(
        connect: &ConnectOptions,
        options: &JournalOptions,
        number: JournalNumber,
        purpose: Purpose,
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
                position: Mutex::default(),
                waiting: Mutex::default(),
                foreign: Throttle::default(),
                runtime,
            }),
        };
        handle.spawn(leave_servers_that_take_no_frames(Arc::downgrade(&link.inner)));
        Ok(link)
    }

    /// The tenants' keys, which all hosts share.
    ///
    /// # Errors
    /// Fails if they cannot be read.
    pub fn keyring(&self) -> Result<Keyring, JournalError> {
        let made = self.block_on(async {
            let context = &self.inner.context;
            match self.inner.purpose {
                Purpose::Append => get_or_make(context, settings::keys(&self.inner.names, self.inner.replicas)).await,
                Purpose::Read => required(context, &self.inner.names.keys).await,
            }
        })?;
        let keys = Keyring::kept_in(Box::new(KeyStream::new(self.clone(), made)));
        keys.map_err(|source| JournalError::Io { what: "read the tenants' keys", source })
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
    purpose: Purpose,
) -> Result<Opened, JournalError> {
    let connection = Connection::open(connect, "polder-journal").await?;
    connection.require_jetstream().await?;
    // A link that only reads acknowledges nothing, so its durability does not matter.
    let accepts_unsynced = options.accepts_unsynced || purpose == Purpose::Read;
    let durability = durability::find_out(&connection, options, accepts_unsynced).await?;
    let context =
        ContextBuilder::new().timeout(ANSWER_WAIT_MAX).ack_timeout(ANSWER_WAIT_MAX).build(connection.client().clone());
    let (marks, frames) = match purpose {
        Purpose::Append => {
            let (marks, frames) = frames_of_cluster(&context, options, names).await?;
            (Some(marks), frames)
        }
        Purpose::Read => {
            let secret = JournalSecret::read(&options.secret).map_err(|error| bad_secret(options, error))?;
            (secret.map(|secret| secret.marks(&names.journal)), required(&context, &names.frames).await?)
        }
    };
    let journals = count(&frames, names)?;
    if purpose == Purpose::Append && journals != options.journals {
        let (set, there, asked) = (names.set.clone(), journals, options.journals);
        return Err(JournalError::OtherCount { set, there, asked });
    }
    let bucket = |name, age_max| objects::bucket(&context, name, options.replicas, age_max);
    let objects = ask("keep objects", || bucket(&names.objects, Duration::ZERO)).await?;
    let parcels = ask("keep parcels", || bucket(&names.parcels, objects::PARCEL_AGE_MAX)).await?;
    Ok(Opened { connection, context, frames, journals, objects, parcels, durability, marks })
}

/// The stream of frames, and the marks of its secret. The first host of a cluster makes both.
async fn frames_of_cluster(
    context: &Context,
    options: &JournalOptions,
    names: &Names,
) -> Result<(Marks, Stream), JournalError> {
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
    let frames = get_or_make(context, wanted).await?;
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

fn count(frames: &Stream, names: &Names) -> Result<Journals, JournalError> {
    settings::count(&frames.cached_info().config).ok_or_else(|| JournalError::OtherSettings {
        stream: names.frames.clone(),
        problem: "its metadata does not hold the number of journals".to_owned(),
    })
}
