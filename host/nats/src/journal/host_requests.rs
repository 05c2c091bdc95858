//! Requests from one host to another: a payload and an answer, whatever they mean.

use std::time::Duration;

use async_nats::{HeaderMap, Message, RequestErrorKind};
use bytes::Bytes;
use futures::StreamExt as _;

use super::link::JournalLink;
use super::secret::{is_marked, mark};
use crate::connection::{Connection, NotSent};

/// Header with a mark that is made with the cluster's secret, over the kind of message and its payload.
const MARK: &str = "Polder-Mark";
const REQUEST: &[u8] = b"request";
const ANSWER: &[u8] = b"answer";
/// Bytes that the headers of a message take at most.
const HEADERS_BYTES_MAX: usize = 128;

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The host did not get the request, so another host can be asked.
    #[error("host {0} is not there")]
    NotThere(String),
    /// The host may have carried out the request.
    #[error("host {host} did not answer: {problem}")]
    NoAnswer { host: String, problem: String },
}

/// Sends requests between the hosts of one journal. A handle; clones share it.
#[derive(Clone)]
pub struct HostLine {
    link: JournalLink,
    prefix: String,
}

impl HostLine {
    pub fn new(link: &JournalLink) -> Self {
        let prefix = format!("$polder.{}.host.", link.inner.names.journal);
        Self { link: link.clone(), prefix }
    }

    /// Largest request, in bytes.
    pub fn request_bytes_max(&self) -> usize {
        self.connection().payload_bytes_max().saturating_sub(HEADERS_BYTES_MAX)
    }

    pub async fn ask(&self, host: &str, request: Bytes, wait_max: Duration) -> Result<Bytes, AskError> {
        let client = self.connection().client();
        let request =
            async_nats::Request::new().headers(self.marked(REQUEST, &request)).payload(request).timeout(Some(wait_max));
        let no_answer = |problem: String| AskError::NoAnswer { host: host.to_owned(), problem };
        match client.send_request(format!("{}{host}", self.prefix), request).await {
            Ok(answer) if self.is_ours(ANSWER, &answer) => Ok(answer.payload),
            Ok(_) => Err(no_answer("the answer is not of a host of this cluster".to_owned())),
            Err(error) => match error.kind() {
                RequestErrorKind::NoResponders => Err(AskError::NotThere(host.to_owned())),
                _ => Err(no_answer(error.to_string())),
            },
        }
    }

    /// Answers the requests to the host of this name, in parallel, until the connection is closed.
    ///
    /// # Errors
    /// Fails if the subscription cannot be made.
    pub async fn answer<F: Future<Output = Bytes> + Send + 'static>(
        &self,
        host: &str,
        answer: impl Fn(Bytes) -> F,
    ) -> Result<(), NotSent> {
        let subscribed = self.connection().client().subscribe(format!("{}{host}", self.prefix)).await;
        let mut requests = subscribed.map_err(NotSent::new)?;
        while let Some(request) = requests.next().await {
            if !self.is_ours(REQUEST, &request) {
                continue;
            }
            let to = request.reply.and_then(|reply| self.connection().host_reply_to(&request.subject, &reply));
            let Some(to) = to else { continue };
            let (line, answer) = (self.clone(), answer(request.payload));
            tokio::spawn(async move {
                let answer = answer.await;
                let headers = line.marked(ANSWER, &answer);
                if let Err(error) = line.connection().answer(to, Some(headers), answer).await {
                    tracing::warn!(%error, "another host was not answered");
                }
            });
        }
        Ok(())
    }

    fn connection(&self) -> &Connection {
        self.link.connection()
    }

    fn marked(&self, kind: &[u8], payload: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(MARK, mark(&self.link.own_marks().host_line, &[kind, payload]));
        headers
    }

    fn is_ours(&self, kind: &[u8], message: &Message) -> bool {
        let given = message.headers.as_ref().and_then(|headers| headers.get(MARK));
        given
            .is_some_and(|given| is_marked(&self.link.own_marks().host_line, &[kind, &message.payload], given.as_str()))
    }
}
