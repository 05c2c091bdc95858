//! Heartbeats of the hosts of one set of journals. Each host decides by its own clock which others are alive. Nothing
//! is stored: a killed host leaves nothing to clean up, and no server has to sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::error::JournalError;
use super::freshness::{NewestHeartbeats, Stale, next_heartbeat_ms};
use super::link::JournalLink;
use super::secret::{Key, is_marked, mark};
use super::wall_clock::now_ms;
use crate::throttle::Throttle;

/// Header with a mark that is made with the cluster's secret, over the heartbeat.
const MARK: &str = "Polder-Mark";
/// Longest wait until the last heartbeat is sent.
const LAST_HEARTBEAT_WAIT_MAX: Duration = Duration::from_secs(1);

/// The heartbeat of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    pub host: String,
    /// The host wants no journal from now on.
    pub is_leaving: bool,
}

/// A heartbeat as it is sent. The time is that of the sender's clock, and grows with each heartbeat of a host, so that
/// a heartbeat that another client captured and sends again is recognized.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamped {
    heartbeat: Heartbeat,
    sent_ms: u64,
}

/// Sends and receives heartbeats. A handle; clones share it.
#[derive(Clone)]
pub struct Presence {
    link: JournalLink,
    subject: Arc<str>,
    stamps: Stamps,
}

/// The time of the last heartbeat that this host has sent. Clones share it.
#[derive(Clone, Default)]
struct Stamps(Arc<AtomicU64>);

/// The receiving side.
struct Receiver {
    key: Key,
    newest: NewestHeartbeats,
    refused: Throttle,
}

impl Presence {
    /// Uses this link, for all hosts of its set of journals.
    pub fn of(link: &JournalLink) -> Self {
        let subject = format!("$polder.{}.hosts", link.inner.names.set).into();
        Self { link: link.clone(), subject, stamps: Stamps::default() }
    }

    /// Starts a task that runs until the link is dropped. It sends the heartbeat that `own` returns, if any, at each
    /// interval. It passes each heartbeat of any host to `heard`, which returns whether to send one at once. Blocks
    /// only to subscribe.
    ///
    /// # Errors
    /// Fails if the subscription cannot be made.
    pub fn keep(
        &self,
        every: Duration,
        own: impl Fn() -> Option<Heartbeat> + Send + 'static,
        heard: impl Fn(Heartbeat) -> bool + Send + 'static,
    ) -> Result<(), JournalError> {
        let client = self.link.connection().client();
        let subscribed = self.link.block_on(client.subscribe(self.subject.to_string()));
        let mut heartbeats =
            subscribed.map_err(|error| JournalError::unavailable("report which hosts there are", error))?;
        // The link's runtime ends with the link, so a task on it must not keep the link alive.
        let (connection, subject) = (self.link.connection().clone(), Arc::clone(&self.subject));
        let (key, stamps) = (self.link.own_marks().presence, self.stamps.clone());
        let mut receiver = Receiver { key, newest: NewestHeartbeats::default(), refused: Throttle::default() };
        self.link.spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let is_due = tokio::select! {
                    _ = ticks.tick() => true,
                    heartbeat = heartbeats.next() => match heartbeat {
                        Some(heartbeat) => receiver.read(&heartbeat, now_ms()).is_some_and(&heard),
                        None => return,
                    },
                };
                let due = if is_due && connection.is_up() { own() } else { None };
                let Some(heartbeat) = due else { continue };
                let (headers, payload) = stamps.written(&key, heartbeat);
                if let Err(error) = connection.send(subject.to_string().into(), Some(headers), payload).await {
                    tracing::debug!(%error, "this host's heartbeat was not sent");
                }
            }
        });
        Ok(())
    }

    /// Sends one heartbeat. Blocks for a moment at most; a host that misses it notices the silence.
    pub fn say(&self, heartbeat: Heartbeat) {
        let connection = self.link.connection();
        let sending = async {
            let (headers, payload) = self.stamps.written(&self.link.own_marks().presence, heartbeat);
            connection.send(self.subject.to_string().into(), Some(headers), payload).await?;
            connection.settle().await
        };
        // The timeout is made inside, because it needs the runtime's clock.
        let sent = self.link.block_on(async { timeout(LAST_HEARTBEAT_WAIT_MAX, sending).await });
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!("this host's last heartbeat may not have been sent");
        }
    }
}

impl Stamps {
    /// Stamps and marks a heartbeat.
    fn written(&self, key: &Key, heartbeat: Heartbeat) -> (HeaderMap, Bytes) {
        let now_ms = now_ms();
        let next = |last_ms| Some(next_heartbeat_ms(now_ms, last_ms));
        let last_ms = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_else(|last_ms| last_ms);
        written(key, &Stamped { heartbeat, sent_ms: next_heartbeat_ms(now_ms, last_ms) })
    }
}

impl Receiver {
    /// Returns `None` if no host of the cluster has sent the message now.
    fn read(&mut self, message: &Message, now_ms: u64) -> Option<Heartbeat> {
        let Stamped { heartbeat, sent_ms } = read(&self.key, message.headers.as_ref(), &message.payload)?;
        match self.newest.accept(now_ms, sent_ms, &heartbeat.host) {
            Ok(()) => Some(heartbeat),
            Err(stale) => {
                self.log_refused(&heartbeat.host, &stale);
                None
            }
        }
    }

    fn log_refused(&self, host: &str, stale: &Stale) {
        if let Some(unsaid) = self.refused.now() {
            tracing::warn!(host, %stale, unsaid, "a heartbeat of a host is ignored");
        }
    }
}

fn written(key: &Key, stamped: &Stamped) -> (HeaderMap, Bytes) {
    let payload = serde_json::to_vec(stamped).expect("texts are always JSON");
    let mut headers = HeaderMap::new();
    headers.insert(MARK, mark(key, &[&payload]));
    (headers, payload.into())
}

/// Returns `None` if no host of the cluster has written this.
fn read(key: &Key, headers: Option<&HeaderMap>, payload: &[u8]) -> Option<Stamped> {
    let given = headers?.get(MARK)?;
    let is_ours = is_marked(key, &[payload], given.as_str());
    serde_json::from_slice(payload).ok().filter(|_| is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [7; 32];

    fn heartbeat(is_leaving: bool) -> Heartbeat {
        Heartbeat { host: "one".to_owned(), is_leaving }
    }

    #[test]
    fn a_heartbeat_is_marked_with_its_time() {
        let stamped = Stamped { heartbeat: heartbeat(true), sent_ms: 1_796_000_000_000 };
        let (headers, payload) = written(&KEY, &stamped);
        assert_eq!(read(&KEY, Some(&headers), &payload), Some(stamped));
        assert_eq!(read(&[8; 32], Some(&headers), &payload), None);
        let later = String::from_utf8(payload.to_vec()).unwrap().replace("1796000000000", "1796000000001");
        assert_eq!(read(&KEY, Some(&headers), later.as_bytes()), None);
        assert_eq!(read(&KEY, None, &payload), None);
    }

    #[test]
    fn heartbeats_of_one_host_have_times_that_grow() {
        let stamps = Stamps::default();
        let mut times = (0..3).map(|_| {
            let (headers, payload) = stamps.written(&KEY, heartbeat(false));
            read(&KEY, Some(&headers), &payload).unwrap().sent_ms
        });
        let [first, second, third] = std::array::from_fn(|_| times.next().unwrap());
        assert!(first < second && second < third, "{first}, {second}, {third}");
    }
}
