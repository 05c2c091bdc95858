//! The lease: an entry in a key-value bucket that the journal's owner renews. A host that sees the entry unchanged for
//! the length of a lease, by its own clock, takes it. The lease avoids fights between hosts and shows where to send
//! commands. It is the stream that keeps two owners from both appending.

use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{Config, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::link::JournalLink;
use super::secret::{is_marked, mark};

/// A host that has not renewed its lease for this long has lost it.
pub const LEASE: Duration = Duration::from_secs(4);
/// Interval at which the owner renews the lease and the other hosts check it.
pub const LEASE_LOOK: Duration = Duration::from_millis(500);
/// Wall time for one read of the entry. It is shorter than for other requests to JetStream, because requests wait until
/// it is known that the servers are away.
const READ_WAIT_MAX: Duration = Duration::from_millis(700);
const KEY: &str = "owner";

/// The entry as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// The host that has the lease. `None` if the lease was given back.
    host: Option<String>,
    /// The revision that this entry replaced. It makes an old entry invalid that another client writes again.
    replaces: u64,
    mark: String,
}

/// What an entry says about the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Holding {
    Held(String),
    Free,
    /// No host of the cluster wrote the entry.
    Foreign,
}

/// The entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    revision: u64,
    holding: Holding,
}

/// Measures how long other hosts have left the entry unchanged. Pure.
#[derive(Debug, Default)]
struct Watch {
    /// The revision of the last entry that a host wrote, if any, and the time since when it is the newest.
    unchanged: Option<(Option<u64>, Instant)>,
    checked: Option<Instant>,
}

impl Watch {
    /// Whether a host that reads this now may take the lease.
    fn may_take(&mut self, seen: Option<&Seen>, now: Instant) -> bool {
        let away = self.checked.replace(now).is_some_and(|checked| now.duration_since(checked) >= LEASE);
        if away {
            // Without checks, the entry may have changed. And while the servers were away, its holder could not renew
            // it either.
            self.unchanged = None;
        }
        let Some(seen) = seen else { return true };
        let revision = match seen.holding {
            Holding::Free => return true,
            Holding::Held(_) => Some(seen.revision),
            // It shows neither that the holder is there nor that it is gone.
            Holding::Foreign => self.unchanged.and_then(|(revision, _)| revision),
        };
        match self.unchanged {
            Some((unchanged, since)) if unchanged == revision => now.duration_since(since) >= LEASE,
            _ => {
                self.unchanged = Some((revision, now));
                false
            }
        }
    }
}

/// Outcome of a renewal.
#[derive(Debug, PartialEq, Eq)]
pub enum Renewal {
    Held,
    /// Another host has it.
    Lost,
    /// JetStream did not answer.
    Unknown(String),
}

pub struct Lease {
    link: JournalLink,
    bucket: Store,
    host: String,
    watch: Watch,
    owner: Option<String>,
    /// Revision of the entry, while it belongs to this host.
    held: Option<u64>,
}

impl Lease {
    /// Opens the lease for the host of this name. Blocks, as all methods do.
    ///
    /// # Errors
    /// Fails if the bucket cannot be made or opened.
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

    /// The last known owner, if any. It may be gone already.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// A reader of the same entry, for another thread.
    pub fn reader(&self) -> LeaseReader {
        LeaseReader { link: self.link.clone(), bucket: self.bucket.clone() }
    }

    /// Reads the entry, and takes the lease if it is free and this host may have it. `may_own` is called with the
    /// current owner, if there is one. Returns false if another host has the lease or was faster, or if this host may
    /// not have it.
    ///
    /// # Errors
    /// Fails if JetStream does not answer.
    pub fn look(&mut self, may_own: impl FnOnce(Option<&str>) -> bool) -> Result<bool, JournalError> {
        let seen = self.see()?;
        self.note(seen.as_ref());
        let is_own = seen.as_ref().is_some_and(|seen| seen.holding == Holding::Held(self.host.clone()));
        // Only this host writes its own name, so it need not wait for the lease to expire.
        let is_free = self.watch.may_take(seen.as_ref(), Instant::now()) || is_own;
        // This is called in any case, because it also reports what was read.
        let may_own = may_own(self.owner.as_deref().filter(|_| !is_free));
        if !is_free || !may_own {
            return Ok(false);
        }
        let taken = self.update(seen.map_or(0, |seen| seen.revision), true)?;
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
            Ok(None) => self.read_again(),
            Err(error) => Renewal::Unknown(error.to_string()),
        }
    }

    /// Gives the lease back, so that another host can take it at once.
    pub fn release(&mut self) {
        let Some(revision) = self.held.take() else { return };
        self.owner = None;
        // If this fails, the other hosts wait until the lease has expired.
        if let Err(error) = self.update(revision, false) {
            tracing::debug!(%error, "the owner's lease was not given back");
        }
    }

    /// Reads the entry after a failed renewal. An earlier renewal may have succeeded without an answer, or another
    /// client wrote an entry.
    fn read_again(&mut self) -> Renewal {
        let seen = match self.see() {
            Ok(seen) => seen,
            Err(error) => return Renewal::Unknown(error.to_string()),
        };
        self.note(seen.as_ref());
        match seen {
            Some(seen) if seen.holding == Holding::Foreign || seen.holding == Holding::Held(self.host.clone()) => {
                self.held = Some(seen.revision);
                match seen.holding {
                    Holding::Foreign => Renewal::Unknown("no host of the cluster wrote the last entry".to_owned()),
                    _ => Renewal::Held,
                }
            }
            _ => {
                self.held = None;
                Renewal::Lost
            }
        }
    }

    /// Remembers the owner, unless the entry says nothing about it.
    fn note(&mut self, seen: Option<&Seen>) {
        match seen.map(|seen| &seen.holding) {
            Some(Holding::Held(host)) => self.owner = Some(host.clone()),
            Some(Holding::Free) | None => self.owner = None,
            Some(Holding::Foreign) => {}
        }
    }

    fn see(&self) -> Result<Option<Seen>, JournalError> {
        see(&self.link, &self.bucket)
    }

    /// Writes the entry. `revision` 0 means that there is none yet. Returns `None` if there is another entry by now.
    fn update(&self, revision: u64, is_held: bool) -> Result<Option<u64>, JournalError> {
        let entry = written(&self.link.own_marks().lease, is_held.then_some(&*self.host), revision);
        match self.link.block_on(self.bucket.update(KEY, entry, revision)) {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(error) => Err(JournalError::unavailable("keep the owner's lease", error)),
        }
    }
}

