//! Who owns the journal, as far as that can be agreed on: an entry in a key-value bucket that its holder renews. Whoever sees it unchanged
//! for as long as a lease lasts, by its own clock, takes it. It keeps hosts from fighting and tells where to send commands; what keeps two owners
//! from both appending is the stream.

use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{Config, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::link::JournalLink;
use super::secret::{is_marked, mark};

/// Whoever has not renewed it for so long has lost it.
pub const LEASE: Duration = Duration::from_secs(4);
/// How often its holder renews it, and others look.
pub const LEASE_LOOK: Duration = Duration::from_millis(500);
/// Wall time for one look at the entry. Shorter than other questions to JetStream: requests wait until it is known that the servers are away.
const LOOK_WAIT_MAX: Duration = Duration::from_millis(700);
const KEY: &str = "owner";

/// As it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// `None`: it was given back.
    host: Option<String>,
    /// The revision that it took the place of: so an old entry that somebody writes once more is none.
    replaces: u64,
    mark: String,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Holding {
    Held(String),
    Free,
    /// No host of the cluster wrote it.
    Strange,
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
    /// The revision of the last entry of a host, if there was one, and since when there is no newer.
    unchanged: Option<(Option<u64>, Instant)>,
    looked: Option<Instant>,
}

impl Watch {
    /// Whether a host that sees this now may take the lease.
    fn may_take(&mut self, seen: Option<&Seen>, now: Instant) -> bool {
        let away = self.looked.replace(now).is_some_and(|looked| now.duration_since(looked) >= LEASE);
        if away {
            // What was not looked at was not seen unchanged: while the servers were away its holder could not renew it either.
            self.unchanged = None;
        }
        let Some(seen) = seen else { return true };
        let revision = match seen.holding {
            Holding::Free => return true,
            Holding::Held(_) => Some(seen.revision),
            // It says nothing, neither that the holder is there nor that it is gone.
            Holding::Strange => self.unchanged.and_then(|(revision, _)| revision),
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

    /// How long the holder has not renewed it, by this host's clock. Zero when no host holds it.
    pub fn unchanged_for(&self) -> Duration {
        self.watch.unchanged.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// Looks who has it, and takes it if nobody has and this host may: `may_own` is told who still has it. False: somebody has it, was faster, or this
    /// host may not.
    ///
    /// # Errors
    /// When JetStream does not say.
    pub fn look(&mut self, may_own: impl FnOnce(Option<&str>) -> bool) -> Result<bool, JournalError> {
        let seen = self.see()?;
        self.note(seen.as_ref());
        let is_own = seen.as_ref().is_some_and(|seen| seen.holding == Holding::Held(self.host.clone()));
        // Nobody else writes that this host has it, so it need not wait for itself.
        let is_free = self.watch.may_take(seen.as_ref(), Instant::now()) || is_own;
        // Asked in any case: it tells of what was seen.
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

    /// An earlier renewal may have come through though its answer did not, or somebody else has written there.
    fn look_again(&mut self) -> Renewal {
        let seen = match self.see() {
            Ok(seen) => seen,
            Err(error) => return Renewal::Unknown(error.to_string()),
        };
        self.note(seen.as_ref());
        match seen {
            Some(seen) if seen.holding == Holding::Strange || seen.holding == Holding::Held(self.host.clone()) => {
                self.held = Some(seen.revision);
                match seen.holding {
                    Holding::Strange => Renewal::Unknown("no host of the cluster wrote the last entry".to_owned()),
                    _ => Renewal::Held,
                }
            }
            _ => {
                self.held = None;
                Renewal::Lost
            }
        }
    }

    /// Remembers who has it, unless the entry says nothing of that.
    fn note(&mut self, seen: Option<&Seen>) {
        match seen.map(|seen| &seen.holding) {
            Some(Holding::Held(host)) => self.owner = Some(host.clone()),
            Some(Holding::Free) | None => self.owner = None,
            Some(Holding::Strange) => {}
        }
    }

    fn see(&self) -> Result<Option<Seen>, JournalError> {
        let unavailable = |problem: String| JournalError::unavailable("give the owner's lease", problem);
        let looked = self.link.block_on(async { tokio::time::timeout(LOOK_WAIT_MAX, self.bucket.entry(KEY)).await });
        let entry = looked
            .map_err(|_| unavailable(format!("no answer within {LOOK_WAIT_MAX:?}")))?
            .map_err(|error| unavailable(error.to_string()))?;
        let Some(entry) = entry else { return Ok(None) };
        let holding = match entry.operation {
            Operation::Put => read(&self.link.own_marks().lease, &entry.value, entry.revision),
            // No host deletes it.
            Operation::Delete | Operation::Purge => Holding::Strange,
        };
        Ok(Some(Seen { revision: entry.revision, holding }))
    }

    /// `revision` 0: there is none yet. `None`: there is another entry by now.
    fn update(&self, revision: u64, is_held: bool) -> Result<Option<u64>, JournalError> {
        let entry = written(&self.link.own_marks().lease, is_held.then_some(&*self.host), revision);
        match self.link.block_on(self.bucket.update(KEY, entry, revision)) {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(error) => Err(JournalError::unavailable("keep the owner's lease", error)),
        }
    }
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
        _ => Holding::Strange,
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
        let strange = |revision| Seen { revision, holding: Holding::Strange };
        let (mut watch, start) = (Watch::default(), Instant::now());
        assert!(!watch.may_take(Some(&strange(1)), start));
        assert!(!watch.may_take(Some(&seen(2, Some("a"))), start + LEASE / 2));
        assert!(!watch.may_take(Some(&strange(3)), start + LEASE));
        assert!(!watch.may_take(Some(&strange(4)), start + LEASE * 3 / 2 - Duration::from_millis(1)));
        assert!(watch.may_take(Some(&strange(5)), start + LEASE * 3 / 2), "its holder has not renewed it");
    }

    #[test]
    fn an_entry_is_a_hosts_only_in_its_place() {
        let (ours, theirs) = ([1; 32], [2; 32]);
        let (held, free) = (written(&ours, Some("a"), 6), written(&ours, None, 7));
        assert_eq!(read(&ours, &held, 7), Holding::Held("a".to_owned()));
        assert_eq!(read(&ours, &free, 8), Holding::Free);
        assert_eq!(read(&ours, &free, 12), Holding::Strange, "it was written once more");
        assert_eq!(read(&theirs, &held, 7), Holding::Strange);
        let forged = String::from_utf8(held.to_vec()).unwrap().replace("\"a\"", "\"b\"");
        assert_eq!(read(&ours, forged.as_bytes(), 7), Holding::Strange);
        for text in ["", "{}", r#"{"host":null}"#, r#"{"host":null,"replaces":18446744073709551615,"mark":""}"#] {
            assert_eq!(read(&ours, text.as_bytes(), 1), Holding::Strange, "{text}");
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
        assert!(!watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 9), "nobody was looking");
        assert!(!watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 10 - Duration::from_millis(1)));
        assert!(watch.may_take(Some(&seen(4, Some("b"))), start + LEASE * 10));
    }
}
