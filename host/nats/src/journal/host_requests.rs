//! Requests from one host to another: a payload and an answer, whatever they mean. Each request is carried out once at
//! most, also if a client with all permissions at the servers sends it again.

use std::time::Duration;

use async_nats::{HeaderMap, Message, RequestErrorKind};
use bytes::Bytes;
use futures::StreamExt as _;

use super::freshness::{SeenRequests, Stale};
use super::host_message::{AnswerKind, HEADERS_BYTES_MAX, RequestHead, answer_headers, answer_kind};
use super::link::JournalLink;
use super::secret::Key;
use super::wall_clock::now_ms;
use crate::connection::{Connection, NotSent};
use crate::reply_to::ReplyTo;
use crate::throttle::Throttle;

/// Numbers of requests that a host remembers for each journal, about 20 MB. That is the number of requests that it
/// accepts within 40 s.
const REQUEST_NUMBERS_MAX: usize = 1 << 20;

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The host did not get the request, so another host can be asked.
    #[error("host {0} is not there")]
    NotThere(String),
    /// The host may have carried out the request.
    #[error("host {host} did not answer: {problem}")]
    NoAnswer { host: String, problem: String },
    /// The host has refused the request, because it gets too many.
    #[error("host {host} takes no more requests for a while: {problem}")]
    Busy { host: String, problem: String, request_numbers_max: usize },
    /// The host has refused the request, because it is too old or too new by its clock.
    #[error("host {host} refused a request: {problem}")]
    OtherTime { host: String, problem: String },
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
        let number = uuid::Uuid::new_v4().as_u64_pair().1;
        let headers = RequestHead { number, sent_ms: now_ms() }.headers(&self.key(), host, &request);
        let request = async_nats::Request::new().headers(headers).payload(request).timeout(Some(wait_max));
        match client.send_request(format!("{}{host}", self.prefix), request).await {
            Ok(answer) => self.read_answer(host, number, answer),
            Err(error) => match error.kind() {
                RequestErrorKind::NoResponders => Err(AskError::NotThere(host.to_owned())),
                _ => Err(AskError::NoAnswer { host: host.to_owned(), problem: error.to_string() }),
            },
        }
    }

    fn read_answer(&self, host: &str, number: u64, answer: Message) -> Result<Bytes, AskError> {
        let (host, problem) = (host.to_owned(), || String::from_utf8_lossy(&answer.payload).into_owned());
        match answer_kind(&self.key(), number, answer.headers.as_ref(), &answer.payload) {
            Some(AnswerKind::Answer) => Ok(answer.payload),
            Some(AnswerKind::Busy) => {
                Err(AskError::Busy { host, problem: problem(), request_numbers_max: REQUEST_NUMBERS_MAX })
            }
            Some(AnswerKind::OtherTime) => Err(AskError::OtherTime { host, problem: problem() }),
            None => {
                let problem = "the answer is not of a host of this cluster, or not to this request".to_owned();
                Err(AskError::NoAnswer { host, problem })
            }
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
        let (mut seen, refused) = (SeenRequests::new(REQUEST_NUMBERS_MAX), Throttle::default());
        while let Some(request) = requests.next().await {
            let head = RequestHead::read(&self.key(), host, request.headers.as_ref(), &request.payload);
            let Some(RequestHead { number, sent_ms }) = head else { continue };
            let to = request.reply.and_then(|reply| self.connection().host_reply_to(&request.subject, &reply));
            let Some(to) = to else { continue };
            if let Err(stale) = seen.accept(now_ms(), sent_ms, number) {
                if let Some(unsaid) = refused.now() {
                    tracing::warn!(%stale, unsaid, "a request of another host is refused");
                }
                self.refuse(to, number, &stale).await;
                continue;
            }
            let (line, answer) = (self.clone(), answer(request.payload));
            tokio::spawn(async move {
                let answer = answer.await;
                let headers = answer_headers(&line.key(), AnswerKind::Answer, number, &answer);
                line.send(to, headers, answer).await;
            });
        }
        Ok(())
    }

    async fn refuse(&self, to: ReplyTo, number: u64, stale: &Stale) {
        let kind = match stale {
            Stale::Full { .. } => AnswerKind::Busy,
            Stale::OtherTime { .. } => AnswerKind::OtherTime,
            // The first of the two is answered. A refusal could pass for the answer to it.
            Stale::Repeated => return,
        };
        let problem = Bytes::from(stale.to_string());
        self.send(to, answer_headers(&self.key(), kind, number, &problem), problem).await;
    }

    async fn send(&self, to: ReplyTo, headers: HeaderMap, payload: Bytes) {
        if let Err(error) = self.connection().answer(to, Some(headers), payload).await {
            tracing::warn!(%error, "another host was not answered");
        }
    }

    fn connection(&self) -> &Connection {
        self.link.connection()
    }

    fn key(&self) -> Key {
        self.link.own_marks().host_line
    }
}
