//! Requests from one host to another: a payload and an answer, whatever they mean.

use std::time::Duration;

use async_nats::{Client, RequestErrorKind};
use bytes::Bytes;
use futures::StreamExt as _;

use super::link::JournalLink;
use crate::NotSent;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It was not asked, so another can be.
    #[error("host {0} is not there")]
    NotThere(String),
    /// It may have done what was asked.
    #[error("host {host} did not answer: {problem}")]
    NoAnswer { host: String, problem: String },
}

/// Where hosts of one journal find each other. Clones share it.
#[derive(Clone)]
pub struct HostLine {
    client: Client,
    prefix: String,
}

impl HostLine {
    pub fn new(link: &JournalLink) -> Self {
        let prefix = format!("$polder.{}.host.", link.inner.names.journal);
        Self { client: link.connection().client().clone(), prefix }
    }

    /// A message cannot have more, in bytes.
    pub fn request_bytes_max(&self) -> usize {
        self.client.max_payload()
    }

    pub async fn ask(&self, host: &str, request: Bytes, wait_max: Duration) -> Result<Bytes, AskError> {
        let request = async_nats::Request::new().payload(request).timeout(Some(wait_max));
        let answered = self.client.send_request(format!("{}{host}", self.prefix), request).await;
        answered.map(|message| message.payload).map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => AskError::NotThere(host.to_owned()),
            _ => AskError::NoAnswer { host: host.to_owned(), problem: error.to_string() },
        })
    }

    /// Answers what the host of this name is asked, side by side, until the connection is gone.
    ///
    /// # Errors
    /// When nothing can be subscribed to.
    pub async fn answer<F: Future<Output = Bytes> + Send + 'static>(
        &self,
        host: &str,
        answer: impl Fn(Bytes) -> F,
    ) -> Result<(), NotSent> {
        let subscribed = self.client.subscribe(format!("{}{host}", self.prefix)).await;
        let mut requests = subscribed.map_err(NotSent::new)?;
        while let Some(request) = requests.next().await {
            let Some(reply) = request.reply else { continue };
            let (client, answer) = (self.client.clone(), answer(request.payload));
            tokio::spawn(async move {
                if let Err(error) = client.publish(reply, answer.await).await {
                    tracing::warn!(%error, "another host was not answered");
                }
            });
        }
        Ok(())
    }
}
