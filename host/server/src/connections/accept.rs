//! Accepts connections until the server stops, each in a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::answer_body::AnswerBody;
use super::connection;
use super::connection_state::ConnectionState;
use super::open_connections::Connections;

/// The pause after a failed accept, for example when descriptors run out. An evicted connection is closed meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Bytes that the system takes from the host for one connection before its client has taken them. By default it is
/// several MB, so that clients that never read would make the host fill them all at once.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Listens for HTTP connections.
///
/// # Errors
/// Fails if the address cannot be used.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections and answers their requests by `answer`, until `shutdown` completes. Returns the tasks of the
/// connections that are still open.
pub(crate) async fn accept_until<A, R>(
    listener: &TcpListener,
    connections: &Arc<Connections>,
    answer: A,
    closing: &watch::Receiver<bool>,
    shutdown: impl Future<Output = ()>,
) -> JoinSet<()>
where
    A: Fn(Request<Incoming>, Arc<ConnectionState>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    let mut open = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut accept_fails = false;
    loop {
        tokio::select! {
            () = &mut shutdown => return open,
            Some(ended) = open.join_next() => {
                if let Err(error) = ended && error.is_panic() {
                    tracing::error!(%error, "a connection's task panicked");
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    accept_fails = false;
                    match connections.admit(address.ip()) {
                        Some(slot) => {
                            open.spawn(connection::serve(stream, slot, answer.clone(), closing.clone()));
                        }
                        None => connection::refuse(&stream),
                    }
                }
                Err(error) => {
                    // Logged once, until a connection is accepted again.
                    if !std::mem::replace(&mut accept_fails, true) {
                        tracing::warn!(%error, "cannot accept a connection");
                    }
                    if is_mended_by_fewer_connections(&error) {
                        connections.evict_one();
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Whether the error is a lack of descriptors or memory.
fn is_mended_by_fewer_connections(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}
