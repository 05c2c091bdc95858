//! Events as they are written down for readers: newline-delimited JSON, or server-sent events.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use polder_core::Event;
use polder_engine::ReadError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Ndjson,
    ServerSentEvents,
}

impl Format {
    /// Server-sent events for who asks for them, newline-delimited JSON for all others.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let accepts = |value: &header::HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/event-stream"));
        if headers.get_all(header::ACCEPT).iter().any(accepts) { Self::ServerSentEvents } else { Self::Ndjson }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::ServerSentEvents => "text/event-stream",
        }
    }

    /// `None`: nothing to send. An empty page becomes a comment where the format has one, which keeps proxies from hanging up.
    fn write(self, page: &[Event]) -> Option<Bytes> {
        let mut text = Vec::with_capacity(page.len() * 512);
        for event in page {
            if self == Self::ServerSentEvents {
                text.extend_from_slice(format!("id: {}\ndata: ", event.position).as_bytes());
            }
            serde_json::to_writer(&mut text, event).expect("an event always serializes");
            text.extend_from_slice(if self == Self::ServerSentEvents { b"\n\n" } else { b"\n" });
        }
        match (page.is_empty(), self) {
            (false, _) => Some(Bytes::from(text)),
            (true, Self::ServerSentEvents) => Some(Bytes::from_static(b":\n\n")),
            (true, Self::Ndjson) => None,
        }
    }
}

/// Sends the pages as they come; each is made only when the reader has taken the one before. When one cannot be read the answer breaks
/// off without its end mark, which every client sees as an error.
pub(crate) fn respond<S>(pages: S, format: Format) -> Response
where
    S: Stream<Item = Result<Vec<Event>, ReadError>> + Send + 'static,
{
    let chunks = pages
        .try_filter_map(move |page| std::future::ready(Ok(format.write(&page))))
        .inspect_err(|error| tracing::error!(%error, "a stream of events broke off"));
    let headers = [(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(chunks)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        serde_json::from_value(serde_json::json!({
            "id": polder_core::ContentId::from_digest([7; 32]).to_string(), "position": 4, "domain": "orders", "aggregate": "order",
            "aggregate_id": "o-1", "sequence": 1, "name": "order-drafted", "version": 1, "at_ms": 5, "command_id": "c",
            "correlation_id": "c", "payload": {"note": "two\nlines"}
        }))
        .unwrap()
    }

    #[test]
    fn one_line_per_event() {
        let text = Format::Ndjson.write(&[event(), event()]).unwrap();
        let lines: Vec<_> = str::from_utf8(&text).unwrap().lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(serde_json::from_str::<Event>(lines[1]).unwrap().position.0, 4);
        assert_eq!(Format::Ndjson.write(&[]), None);
    }

    #[test]
    fn a_server_sent_event_carries_its_position() {
        let text = Format::ServerSentEvents.write(&[event()]).unwrap();
        let text = str::from_utf8(&text).unwrap();
        assert!(text.starts_with("id: 4\ndata: {") && text.ends_with("}\n\n"), "{text}");
        assert_eq!(text.lines().count(), 3);
        assert_eq!(Format::ServerSentEvents.write(&[]).unwrap(), ":\n\n");
    }

    #[test]
    fn the_caller_chooses() {
        let mut headers = HeaderMap::new();
        assert_eq!(Format::wanted(&headers), Format::Ndjson);
        headers.insert(header::ACCEPT, "text/html, text/event-stream;q=0.9".parse().unwrap());
        assert_eq!(Format::wanted(&headers), Format::ServerSentEvents);
    }
}
