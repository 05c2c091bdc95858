//! Requests as they come in on one subject, and their answers as they go out: many under way at a time, none waiting for another.

use std::pin::{Pin, pin};
use std::time::Instant;

use async_nats::{HeaderMap, Message, Subject, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;

use super::Endpoint;
use crate::QUEUE_GROUP;
use crate::connection::{Connection, NotSent};
use crate::reply_to::ReplyTo;

/// More wait in NATS's own queue. Beyond what a tenant may have in flight by default, so that its limit is what callers meet.
const REQUESTS_UNDER_WAY_MAX: usize = 16_384;

/// By which clients of NATS's services know an error.
const ERROR: &str = "Nats-Service-Error";
const ERROR_CODE: &str = "Nats-Service-Error-Code";
/// What the service protocol says of a request whose reply subject may not be answered, with a code as in HTTP.
const FORBIDDEN_REPLY: (u16, &str) = (403, "the reply subject is not an inbox");

/// One subscription, shared with other hosts: each request comes to one of them.
pub struct Requests {
    connection: Connection,
    subscriber: Subscriber,
}

pub struct Request {
    subject: Subject,
    headers: Option<HeaderMap>,
    payload: Bytes,
}

/// What goes back to the caller.
pub struct Reply {
    payload: Bytes,
    error: Option<(u16, &'static str)>,
    headers: Option<HeaderMap>,
    follow_up: Option<FollowUp>,
}

/// What comes after a reply, and where.
struct FollowUp {
    to: ReplyTo,
    reply: Pin<Box<dyn Future<Output = Reply> + Send>>,
}

impl Connection {
    /// Requests on `subject`, which may have wildcards.
    pub async fn requests(&self, subject: String) -> Result<Requests, NotSent> {
        let subscriber = self.client().queue_subscribe(subject, QUEUE_GROUP.to_owned()).await;
        Ok(Requests { connection: self.clone(), subscriber: subscriber.map_err(NotSent::new)? })
    }
}

impl Requests {
    /// Answers until `closing` turns true, and then what has come by then. `take` is called in the order in which requests come, and
    /// what it gives is waited for in any order.
    pub async fn serve<F>(
        mut self,
        endpoint: &Endpoint,
        take: impl Fn(Request) -> F,
        mut closing: watch::Receiver<bool>,
    ) where
        F: Future<Output = Reply>,
    {
        let mut under_way = FuturesUnordered::new();
        let mut closing = pin!(async { drop(closing.wait_for(|closing| *closing).await) });
        let (mut is_closing, mut is_ended) = (false, false);
        while !(is_ended && under_way.is_empty()) {
            tokio::select! {
                biased;
                Some(answer) = under_way.next() => self.answer(endpoint, answer).await,
                message = self.subscriber.next(), if !is_ended && under_way.len() < REQUESTS_UNDER_WAY_MAX => match message {
                    // What could not be answered is not carried out either.
                    Some(message) => match self.reply_to(&message) {
                        Ok(to) => under_way.push(answered(message, to, &take)),
                        Err(Forbidden) => endpoint.refused(FORBIDDEN_REPLY),
                    },
                    None => is_ended = true,
                },
                () = &mut closing, if !is_closing => {
                    is_closing = true;
                    // Fails when the connection is closed, and then nothing comes anyway.
                    is_ended = self.subscriber.drain().await.is_err();
                }
            }
        }
        if let Err(error) = self.connection.client().flush().await {
            tracing::debug!(%error, "the last answers may not have been sent");
        }
    }

    /// `None`: the caller wants no answer.
    fn reply_to(&self, message: &Message) -> Result<Option<ReplyTo>, Forbidden> {
        let Some(reply) = &message.reply else { return Ok(None) };
        self.connection.reply_to(&message.subject, reply).map(Some).ok_or(Forbidden)
    }

    async fn answer(&self, endpoint: &Endpoint, answer: Answer) {
        let Answer { subject, to, mut reply, began } = answer;
        endpoint.answered(began.elapsed());
        if let Some((code, message)) = reply.error {
            endpoint.failed(code, message);
        }
        let follow_up = reply.follow_up.take();
        match to {
            Some(to) => send(&self.connection, to, reply).await,
            // Without the answer itself: it may be large, and hold what is nobody's business but the caller's.
            None => {
                let (code, bytes) = (reply.error.map_or(200, |(code, _)| code), reply.payload_bytes());
                tracing::info!(%subject, code, bytes, "done, and nobody had asked to be told");
            }
        }
        // Not before the reply was sent: whoever listens is told first what to wait for.
        if let Some(FollowUp { to, reply }) = follow_up {
            let connection = self.connection.clone();
            tokio::spawn(async move { send(&connection, to, reply.await).await });
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

struct Answer {
    subject: Subject,
    to: Option<ReplyTo>,
    reply: Reply,
    began: Instant,
}

/// Not an async function: the request is taken at once, whenever the future is first looked at.
fn answered<F: Future<Output = Reply>, T: Fn(Request) -> F>(
    message: Message,
    to: Option<ReplyTo>,
    take: &T,
) -> impl Future<Output = Answer> + use<F, T> {
    let began = Instant::now();
    let Message { subject, headers, payload, .. } = message;
    let reply = take(Request { subject: subject.clone(), headers, payload });
    async move { Answer { subject, to, reply: reply.await, began } }
}

impl Request {
    pub fn subject(&self) -> &str {
        &self.subject
    }

    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// All values of a header. Clients of NATS do not agree on the case of names, so it does not count.
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

    /// `code` as in HTTP; `message` in a few words, for people.
    pub fn error(code: u16, message: &'static str, payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into(), error: Some((code, message)), headers: None, follow_up: None }
    }

    /// `value` must be on one line.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }

    /// Once this was sent, `reply` is waited for and sent to `to`.
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
