//! Receives requests on one subject and sends their answers. Many are in progress at a time, and none waits for
//! another.

use std::collections::VecDeque;
use std::future::ready;
use std::pin::{Pin, pin};
use std::time::Instant;

use async_nats::{HeaderMap, Message, Subject, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;

use super::Endpoint;
use super::request_memory::{Held, NoMemory, RequestMemory};
use crate::QUEUE_GROUP;
use crate::connection::{Connection, NotSent};
use crate::reply_to::ReplyTo;

/// Requests of one subscription that are in progress at a time; more wait, as long as there is memory for them. It
/// exceeds a tenant's default limit of commands in flight, so that clients meet that limit first.
const REQUESTS_UNDER_WAY_MAX: usize = 16_384;
/// Messages of one subscription that wait until they are received, if its connection was opened with this number. The
/// client library drops and counts more. A request is received, and its memory reserved, before those before it are
/// carried out, so few wait here.
pub const REQUESTS_WAITING_MAX: usize = 16_384;
/// Requests that are received for each one that is carried out, while there are so many.
const RECEIVED_PER_TAKEN_MAX: usize = 16;

/// Headers by which clients of NATS services recognize an error.
const ERROR: &str = "Nats-Service-Error";
const ERROR_CODE: &str = "Nats-Service-Error-Code";
/// Error code, as in HTTP, and message in the statistics for a request whose reply subject may not be answered.
const FORBIDDEN_REPLY: (u16, &str) = (403, "the reply subject is not an inbox");

/// One subscription, shared with other hosts: NATS sends each request to one of them.
pub struct Requests {
    connection: Connection,
    subscriber: Subscriber,
    memory: RequestMemory,
    refusal: fn(NoMemory) -> Reply,
}

pub struct Request {
    subject: Subject,
    headers: Option<HeaderMap>,
    payload: Bytes,
}

/// The answer to the caller.
pub struct Reply {
    payload: Bytes,
    error: Option<(u16, &'static str)>,
    headers: Option<HeaderMap>,
    follow_up: Option<FollowUp>,
}

/// A second answer after the reply, and its subject.
struct FollowUp {
    to: ReplyTo,
    reply: Pin<Box<dyn Future<Output = Reply> + Send>>,
}

impl Connection {
    /// Subscribes to requests on `subject`, which may have wildcards. `refusal` makes the reply to a request that finds
    /// no memory.
    pub async fn requests(
        &self,
        subject: String,
        memory: &RequestMemory,
        refusal: fn(NoMemory) -> Reply,
    ) -> Result<Requests, NotSent> {
        let subscriber = self.client().queue_subscribe(subject, QUEUE_GROUP.to_owned()).await;
        let subscriber = subscriber.map_err(NotSent::new)?;
        Ok(Requests { connection: self.clone(), subscriber, memory: memory.clone(), refusal })
    }
}

impl Requests {
    /// Serves requests until `closing` turns true, and then those that have arrived by then. `take` is called in the
    /// order in which requests arrive; its results are awaited in any order.
    pub async fn serve<F>(
        mut self,
        endpoint: &Endpoint,
        take: impl Fn(Request) -> F,
        mut closing: watch::Receiver<bool>,
    ) where
        F: Future<Output = Reply>,
    {
        let (mut waiting, mut under_way) = (VecDeque::new(), FuturesUnordered::new());
        let mut closing = pin!(async { drop(closing.wait_for(|closing| *closing).await) });
        let (mut is_closing, mut is_ended) = (false, false);
        // Requests received since the last one was taken.
        let mut received = 0;
        while !(is_ended && waiting.is_empty() && under_way.is_empty()) {
            let can_take = !waiting.is_empty() && under_way.len() < REQUESTS_UNDER_WAY_MAX;
            let must_take = can_take && received >= RECEIVED_PER_TAKEN_MAX;
            tokio::select! {
                biased;
                Some(answer) = under_way.next() => self.answer(endpoint, answer).await,
                message = self.subscriber.next(), if !is_ended && !must_take => match message {
                    Some(message) => {
                        received += 1;
                        waiting.extend(self.receive(endpoint, message).await);
                    }
                    None => is_ended = true,
                },
                () = &mut closing, if !is_closing => {
                    is_closing = true;
                    // This fails if the connection is closed, and then no more requests arrive.
                    is_ended = self.subscriber.drain().await.is_err();
                }
                () = ready(()), if can_take => {
                    received = 0;
                    if let Some(request) = waiting.pop_front() {
                        under_way.push(answered(request, &take));
                    }
                }
            }
        }
        if let Err(error) = self.connection.client().flush().await {
            tracing::debug!(%error, "the last answers may not have been sent");
        }
    }

    /// Returns the request with its memory, unless it is refused: it could not be answered, or there is no memory for
    /// it. A request that could not be answered is not carried out either.
    async fn receive(&self, endpoint: &Endpoint, message: Message) -> Option<Received> {
        let Ok(to) = self.reply_to(&message) else {
            endpoint.refused(FORBIDDEN_REPLY);
            return None;
        };
        let refusal = match self.memory.reserve(message.length) {
            Ok(held) => return Some(Received { message, to, held, began: Instant::now() }),
            Err(no_memory) => (self.refusal)(no_memory),
        };
        if let Some(error) = refusal.error {
            endpoint.refused(error);
        }
        if let Some(to) = to {
            send(&self.connection, to, refusal).await;
        }
        None
    }

    /// Returns `None` if the caller wants no answer.
    fn reply_to(&self, message: &Message) -> Result<Option<ReplyTo>, Forbidden> {
        let Some(reply) = &message.reply else { return Ok(None) };
        self.connection.reply_to(&message.subject, reply).map(Some).ok_or(Forbidden)
    }

    async fn answer(&self, endpoint: &Endpoint, answer: Answer) {
        let Answer { subject, to, mut reply, mut held, began } = answer;
        endpoint.answered(began.elapsed());
        if let Some((code, message)) = reply.error {
            endpoint.failed(code, message);
        }
        let follow_up = reply.follow_up.take();
        match to {
            Some(to) => send(&self.connection, to, reply).await,
            // The answer itself is not logged: it may be large, and is the caller's secret.
            None => {
                let (code, bytes) = (reply.error.map_or(200, |(code, _)| code), reply.payload_bytes());
                tracing::info!(%subject, code, bytes, "done; the request wanted no answer");
            }
        }
        // The follow-up comes after the reply: a reader first gets the information what to wait for.
        if let Some(FollowUp { to, reply }) = follow_up {
            let connection = self.connection.clone();
            held.release_message();
            tokio::spawn(async move {
                send(&connection, to, reply.await).await;
                drop(held);
            });
        }
    }
}

async fn send(connection: &Connection, to: ReplyTo, reply: Reply) {
    let headers = reply.headers();
    if let Err(error) = connection.answer(to.clone(), headers, reply.payload).await {
        tracing::warn!(subject = to.as_str(), %error, "an answer could not be sent");
    }
}

/// The request's reply subject may not be answered.
struct Forbidden;

/// A request that may be carried out.
struct Received {
    message: Message,
    to: Option<ReplyTo>,
    held: Held,
    began: Instant,
}

struct Answer {
    subject: Subject,
    to: Option<ReplyTo>,
    reply: Reply,
    held: Held,
    began: Instant,
}

/// Not an async function: `take` must be called at once, whenever the future is first polled.
fn answered<F: Future<Output = Reply>, T: Fn(Request) -> F>(
    received: Received,
    take: &T,
) -> impl Future<Output = Answer> + use<F, T> {
    let Received { message: Message { subject, headers, payload, .. }, to, held, began } = received;
    let reply = take(Request::new(subject.clone(), headers, payload));
    async move { Answer { subject, to, reply: reply.await, held, began } }
}

impl Request {
    pub fn new(subject: Subject, headers: Option<HeaderMap>, payload: Bytes) -> Self {
        Self { subject, headers, payload }
    }

    pub fn subject(&self) -> &str {
        &self.subject
    }

    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// All values of a header. The case of the name does not matter, because NATS clients differ in it.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let headers = self.headers.iter().flat_map(HeaderMap::iter);
        let named = headers.filter(move |(found, _)| {
            let found: &str = (*found).as_ref();
            found.eq_ignore_ascii_case(name)
        });
        named.flat_map(|(_, values)| values).map(async_nats::HeaderValue::as_str)
    }
}

impl Reply {
    pub fn good(payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into(), error: None, headers: None, follow_up: None }
    }

    /// `code` is as in HTTP; `message` is a few words for people.
    pub fn error(code: u16, message: &'static str, payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into(), error: Some((code, message)), headers: None, follow_up: None }
    }

    /// `value` must be on one line.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }

    /// Sends a second answer: once this reply is sent, `reply` is awaited and sent to `to`.
    pub fn followed_by(mut self, to: ReplyTo, reply: impl Future<Output = Self> + Send + 'static) -> Self {
        self.follow_up = Some(FollowUp { to, reply: Box::pin(reply) });
        self
    }

    pub fn payload_bytes(&self) -> usize {
        self.payload.len()
    }

    fn headers(&self) -> Option<HeaderMap> {
        let Some((code, message)) = self.error else { return self.headers.clone() };
        let mut headers = self.headers.clone().unwrap_or_default();
        headers.insert(ERROR, message);
        headers.insert(ERROR_CODE, code.to_string());
        Some(headers)
    }
}
