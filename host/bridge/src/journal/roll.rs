//! Hosts of one set of journals tell each other that they are there, over and over, and each decides by its own clock who still is. Nothing of
//! it is kept: what a killed host had said needs no tidying up, and no server has to sync it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::error::JournalError;
use super::link::JournalLink;
use super::secret::{is_marked, mark};

/// Made with the cluster's secret, over what is said.
const MARK: &str = "Polder-Mark";
/// For a last word to be on its way.
const LAST_WORD_WAIT_MAX: Duration = Duration::from_secs(1);

/// What a host says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub host: String,
    /// From now on it wants no journal.
    pub is_leaving: bool,
}

/// Clones share it.
#[derive(Clone)]
pub struct Roll {
    link: JournalLink,
    subject: Arc<str>,
}

impl Roll {
    /// Over this link, of all hosts of its set.
    pub fn of(link: &JournalLink) -> Self {
        let subject = format!("$polder.{}.hosts", link.inner.names.set).into();
        Self { link: link.clone(), subject }
    }

    /// Until the link is gone: says every so often what `own` gives, if it gives anything, and hands what any host says to `heard`, which tells
    /// whether that has to be answered at once. Blocks only to begin.
    ///
    /// # Errors
    /// When nothing can be heard.
    pub fn keep(
        &self,
        every: Duration,
        own: impl Fn() -> Option<Word> + Send + 'static,
        heard: impl Fn(Word) -> bool + Send + 'static,
    ) -> Result<(), JournalError> {
        let client = self.link.connection().client();
        let subscribed = self.link.block_on(client.subscribe(self.subject.to_string()));
        let mut words = subscribed.map_err(|error| JournalError::unavailable("tell which hosts there are", error))?;
        // The link's runtime ends with the link, so what runs on it must not keep the link.
        let (connection, subject) = (self.link.connection().clone(), Arc::clone(&self.subject));
        let key = self.link.own_marks().presence;
        self.link.spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let is_due = tokio::select! {
                    _ = ticks.tick() => true,
                    word = words.next() => match word {
                        Some(word) => read(&key, &word).is_some_and(&heard),
                        None => return,
                    },
                };
                if is_due
                    && connection.is_up()
                    && let Some(word) = own()
                    && let Err(error) =
                        connection.send(subject.to_string().into(), Some(marked(&key, &word)), written(&word)).await
                {
                    tracing::debug!(%error, "the other hosts were not told of this one");
                }
            }
        });
        Ok(())
    }

    /// Blocks for a moment at most; who did not hear it finds out by the silence.
    pub fn say(&self, word: &Word) {
        let connection = self.link.connection();
        let saying = async {
            let headers = marked(&self.link.own_marks().presence, word);
            connection.send(self.subject.to_string().into(), Some(headers), written(word)).await?;
            connection.settle().await
        };
        // Made within, as it needs the link's clock.
        let said = self.link.block_on(async { timeout(LAST_WORD_WAIT_MAX, saying).await });
        if !matches!(said, Ok(Ok(()))) {
            tracing::debug!("the other hosts may not have been told of this one");
        }
    }
}

fn marked(key: &[u8; 32], word: &Word) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(MARK, mark(key, &[&written(word)]));
    headers
}

/// `None`: no host of the cluster said it.
fn read(key: &[u8; 32], message: &Message) -> Option<Word> {
    let given = message.headers.as_ref()?.get(MARK)?;
    let is_ours = is_marked(key, &[&message.payload], given.as_str());
    serde_json::from_slice(&message.payload).ok().filter(|_| is_ours)
}

fn written(word: &Word) -> bytes::Bytes {
    serde_json::to_vec(word).expect("texts are always JSON").into()
}
