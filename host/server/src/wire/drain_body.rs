//! Reads a request's body to its end if the response did not need it, because the request was refused for its size or
//! before its body was read. Closing at once would reset the connection, and a caller that is still sending would see
//! that instead of the response.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;

/// A smaller body has arrived with the head of its request, or the connection reads it by itself.
pub(crate) const DRAIN_BYTES_MIN: u64 = 4 * 1024;
/// The most bytes that are read and dropped: twice the largest upload. A caller that sends more does not read the
/// response.
const DRAIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest time to read the rest, in wall time. The body's own deadline is longer.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(10);

/// Runs the handlers, and then reads what they left of the body.
pub(crate) async fn drain_unread(request: Request, next: Next) -> Response {
    if request.body().size_hint().upper().is_some_and(|bytes| bytes < DRAIN_BYTES_MIN) {
        return next.run(request).await;
    }
    // A caller with `Expect` waits for the permission to send. The response refuses it, and the caller sends nothing
    // unless the host reads.
    let is_awaited = !request.headers().contains_key(EXPECT);
    let (back, mut rest) = oneshot::channel();
    let lend = |body| Body::new(Lent { body, is_awaited, back: Some(back) });
    let response = next.run(request.map(lend)).await;
    // A streaming response may still use the body.
    if let Ok(rest) = rest.try_recv() {
        // A caller that has not sent the rest in this time will not read the response either.
        let _ = tokio::time::timeout(DRAIN_WAIT_MAX, drop_rest(rest)).await;
    }
    response
}

/// A body that sends its rest back when it is dropped.
struct Lent {
    body: Body,
    /// Whether the client sends the body in any case, or has been asked to send it.
    is_awaited: bool,
    back: Option<oneshot::Sender<Body>>,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_awaited = true;
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take().filter(|_| self.is_awaited) {
            // The receiver is gone if the response was already returned.
            drop(back.send(std::mem::take(&mut self.body)));
        }
    }
}

async fn drop_rest(mut rest: Body) {
    let mut left = DRAIN_BYTES_MAX;
    if rest.size_hint().lower() > left {
        return;
    }
    while let Some(Ok(frame)) = rest.frame().await {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        if bytes >= left {
            return;
        }
        left -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::put;
    use futures::StreamExt as _;
    use tower::ServiceExt as _;

    use super::*;

    const PIECE_BYTES: usize = 1024 * 1024;

    /// The number of pieces that are read of a body of `pieces`, when the handler does not read it.
    async fn read_of(pieces: usize, expect: Option<&str>) -> usize {
        let read = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&read);
        let sent = futures::stream::iter(0..pieces).map(move |_| {
            counting.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; PIECE_BYTES]))
        });
        let router = Router::new().route("/", put(async || StatusCode::NOT_FOUND)).layer(from_fn(drain_unread));
        let mut request = axum::http::Request::put("/");
        if let Some(expect) = expect {
            request = request.header(EXPECT, expect);
        }
        let answer = router.oneshot(request.body(Body::from_stream(sent)).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        read.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn an_unread_body_is_read_to_its_end() {
        assert_eq!(read_of(33, None).await, 33);
    }

    #[tokio::test]
    async fn at_most_a_bound_of_the_body_is_read() {
        assert_eq!(read_of(100, None).await as u64 * PIECE_BYTES as u64, DRAIN_BYTES_MAX);
    }

    #[tokio::test]
    async fn the_body_of_a_caller_that_expects_a_continue_is_not_read() {
        assert_eq!(read_of(33, Some("100-continue")).await, 0);
    }
}
