//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::answer_body::AnswerBody;
use super::connection_state::ConnectionState;
use super::guarded_stream::{GuardedStream, WAITS};
use super::open_connections::ConnectionSlot;

/// The longest head of a request, in bytes; a longer one is refused with status 431. Also the bound of the write
/// buffer: the host waits for the client to read before it produces more of an answer.
pub(crate) const HEAD_BYTES_MAX: usize = 32 * 1024;

// These two answers are written before there is a request; every other status is in `wire/http_status.rs`.
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const NO_SLOT: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// Answers requests by `answer` until the client, the host or a deadline ends the connection, or another connection
/// needs its slot.
pub(super) async fn serve<A, R>(stream: TcpStream, slot: ConnectionSlot, answer: A, mut closing: watch::Receiver<bool>)
where
    A: Fn(Request<Incoming>, Arc<ConnectionState>) -> R,
    R: Future<Output = Response<AnswerBody>>,
{
    // Responses are small, and clients wait for them: no Nagle delay.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY on a connection");
    }
    let state = Arc::clone(&slot.state);
    let service = service_fn(move |request| {
        let answered = answer(request, Arc::clone(&state));
        async move { Ok::<_, Infallible>(answered.await) }
    });
    // No `pipeline_flush`: gathering the answers of several requests would switch hyper's back-pressure off. The stream
    // enforces the deadline of a head, which needs no timer per request.
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
    let io = TokioIo::new(GuardedStream::new(stream, Arc::clone(&slot.state), WAITS));
    let mut connection = builder.serve_connection(io, service);
    let served = tokio::select! {
        served = &mut connection => served,
        () = slot.state.evicted() => return,
        () = closed(&mut closing) => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
        if error.is_parse_version_h2() {
            // hyper answers everything that it cannot read, except the preface of HTTP/2.
            let mut stream = connection.into_parts().io.into_inner().into_stream();
            // The client may be gone.
            let _ = stream.try_write(BAD_REQUEST);
            let _ = stream.shutdown().await;
        }
    }
}

/// Resolves when the server stops.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // The sender lives as long as the server.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Answers a connection for which there is no slot.
pub(super) fn refuse(stream: &TcpStream) {
    // Never waits: a client that does not read this sees the end of the connection.
    let _ = stream.try_write(NO_SLOT);
}
