//! What `polder bench nats` compares the bridge with: bare request-reply and bare publishing, by the same client library.

use std::time::{Duration, Instant};

use async_nats::jetstream::ContextBuilder;
use async_nats::jetstream::stream::Config;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::task::JoinHandle;

use crate::connection::{Connection, NotSent};

/// So long a single reply, or confirmation, may take.
const WAIT_MAX: Duration = Duration::from_secs(30);

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
    let client = connection.client().clone();
    Ok(Echo(tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let Some(reply) = request.reply else { continue };
            if client.publish(reply, request.payload).await.is_err() {
                return;
            }
        }
    })))
}

/// Sends `count` requests, `in_flight` at a time: each next one when one is answered. Gives how long it took, and hands each answer to
/// `look`.
///
/// # Errors
/// When a request is not answered, or `look` is not content.
pub async fn ask(
    connection: &Connection,
    count: usize,
    in_flight: usize,
    request: impl Fn(usize) -> (String, Bytes),
    look: impl Fn(&[u8]) -> Result<(), String>,
) -> Result<Duration, NotSent> {
    let client = connection.client();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(NotSent::new)?;
    let began = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        while sent < count && sent - answered < in_flight {
            let (subject, payload) = request(sent);
            client.publish_with_reply(subject, inbox.clone(), payload).await.map_err(NotSent::new)?;
            sent += 1;
        }
        let answer = tokio::time::timeout(WAIT_MAX, answers.next()).await.map_err(NotSent::new)?;
        look(&answer.ok_or_else(|| NotSent::new("the connection was closed"))?.payload).map_err(NotSent::new)?;
        answered += 1;
    }
    Ok(began.elapsed())
}

/// Publishes `count` messages to a stream of their own, `in_flight` unconfirmed at a time; each is confirmed by itself.
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

/// How many messages a stream holds; none where there is no stream.
pub async fn messages(connection: &Connection, stream: &str) -> u64 {
    let jetstream = async_nats::jetstream::new(connection.client().clone());
    jetstream.get_stream(stream).await.map_or(0, |stream| stream.cached_info().state.messages)
}
