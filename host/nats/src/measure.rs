//! Floors for `polder-bench nats`: bare request-reply and bare publishing, with the same client library as the
//! bridge.

use std::time::{Duration, Instant};

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::ContextBuilder;
use async_nats::jetstream::stream::Config;
use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::task::JoinHandle;

use crate::connection::{Connection, NotSent};
use crate::reply_to::{INBOXES, ReplyTo};

/// Longest wait for a single reply or confirmation.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Messages that [`echo_and_publish`] publishes for one confirmation.
const PER_CONFIRMATION: usize = 128;
/// Prefix of a confirmation that is no refusal.
const STORED: &[u8] = br#"{"stream":"#;

/// Answers each request on `subject` with its own payload, until dropped.
pub struct Echo(JoinHandle<()>);

impl Drop for Echo {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub async fn echo(connection: &Connection, subject: &str) -> Result<Echo, NotSent> {
    let mut requests = connection.client().subscribe(subject.to_owned()).await.map_err(NotSent::new)?;
    connection.settle().await?;
    let connection = connection.clone();
    Ok(Echo(tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let Some(to) = answered_at(&connection, &request) else { continue };
            if connection.answer(to, None, request.payload).await.is_err() {
                return;
            }
        }
    })))
}

/// Like [`echo`], and each request also becomes a message in a stream, with an id as its only header. This is the least
/// work of a host that publishes an event for each command, before it decides or records anything. Confirmations are
/// requested as the bridge does, one for many messages.
pub async fn echo_and_publish(
    connection: &Connection,
    subject: &str,
    name: &str,
    unconfirmed_max: usize,
) -> Result<Echo, NotSent> {
    let client = connection.client().clone();
    let config = Config { name: name.to_owned(), subjects: vec![format!("{name}.>")], ..Config::default() };
    async_nats::jetstream::new(client.clone()).create_stream(config).await.map_err(NotSent::new)?;
    let (to, inbox) = (Subject::from(format!("{name}.message")), Subject::from(client.new_inbox()));
    let mut confirmations = client.subscribe(inbox.clone()).await.map_err(NotSent::new)?;
    let mut requests = client.subscribe(subject.to_owned()).await.map_err(NotSent::new)?;
    connection.settle().await?;
    let connection = connection.clone();
    Ok(Echo(tokio::spawn(async move {
        let mut number = 0;
        while let Some(request) = requests.next().await {
            let Some(answered_at) = answered_at(&connection, &request) else { continue };
            number += 1;
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, number.to_string());
            let (to, payload) = (to.clone(), request.payload.clone());
            let asks = number % PER_CONFIRMATION == 0;
            let published = match asks {
                true => client.publish_with_reply_and_headers(to, inbox.clone(), headers, payload).await,
                false => client.publish_with_headers(to, headers, payload).await,
            };
            let replied = connection.answer(answered_at, None, request.payload).await;
            let is_stored = |confirmation: Message| confirmation.payload.starts_with(STORED);
            let confirmed = !asks || number <= unconfirmed_max || confirmations.next().await.is_some_and(is_stored);
            // A client that waits for an answer notices its absence.
            if published.is_err() || replied.is_err() || !confirmed {
                return;
            }
        }
    })))
}

/// The subject for the answer to a request, if it wants one and it may be answered.
fn answered_at(connection: &Connection, request: &Message) -> Option<ReplyTo> {
    connection.reply_to(&request.subject, request.reply.as_ref()?)
}

/// Number of requests to send.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    Count(usize),
    /// Sends for this time, and waits for the answers to all requests that were sent.
    For(Duration),
}

/// Outcome of the requests.
#[derive(Debug)]
pub struct Asked {
    pub took: Duration,
    /// Latency of each request, in the order of the answers.
    pub latencies: Vec<Duration>,
}

/// Sends requests, `in_flight` at a time: each answer lets the next one out. Calls `check` with each answer.
///
/// # Errors
/// Fails if a request is not answered, or if `check` fails.
pub async fn ask(
    connection: &Connection,
    in_flight: usize,
    span: Span,
    request: impl Fn() -> (String, Bytes),
    check: impl Fn(&[u8]) -> Result<(), String>,
) -> Result<Asked, NotSent> {
    let client = connection.client();
    // An inbox as other clients have it: a host answers no client at an inbox of a host.
    let inbox = format!("{INBOXES}.{}", uuid::Uuid::new_v4().simple());
    let mut answers = client.subscribe(format!("{inbox}.*")).await.map_err(NotSent::new)?;
    let began = Instant::now();
    let mut asked = Asked { took: Duration::ZERO, latencies: Vec::new() };
    // Send time of each request, by the number at the end of its answer's subject.
    let mut set_out = vec![began; in_flight];
    let mut idle: Vec<usize> = (0..in_flight).collect();
    let mut sent = 0;
    loop {
        let goes_on = |sent| match span {
            Span::Count(count) => sent < count,
            Span::For(time) => began.elapsed() < time,
        };
        while goes_on(sent)
            && let Some(number) = idle.pop()
        {
            let (subject, payload) = request();
            set_out[number] = Instant::now();
            let reply = format!("{inbox}.{number}");
            client.publish_with_reply(subject, reply, payload).await.map_err(NotSent::new)?;
            sent += 1;
        }
        if idle.len() == in_flight {
            asked.took = began.elapsed();
            return Ok(asked);
        }
        let answer = tokio::time::timeout(WAIT_MAX, answers.next()).await.map_err(NotSent::new)?;
        let answer = answer.ok_or_else(|| NotSent::new("the connection was closed"))?;
        check(&answer.payload).map_err(NotSent::new)?;
        let number = answer.subject.rsplit('.').next().and_then(|number| number.parse::<usize>().ok());
        let number = number.filter(|number| *number < in_flight);
        let number = number.ok_or_else(|| NotSent::new(format!("an answer on {}", answer.subject)))?;
        asked.latencies.push(set_out[number].elapsed());
        idle.push(number);
    }
}

/// Publishes `count` messages to a new stream, with up to `in_flight` unconfirmed. Each one is confirmed by itself.
pub async fn publish(
    connection: &Connection,
    name: &str,
    count: usize,
    in_flight: usize,
    payload: Bytes,
) -> Result<Duration, NotSent> {
    let builder = ContextBuilder::new().max_ack_inflight(in_flight).backpressure_on_inflight(true).timeout(WAIT_MAX);
    let jetstream = builder.build(connection.client().clone());
    let config = Config { name: name.to_owned(), subjects: vec![format!("{name}.>")], ..Config::default() };
    jetstream.create_stream(config).await.map_err(NotSent::new)?;
    let subject = format!("{name}.message");
    let began = Instant::now();
    let mut confirmations = FuturesUnordered::new();
    for _ in 0..count {
        while confirmations.len() >= in_flight {
            let confirmed: Option<Result<_, _>> = confirmations.next().await;
            confirmed.transpose().map_err(NotSent::new)?;
        }
        let sent = jetstream.publish(subject.clone(), payload.clone()).await.map_err(NotSent::new)?;
        confirmations.push(sent.into_future());
    }
    while let Some(confirmed) = confirmations.next().await {
        confirmed.map_err(NotSent::new)?;
    }
    Ok(began.elapsed())
}

/// Number of messages in a stream; 0 if there is no such stream.
pub async fn messages(connection: &Connection, stream: &str) -> u64 {
    let jetstream = async_nats::jetstream::new(connection.client().clone());
    jetstream.get_stream(stream).await.map_or(0, |stream| stream.cached_info().state.messages)
}
