//! Reads to its end a body that the answer did not need: refused for its size, or before anyone looked at it. Closing at once would reset
//! the connection, and a caller who is still sending would see that instead of the answer.

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

/// A smaller body has come with the head of its request, or is read by the connection itself.
pub(crate) const LINGER_BYTES_MIN: u64 = 4 * 1024;
/// What is read, and dropped, at most. Twice the largest upload: who sends still more has not read what it is told.
const LINGER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Wall time of it. The body's own deadline is longer.
const LINGER_WAIT_MAX: Duration = Duration::from_secs(10);

pub(crate) async fn linger(request: Request, next: Next) -> Response {
    if request.body().size_hint().upper().is_some_and(|bytes| bytes < LINGER_BYTES_MIN) {
        return next.run(request).await;
    }
    // Who asked first whether to send is told by the answer, and sends nothing unless somebody reads.
    let is_awaited = !request.headers().contains_key(EXPECT);
    let (back, mut rest) = oneshot::channel();
    let lend = |body| Body::new(Lent { body, is_awaited, back: Some(back) });
    let response = next.run(request.map(lend)).await;
    // It is still in use where the answer is a stream.
    if let Ok(rest) = rest.try_recv() {
        // Whoever has not sent it by then is not going to read the answer either.
        let _ = tokio::time::timeout(LINGER_WAIT_MAX, drop_rest(rest)).await;
    }
    response
}

/// What is left of it comes back when it is dropped.
struct Lent {
    body: Body,
    /// The other side sends it in any case, or has been asked to.
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
            // Nobody is there when the answer has been given.
            drop(back.send(std::mem::take(&mut self.body)));
        }
    }
}

async fn drop_rest(mut rest: Body) {
    let mut left = LINGER_BYTES_MAX;
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

    /// How many pieces of a body of `pieces` are read when nobody looks at it.
    async fn read_of(pieces: usize, expect: Option<&str>) -> usize {
        let read = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&read);
        let sent = futures::stream::iter(0..pieces).map(move |_| {
            counting.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; PIECE_BYTES]))
        });
        let router = Router::new().route("/", put(async || StatusCode::NOT_FOUND)).layer(from_fn(linger));
        let mut request = axum::http::Request::put("/");
        if let Some(expect) = expect {
            request = request.header(EXPECT, expect);
        }
        let answer = router.oneshot(request.body(Body::from_stream(sent)).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        read.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn what_nobody_looked_at_is_read_all_the_same() {
        assert_eq!(read_of(33, None).await, 33);
    }

    #[tokio::test]
    async fn but_not_without_end() {
        assert_eq!(read_of(100, None).await as u64 * PIECE_BYTES as u64, LINGER_BYTES_MAX);
    }

    #[tokio::test]
    async fn who_waits_to_be_asked_is_not() {
        assert_eq!(read_of(33, Some("100-continue")).await, 0);
    }
}
