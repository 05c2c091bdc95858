//! Who owns the journal, as far as that can be agreed on: an entry in a key-value bucket that its holder renews. Whoever sees it unchanged
//! for as long as a lease lasts, by its own clock, takes it. It keeps hosts from fighting and tells where to send commands; what keeps two owners
//! from both appending is the stream.

use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{Config, CreateErrorKind, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::link::JournalLink;

/// Whoever has not renewed it for so long has lost it.
pub const LEASE: Duration = Duration::from_secs(4);
/// How often its holder renews it, and others look.
pub const LEASE_LOOK: Duration = Duration::from_millis(500);
const KEY: &str = "owner";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holding {
    /// `None`: it was given back.
    host: Option<String>,
}

/// The entry as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    revision: u64,
    holding: Holding,
}

/// How long others have left the entry as it is. Pure.
#[derive(Debug, Default)]
struct Watch {
    unchanged: Option<(u64, Instant)>,
    looked: Option<Instant>,
}

impl Watch {
    /// Whether whoever sees this now may take the lease.
    fn may_take(&mut self, seen: Option<&Seen>, now: Instant) -> bool {
        let away = self.looked.replace(now).is_some_and(|looked| now.duration_since(looked) >= LEASE);
        if away {
            // What was not looked at was not seen unchanged: while the servers were away its holder could not renew it either.
            self.unchanged = None;
        }
        let Some(seen) = seen else { return true };
        if seen.holding.host.is_none() {
            return true;
        }
        match self.unchanged {
            Some((revision, since)) if revision == seen.revision => now.duration_since(since) >= LEASE,
            _ => {
                self.unchanged = Some((seen.revision, now));
                false
            }
        }
    }
}

/// How a renewal went.
#[derive(Debug, PartialEq, Eq)]
pub enum Renewal {
    Held,
    /// Another host has it.
    Lost,
    /// JetStream did not say.
    Unknown(String),
}

pub struct Lease {
    link: JournalLink,
    bucket: Store,
    host: String,
    watch: Watch,
    owner: Option<String>,
    /// Of the entry, while it is this host's.
    held: Option<u64>,
}

impl Lease {
    /// For the host of this name. Blocks, as all that it does.
    ///
    /// # Errors
    /// When the bucket cannot be had.
    pub fn open(link: &JournalLink, host: &str) -> Result<Self, JournalError> {
        let config = || Config {
            bucket: format!("{}-owner", link.inner.names.journal),
            description: "Which host owns Polder's journal.".to_owned(),
            history: 1,
            storage: StorageType::File,
            num_replicas: link.inner.replicas,
            ..Config::default()
        };
        let made = link.ask("keep the owner's lease", || link.inner.context.create_or_update_key_value(config()));
        let bucket = link.block_on(made)?;
        let (link, host) = (link.clone(), host.to_owned());
        Ok(Self { link, bucket, host, watch: Watch::default(), owner: None, held: None })
    }

    /// Who has it, as far as is known: possibly nobody, or one that is gone.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Looks who has it, and takes it if nobody has and this host may: `may_own` is told who still has it. False: somebody has it, was faster, or this
    /// host may not.
    ///
    /// # Errors
    /// When JetStream does not say.
    pub fn look(&mut self, may_own: impl FnOnce(Option<&str>) -> bool) -> Result<bool, JournalError> {
        let seen = self.link.block_on(see(&self.bucket))?;
        self.owner = seen.as_ref().and_then(|seen| seen.holding.host.clone());
        let is_free = self.watch.may_take(seen.as_ref(), Instant::now());
        // Asked in any case: it tells of what was seen.
        let may_own = may_own(self.owner.as_deref().filter(|_| !is_free));
        if !is_free || !may_own {
            return Ok(false);
        }
        let taken = match seen {
            None => self.create()?,
            Some(seen) => self.update(seen.revision, true)?,
        };
        if let Some(revision) = taken {
            (self.held, self.owner) = (Some(revision), Some(self.host.clone()));
        }
        Ok(taken.is_some())
    }

    pub fn renew(&mut self) -> Renewal {
        let Some(revision) = self.held else { return Renewal::Lost };
        match self.update(revision, true) {
            Ok(Some(renewed)) => {
                self.held = Some(renewed);
                Renewal::Held
            }
            Ok(None) => self.look_again(),
            Err(error) => Renewal::Unknown(error.to_string()),
        }
    }

    /// Another host may take it at once.
    pub fn release(&mut self) {
        let Some(revision) = self.held.take() else { return };
        self.owner = None;
        // Without it the others wait until it has run out.
        if let Err(error) = self.update(revision, false) {
            tracing::debug!(%error, "the owner's lease was not given back");
        }
    }

    /// An earlier renewal may have come through though its answer did not.
    fn look_again(&mut self) -> Renewal {
        match self.link.block_on(see(&self.bucket)) {
            Ok(Some(seen)) if seen.holding.host.as_deref() == Some(&self.host) => {
                self.held = Some(seen.revision);
                Renewal::Held
            }
            Ok(seen) => {
                (self.held, self.owner) = (None, seen.and_then(|seen| seen.holding.host));
                Renewal::Lost
            }
            Err(error) => Renewal::Unknown(error.to_string()),
        }
    }

    fn create(&self) -> Result<Option<u64>, JournalError> {
        match self.link.block_on(self.bucket.create(KEY, self.written(true))) {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(JournalError::unavailable("keep the owner's lease", error)),
        }
    }

    fn update(&self, revision: u64, is_held: bool) -> Result<Option<u64>, JournalError> {
        match self.link.block_on(self.bucket.update(KEY, self.written(is_held), revision)) {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(error) => Err(JournalError::unavailable("keep the owner's lease", error)),
        }
    }

    fn written(&self, is_held: bool) -> Bytes {
        let holding = Holding { host: is_held.then(|| self.host.clone()) };
        serde_json::to_vec(&holding).expect("texts are always JSON").into()
    }
}

async fn see(bucket: &Store) -> Result<Option<Seen>, JournalError> {
    let unavailable = |problem: String| JournalError::unavailable("give the owner's lease", problem);
    let entry = bucket.entry(KEY).await.map_err(|error| unavailable(error.to_string()))?;
    let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else { return Ok(None) };
    let holding = serde_json::from_slice(&entry.value).map_err(|error| unavailable(error.to_string()))?;
    Ok(Some(Seen { revision: entry.revision, holding }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(revision: u64, host: Option<&str>) -> Seen {
        Seen { revision, holding: Holding { host: host.map(str::to_owned) } }
    }

    #[test]
    fn a_lease_is_taken_when_it_was_given_back_or_left_alone() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        assert!(watch.may_take(None, start));
        assert!(watch.may_take(Some(&seen(1, None)), start));
        assert!(!watch.may_take(Some(&seen(2, Some("a"))), start), "seen for the first time");
        assert!(!watch.may_take(Some(&seen(2, Some("a"))), start + LEASE / 2));
        assert!(!watch.may_take(Some(&seen(3, Some("a"))), start + LEASE), "it was renewed");
        assert!(!watch.may_take(Some(&seen(3, Some("a"))), start + LEASE * 2 - Duration::from_millis(1)));
        assert!(watch.may_take(Some(&seen(3, Some("a"))), start + LEASE * 2));
        assert!(!watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 2), "another host was faster");
        assert!(!watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 9), "nobody was looking");
        assert!(!watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 10 - Duration::from_millis(1)));
        assert!(watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 10));
    }
}
