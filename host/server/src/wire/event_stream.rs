//! The formats of event streams: newline-delimited JSON and server-sent events.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _, stream};
use polder_core::{Event, MemoryReservation};
use polder_engine::ReadError;
use tokio::sync::Semaphore;

use super::content_type::NDJSON;
use super::response_json::held_with;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Ndjson,
    ServerSentEvents,
}

impl Format {
    /// Server-sent events if the caller accepts them, otherwise newline-delimited JSON.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let accepts = |value: &header::HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/event-stream"));
        if headers.get_all(header::ACCEPT).iter().any(accepts) { Self::ServerSentEvents } else { Self::Ndjson }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => NDJSON,
            Self::ServerSentEvents => "text/event-stream",
        }
    }

    /// Writes an item. `None` if there is nothing to send. In server-sent events an empty page becomes a comment, which
    /// keeps proxies from closing the connection, and the end becomes an event, since a browser would reconnect every
    /// few seconds. `permit` is dropped once the client has taken the text.
    fn write(self, item: StreamItem, id: EventId, permit: impl Send + 'static) -> Option<Bytes> {
        let for_browsers = |text: &'static [u8]| (self == Self::ServerSentEvents).then(|| Bytes::from_static(text));
        match item {
            StreamItem::Complete => for_browsers(b"event: end\ndata: {}\n\n"),
            StreamItem::Page(page) if page.events.is_empty() => for_browsers(b":\n\n"),
            StreamItem::Page(Page { events, reserved }) => {
                let mut text = Vec::with_capacity(events.len() * 512);
                for event in &events {
                    self.write_one(&mut text, event, id);
                }
                Some(held_with(text, reserved, permit))
            }
        }
    }

    fn write_one(self, text: &mut Vec<u8>, event: &Event, id: EventId) {
        if self == Self::ServerSentEvents {
            text.extend_from_slice(format!("id: {}\ndata: ", id(event)).as_bytes());
        }
        serde_json::to_writer(&mut *text, event).expect("an event always serializes");
        text.extend_from_slice(if self == Self::ServerSentEvents { b"\n\n" } else { b"\n" });
    }
}

/// The id that a reader repeats in `Last-Event-ID`.
pub(crate) type EventId = fn(&Event) -> u64;

/// Events for one reader, with their reservation of memory until they are sent.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    pub(crate) reserved: Option<MemoryReservation>,
}

/// An item of an event stream.
pub(crate) enum StreamItem {
    /// Events. Empty if there was none for a while.
    Page(Page),
    /// All requested events were sent.
    Complete,
}

/// The most pages that one reader has not taken yet: the one that is being sent, and the next.
const PAGES_AHEAD_MAX: usize = 2;
/// The most pages of all readers that are written as text at a time. Readers wait for their turn here, in their order.
/// If each of some hundred readers had a page ready, the runtime would write all of them before the next command.
const PAGES_WRITTEN_AT_A_TIME_MAX: usize = 2;
/// The turns to write a page. There is one for the process, because it has one runtime.
static WRITING: Semaphore = Semaphore::const_new(PAGES_WRITTEN_AT_A_TIME_MAX);

/// Sends the pages as they come. Reads a page only when the connection has taken all but the last page before it,
/// whatever it buffers. If a page cannot be read, the response breaks off without its end mark, which every client sees
/// as an error.
pub(crate) fn respond<S>(items: S, format: Format, id: EventId) -> Response
where
    S: Stream<Item = Result<StreamItem, ReadError>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(PAGES_AHEAD_MAX));
    let pieces = stream::try_unfold(Box::pin(items), move |mut all| {
        let permits = Arc::clone(&permits);
        async move {
            loop {
                let permit = Arc::clone(&permits).acquire_owned().await.expect("it is never closed");
                let Some(item) = all.try_next().await? else { return Ok(None) };
                let _turn = WRITING.acquire().await.expect("it is never closed");
                if let Some(text) = format.write(item, id, permit) {
                    return Ok(Some((text, all)));
                }
            }
        }
    })
    .inspect_err(|error: &ReadError| tracing::error!(%error, "a stream of events ended too early"));
    let headers = [(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(pieces)).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt as _;

    use super::*;

    fn page(events: Vec<Event>) -> Page {
        Page { events, reserved: None }
    }

    fn event() -> Event {
        serde_json::from_value(serde_json::json!({
            "id": polder_core::ContentId::from_digest([7; 32]).to_string(), "position": 4, "domain": "orders", "aggregate": "order",
            "aggregate_id": "o-1", "sequence": 1, "name": "order-drafted", "version": 1, "at_ms": 5, "command_id": "c",
            "correlation_id": "c", "payload": {"note": "two\nlines"}
        }))
        .unwrap()
    }

    fn written(events: Vec<Event>, format: Format) -> Option<Bytes> {
        format.write(StreamItem::Page(page(events)), |event| event.sequence.0, ())
    }

    #[test]
    fn one_line_per_event() {
        let text = written(vec![event(), event()], Format::Ndjson).unwrap();
        let lines: Vec<_> = str::from_utf8(&text).unwrap().lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(serde_json::from_str::<Event>(lines[1]).unwrap().position.0, 4);
        assert_eq!(written(vec![], Format::Ndjson), None);
        assert_eq!(Format::Ndjson.write(StreamItem::Complete, |_| 0, ()), None);
    }

    #[test]
    fn a_server_sent_event_carries_its_id_and_the_end_is_marked() {
        let text = written(vec![event()], Format::ServerSentEvents).unwrap();
        let text = str::from_utf8(&text).unwrap();
        assert!(text.starts_with("id: 1\ndata: {") && text.ends_with("}\n\n"), "{text}");
        assert_eq!(text.lines().count(), 3);
        assert_eq!(written(vec![], Format::ServerSentEvents).unwrap(), ":\n\n");
        let end = Format::ServerSentEvents.write(StreamItem::Complete, |_| 0, ()).unwrap();
        assert_eq!(end, "event: end\ndata: {}\n\n");
    }

    #[tokio::test]
    async fn pages_are_read_only_as_they_are_taken() {
        let read = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&read);
        let pages = stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(StreamItem::Page(page(vec![event()])))
        });
        let mut body = respond(pages, Format::Ndjson, |event| event.position.0).into_body().into_data_stream();
        let first = body.try_next().await.unwrap().unwrap();
        let second = body.try_next().await.unwrap().unwrap();
        assert!(body.try_next().now_or_never().is_none(), "two pages wait to be taken");
        assert_eq!(read.load(Ordering::Relaxed), PAGES_AHEAD_MAX);
        drop(first);
        assert!(body.try_next().now_or_never().is_some());
        drop(second);
        assert_eq!(read.load(Ordering::Relaxed), PAGES_AHEAD_MAX + 1);
    }

    #[test]
    fn the_caller_chooses_the_format() {
        let mut headers = HeaderMap::new();
        assert_eq!(Format::accepted(&headers), Format::Ndjson);
        headers.insert(header::ACCEPT, "text/html, text/event-stream;q=0.9".parse().unwrap());
        assert_eq!(Format::accepted(&headers), Format::ServerSentEvents);
    }
}
