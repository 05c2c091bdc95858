//! The contents of a tenant's stream, compared with its history.

use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::push::OrderedConfig;
use async_nats::jetstream::stream::Stream;
use async_nats::{HeaderMap, Message};
use futures::StreamExt as _;
use serde_json::Value;

use super::site::{Site, WAIT_MAX, header};

pub(super) const MAIN_STREAM: &str = "polder-events-main";
/// The longest time to drain a backlog; usually it takes much less, also on a busy machine.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(120);

impl Site {
    pub(super) fn jetstream(&self) -> Context {
        let _inside = self.runtime.enter();
        async_nats::jetstream::new(self.client.clone())
    }

    pub(super) fn stream(&self, name: &str) -> Option<Stream> {
        self.runtime.block_on(self.jetstream().get_stream(name)).ok()
    }

    /// Waits until the stream has this number of messages.
    #[track_caller]
    pub(super) fn await_messages(&self, count: u64) {
        let began = Instant::now();
        loop {
            let found = self.stream(MAIN_STREAM).map_or(0, |stream| stream.cached_info().state.messages);
            if found >= count {
                return;
            }
            assert!(began.elapsed() < DRAIN_WAIT_MAX, "{found} of {count} messages\n{}", self.host().log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All messages of the stream, in order.
    pub(super) fn messages(&self, name: &str) -> Vec<Message> {
        let Some(stream) = self.stream(name) else { return Vec::new() };
        let count = stream.cached_info().state.messages as usize;
        self.runtime.block_on(async {
            let deliver_subject = self.client.new_inbox();
            let consumer = stream.create_consumer(OrderedConfig { deliver_subject, ..OrderedConfig::default() });
            let mut messages = consumer.await.unwrap().messages().await.unwrap().take(count);
            let mut all = Vec::new();
            while let Some(message) = tokio::time::timeout(WAIT_MAX, messages.next()).await.expect("messages come") {
                all.push(message.unwrap().message);
            }
            all
        })
    }

    /// Leaves the stream as if its last messages had never arrived. The stream refuses to delete messages, so it is
    /// made again.
    pub(super) fn lose_last(&self, lost: usize) {
        let mut kept = self.messages(MAIN_STREAM);
        kept.truncate(kept.len() - lost);
        let config = self.stream(MAIN_STREAM).unwrap().cached_info().config.clone();
        let jetstream = self.jetstream();
        self.runtime.block_on(async {
            jetstream.delete_stream(MAIN_STREAM).await.unwrap();
            jetstream.create_stream(config).await.unwrap();
            for message in kept {
                let mut headers = HeaderMap::new();
                for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
                    // The headers of a batch are valid only for the first publication of the message.
                    if !name.to_string().starts_with("Nats-Batch-") {
                        values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
                    }
                }
                let sent = jetstream.publish_with_headers(message.subject, headers, message.payload);
                sent.await.unwrap().await.unwrap();
            }
        });
    }

    /// Checks that the stream holds the events of the journal: the same events, in the same order, none missing, none
    /// twice. Returns their number.
    #[track_caller]
    pub(super) fn assert_stream_is_history(&self) -> usize {
        let events = self.host().client().get("/v1/main/events").lines();
        self.await_messages(events.len() as u64);
        let messages = self.messages(MAIN_STREAM);
        for (number, (message, event)) in messages.iter().zip(&events).enumerate() {
            assert_is_event(message, event, number as u64 + 1);
        }
        assert_eq!(messages.len(), events.len());
        events.len()
    }
}

#[track_caller]
fn assert_is_event(message: &Message, event: &Value, position: u64) {
    assert_eq!(event["position"], position, "{event}");
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let subject = format!("main.{}.{}.{}.v{}", text("domain"), text("aggregate"), text("name"), event["version"]);
    assert_eq!(message.subject.as_str(), subject, "{event}");
    assert_eq!(serde_json::from_slice::<Value>(&message.payload).unwrap(), event["payload"], "{event}");
    for (name, field) in [
        ("Nats-Msg-Id", "id"),
        ("Polder-Aggregate-Id", "aggregate_id"),
        ("Correlation-Id", "correlation_id"),
        ("Causation-Id", "causation_id"),
        ("Actor", "actor"),
        ("traceparent", "traceparent"),
    ] {
        assert_eq!(header(message, name), event[field].as_str(), "{name}: {message:?}");
    }
    for (name, field) in [("Polder-Position", "position"), ("Polder-Sequence", "sequence"), ("Polder-Time-Ms", "at_ms")]
    {
        assert_eq!(header(message, name), Some(&*event[field].to_string()), "{name}: {message:?}");
    }
}
