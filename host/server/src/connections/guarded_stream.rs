//! A connection's byte stream with a deadline on every wait: for a head, for a client that reads its response, and for
//! the last bytes after it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection_state::ConnectionState;
use super::deadline::Deadline;

/// How long the client may keep the host waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// How long a connection without a request stays open.
    pub(crate) idle_wait_max: Duration,
    /// How long a head may take to arrive, from its first byte on.
    pub(crate) head_wait_max: Duration,
    /// How long the client may read nothing of its response.
    pub(crate) write_wait_max: Duration,
    /// How long after the last response the client's bytes are read and dropped. Closing at once would reset the
    /// connection, and the client would see that instead of the response.
    pub(crate) linger_wait_max: Duration,
}

pub(crate) const WAITS: Waits = Waits {
    idle_wait_max: Duration::from_secs(120),
    head_wait_max: Duration::from_secs(10),
    write_wait_max: Duration::from_secs(30),
    linger_wait_max: Duration::from_secs(2),
};

const LINGER_PIECE_BYTES: usize = 16 * 1024;

pub(crate) struct GuardedStream {
    stream: TcpStream,
    state: Arc<ConnectionState>,
    waits: Waits,
    /// The step of the connection that the deadline `reading` belongs to.
    step: u64,
    has_head_begun: bool,
    reading: Deadline,
    writing: Deadline,
    lingering: Option<Deadline>,
}

impl GuardedStream {
    pub(crate) fn new(stream: TcpStream, state: Arc<ConnectionState>, waits: Waits) -> Self {
        let step = state.step();
        let (reading, writing) = (Deadline::default(), Deadline::default());
        Self { stream, state, waits, step, has_head_begun: false, reading, writing, lingering: None }
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    fn has_read(&mut self) {
        self.follow();
        if !self.has_head_begun && !self.state.is_serving() {
            self.has_head_begun = true;
            self.reading.clear();
            self.reading.start(self.waits.head_wait_max);
        }
    }

    fn poll_read_wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.follow();
        if self.state.is_serving() {
            // The request's body has its own deadline.
            return Poll::Pending;
        }
        self.reading.start(self.waits.idle_wait_max);
        self.reading.poll_passed(context).map(|()| Err(too_slow("no request came")))
    }

    /// Clears the state of an earlier request.
    fn follow(&mut self) {
        let step = self.state.step();
        if self.step != step {
            self.step = step;
            self.has_head_begun = false;
            self.reading.clear();
        }
    }

    fn after_write(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.writing.clear();
            if self.state.is_serving() {
                self.state.goes_on();
            }
            return written;
        }
        self.state.waits();
        self.writing.start(self.waits.write_wait_max);
        self.writing.poll_passed(context).map(|()| Err(too_slow("the client does not read its answer")))
    }
}

fn too_slow(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.poll_read_wait(context),
            read => {
                if buffer.filled().len() > before {
                    self.has_read();
                }
                read
            }
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after_write(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.after_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Closes the sending side, then reads and drops what the client still sends.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_first = self.lingering.is_none();
        if is_first {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            let mut lingering = Deadline::default();
            lingering.start(self.waits.linger_wait_max);
            self.lingering = Some(lingering);
        }
        let mut has_read = !is_first || self.has_head_begun || self.state.is_serving();
        let mut piece = [0; LINGER_PIECE_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => has_read = true,
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                // Between two requests nothing is under way.
                Poll::Pending if !has_read => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        self.state.waits();
        self.lingering.as_mut().map_or(Poll::Ready(()), |deadline| deadline.poll_passed(context)).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::{Instant, timeout};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);
    /// Bounds that never expire while a test runs.
    const PATIENT: Waits =
        Waits { idle_wait_max: LONG, head_wait_max: LONG, write_wait_max: LONG, linger_wait_max: LONG };

    async fn pair(waits: Waits) -> (GuardedStream, TcpStream, Arc<ConnectionState>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let state = Arc::new(ConnectionState::default());
        (GuardedStream::new(listener.accept().await.unwrap().0, Arc::clone(&state), waits), client, state)
    }

    async fn is_timed_out(stream: &mut GuardedStream) -> bool {
        let read = timeout(10 * SHORT, stream.read(&mut [0; 10])).await;
        matches!(read, Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut)
    }

    #[tokio::test]
    async fn a_connection_without_a_request_ends() {
        let (mut stream, _client, _) = pair(Waits { idle_wait_max: SHORT, ..PATIENT }).await;
        assert!(is_timed_out(&mut stream).await);
    }

    #[tokio::test]
    async fn a_half_sent_head_times_out_and_a_request_that_is_served_does_not() {
        let (mut stream, mut client, state) = pair(Waits { head_wait_max: SHORT, ..PATIENT }).await;
        assert!(!is_timed_out(&mut stream).await, "no byte came, so no head is half sent");
        client.write_all(b"GET").await.unwrap();
        assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 3);
        state.begin();
        assert!(!is_timed_out(&mut stream).await, "the whole head was there");
        state.end();
        assert!(!is_timed_out(&mut stream).await, "the next head has not begun");
        client.write_all(b"GE").await.unwrap();
        assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 2);
        client.write_all(b"T").await.unwrap();
        assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 1);
        assert!(is_timed_out(&mut stream).await, "a byte now and then does not help");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off() {
        // Long compared with the client's pauses, also on a machine that is busy with other tests.
        let write_wait_max = Duration::from_secs(1);
        let (mut stream, mut client, _) = pair(Waits { write_wait_max, ..PATIENT }).await;
        let piece = vec![0; 256 * 1024];
        let written = async {
            loop {
                if let Err(error) = stream.write_all(&piece).await {
                    return (error.kind(), Instant::now());
                }
            }
        };
        // The client reads for longer than one wait, and then stops.
        let reads = async {
            let begin = Instant::now();
            while begin.elapsed() < 2 * write_wait_max {
                client.read_exact(&mut vec![0; 256 * 1024]).await.unwrap();
                tokio::time::sleep(write_wait_max / 50).await;
            }
            Instant::now()
        };
        let (ended, read_until) = tokio::join!(timeout(LONG, written), reads);
        let (kind, ended) = ended.unwrap();
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!(ended > read_until, "the connection ended while its client still read");
    }

    #[tokio::test]
    async fn bytes_that_the_client_still_sends_are_read_before_the_end() {
        let (mut stream, mut client, _) = pair(Waits { linger_wait_max: LONG, ..PATIENT }).await;
        client.write_all(&[b'x'; 1000]).await.unwrap();
        stream.read_exact(&mut [0; 10]).await.unwrap();
        stream.write_all(b"no").await.unwrap();
        let sender = async {
            for _ in 0..20 {
                client.write_all(&[b'x'; 100_000]).await.unwrap();
            }
            let mut answer = String::new();
            client.shutdown().await.unwrap();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (ended, answer) = tokio::join!(timeout(LONG, stream.shutdown()), sender);
        ended.unwrap().unwrap();
        assert_eq!(answer, "no");
    }

    #[tokio::test]
    async fn a_client_that_sends_without_end_is_cut_off() {
        let (mut stream, mut client, _) = pair(Waits { linger_wait_max: SHORT, ..PATIENT }).await;
        client.write_all(b"GET").await.unwrap();
        stream.read_exact(&mut [0; 3]).await.unwrap();
        timeout(LONG, stream.shutdown()).await.unwrap().unwrap();
        // Between two requests the shutdown does not wait.
        let (mut stream, _client, _) = pair(PATIENT).await;
        timeout(LONG / 2, stream.shutdown()).await.unwrap().unwrap();
    }
}
