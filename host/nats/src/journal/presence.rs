//! Heartbeats of the hosts of one set of journals. Each host decides by its own clock which others are alive. Nothing
//! is stored: a killed host leaves nothing to clean up, and no server has to sync.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::error::JournalError;
use super::link::JournalLink;
use super::secret::{is_marked, mark};

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

/// Sends and receives heartbeats. A handle; clones share it.
#[derive(Clone)]
pub struct Presence {
    link: JournalLink,
    subject: Arc<str>,
}

impl Presence {
    /// Uses this link, for all hosts of its set of journals.
    pub fn of(link: &JournalLink) -> Self {
        let subject = format!("$polder.{}.hosts", link.inner.names.set).into();
        Self { link: link.clone(), subject }
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
        let key = self.link.own_marks().presence;
        self.link.spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let is_due = tokio::select! {
                    _ = ticks.tick() => true,
                    heartbeat = heartbeats.next() => match heartbeat {
                        Some(heartbeat) => read(&key, &heartbeat).is_some_and(&heard),
                        None => return,
                    },
                };
                if is_due
                    && connection.is_up()
                    && let Some(heartbeat) = own()
                    && let Err(error) = connection
                        .send(subject.to_string().into(), Some(marked(&key, &heartbeat)), written(&heartbeat))
                        .await
                {
                    tracing::debug!(%error, "this host's heartbeat was not sent");
                }
            }
        });
        Ok(())
    }

    /// Sends one heartbeat. Blocks for a moment at most; a host that misses it notices the silence.
    pub fn say(&self, heartbeat: &Heartbeat) {
        let connection = self.link.connection();
        let sending = async {
            let headers = marked(&self.link.own_marks().presence, heartbeat);
            connection.send(self.subject.to_string().into(), Some(headers), written(heartbeat)).await?;
            connection.settle().await
        };
        // The timeout is made inside, because it needs the runtime's clock.
        let sent = self.link.block_on(async { timeout(LAST_HEARTBEAT_WAIT_MAX, sending).await });
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!("this host's last heartbeat may not have been sent");
        }
    }
}

fn marked(key: &[u8; 32], heartbeat: &Heartbeat) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(MARK, mark(key, &[&written(heartbeat)]));
    headers
}

/// Returns `None` if no host of the cluster sent the message.
fn read(key: &[u8; 32], message: &Message) -> Option<Heartbeat> {
    let given = message.headers.as_ref()?.get(MARK)?;
    let is_ours = is_marked(key, &[&message.payload], given.as_str());
    serde_json::from_slice(&message.payload).ok().filter(|_| is_ours)
}

fn written(heartbeat: &Heartbeat) -> bytes::Bytes {
    serde_json::to_vec(heartbeat).expect("texts are always JSON").into()
}