/// Reads the owner's entry and never writes it.
pub struct LeaseReader {
    link: JournalLink,
    bucket: Store,
}

impl LeaseReader {
    /// The entry's revision, which grows with each renewal, and the host that holds the lease. `None` if there is no
    /// entry. Blocks.
    ///
    /// # Errors
    /// Fails if JetStream does not answer.
    pub fn read(&self) -> Result<Option<(u64, Option<String>)>, JournalError> {
        let holder = |holding| match holding {
            Holding::Held(host) => Some(host),
            Holding::Free | Holding::Foreign => None,
        };
        Ok(see(&self.link, &self.bucket)?.map(|seen| (seen.revision, holder(seen.holding))))
    }
}

fn see(link: &JournalLink, bucket: &Store) -> Result<Option<Seen>, JournalError> {
    let unavailable = |problem: String| JournalError::unavailable("give the owner's lease", problem);
    let found = link.block_on(async { tokio::time::timeout(READ_WAIT_MAX, bucket.entry(KEY)).await });
    let entry = found
        .map_err(|_| unavailable(format!("no answer within {READ_WAIT_MAX:?}")))?
        .map_err(|error| unavailable(error.to_string()))?;
    let Some(entry) = entry else { return Ok(None) };
    let holding = match entry.operation {
        Operation::Put => read(&link.own_marks().lease, &entry.value, entry.revision),
        // No host deletes the entry.
        Operation::Delete | Operation::Purge => Holding::Foreign,
    };
    Ok(Some(Seen { revision: entry.revision, holding }))
}

fn written(key: &[u8; 32], host: Option<&str>, replaces: u64) -> Bytes {
    let mark = mark(key, &parts(host, &replaces.to_le_bytes()));
    let entry = Entry { host: host.map(str::to_owned), replaces, mark };
    serde_json::to_vec(&entry).expect("texts are always JSON").into()
}

fn read(key: &[u8; 32], value: &[u8], revision: u64) -> Holding {
    match serde_json::from_slice(value) {
        Ok(Entry { host, replaces, mark })
            if replaces.checked_add(1) == Some(revision)
                && is_marked(key, &parts(host.as_deref(), &replaces.to_le_bytes()), &mark) =>
        {
            host.map_or(Holding::Free, Holding::Held)
        }
        _ => Holding::Foreign,
    }
}

fn parts<'a>(host: Option<&'a str>, replaces: &'a [u8; 8]) -> [&'a [u8]; 3] {
    [if host.is_some() { b"held" } else { b"free" }, host.unwrap_or_default().as_bytes(), replaces]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(revision: u64, host: Option<&str>) -> Seen {
        Seen { revision, holding: host.map_or(Holding::Free, |host| Holding::Held(host.to_owned())) }
    }

    #[test]
    fn what_no_host_wrote_neither_frees_nor_renews_a_lease() {
        let foreign = |revision| Seen { revision, holding: Holding::Foreign };
        let (mut watch, start) = (Watch::default(), Instant::now());
        assert!(!watch.may_take(Some(&foreign(1)), start));
        assert!(!watch.may_take(Some(&seen(2, Some("a"))), start + LEASE / 2));
        assert!(!watch.may_take(Some(&foreign(3)), start + LEASE));
        assert!(!watch.may_take(Some(&foreign(4)), start + LEASE * 3 / 2 - Duration::from_millis(1)));
        assert!(watch.may_take(Some(&foreign(5)), start + LEASE * 3 / 2), "its holder has not renewed it");
    }

    #[test]
    fn an_entry_is_a_hosts_only_in_its_place() {
        let (ours, theirs) = ([1; 32], [2; 32]);
        let (held, free) = (written(&ours, Some("a"), 6), written(&ours, None, 7));
        assert_eq!(read(&ours, &held, 7), Holding::Held("a".to_owned()));
        assert_eq!(read(&ours, &free, 8), Holding::Free);
        assert_eq!(read(&ours, &free, 12), Holding::Foreign, "it was written once more");
        assert_eq!(read(&theirs, &held, 7), Holding::Foreign);
        let forged = String::from_utf8(held.to_vec()).unwrap().replace("\"a\"", "\"b\"");
        assert_eq!(read(&ours, forged.as_bytes(), 7), Holding::Foreign);
        for text in ["", "{}", r#"{"host":null}"#, r#"{"host":null,"replaces":18446744073709551615,"mark":""}"#] {
            assert_eq!(read(&ours, text.as_bytes(), 1), Holding::Foreign, "{text}");
        }
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
        assert!(!watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 9), "it was not checked");
        assert!(!watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 10 - Duration::from_millis(1)));
        assert!(watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 10));
    }
}
