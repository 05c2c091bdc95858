//! The clients of an attack. They run on one thread of low priority: in reality they are other machines, so the time
//! that they need must not be missing for the host. Nothing here stops because the host refuses something.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::kept_connection::Answer;

/// A client whose request was refused sends the next one after this time, as `Retry-After` asks; a client whose
/// connection was closed opens the next one after this time.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// Time that a client keeps a connection from which it reads nothing. The host closes it earlier.
const UNREAD_MAX: Duration = Duration::from_secs(60);
/// Longest wait until all clients have begun.
const BEGIN_WAIT_MAX: Duration = Duration::from_secs(20);
const BEGIN_CHECK_PAUSE: Duration = Duration::from_millis(5);
/// Longest wait for the tasks of the clients to end.
const END_WAIT_MAX: Duration = Duration::from_secs(5);

pub(super) struct Clients {
    pub(super) address: SocketAddr,
    runtime: Runtime,
    http: Client,
    counts: Arc<Counts>,
    expected: usize,
}

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    /// Number of answers by their status, and of other outcomes.
    outcomes: Mutex<BTreeMap<String, usize>>,
}

/// What the client of a raw connection does after it has sent its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// It reads until the host closes the connection.
    Wait,
    /// It reads nothing.
    ReadNothing,
}

impl Clients {
    /// `nice` is the priority of the clients' thread; 0 is that of the host.
    pub(super) fn new(address: SocketAddr, nice: u8) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(move || {
                // On Linux this concerns the calling thread alone. A lower priority needs no permission.
                let _ = rustix::process::nice(nice.into());
            })
            .enable_all()
            .build()?;
        let http = Client::builder().no_proxy().build()?;
        Ok(Self { address, runtime, http, counts: Arc::default(), expected: 0 })
    }

    /// Starts `count` clients. Each sends the requests that `make` returns for its number, one after another; with
    /// `times`, so many, and else until the end.
    pub(super) fn repeat(
        &mut self,
        count: usize,
        times: Option<usize>,
        make: impl Fn(&Client, &str, usize) -> RequestBuilder + Send + Sync + 'static,
    ) {
        let (make, base) = (Arc::new(make), Arc::<str>::from(format!("http://{}", self.address)));
        for number in 0..count {
            let (make, base) = (Arc::clone(&make), Arc::clone(&base));
            let (http, counts) = (self.http.clone(), Arc::clone(&self.counts));
            self.runtime.spawn(async move {
                let mut sent = 0;
                while times.is_none_or(|times| sent < times) {
                    if sent == 0 {
                        counts.begin();
                    }
                    sent += 1;
                    let is_good = counts.answered(make(&http, &base, number)).await;
                    if !is_good {
                        tokio::time::sleep(REFUSED_PAUSE).await;
                    }
                }
            });
        }
        self.expected += count;
    }

    /// Opens `count` connections, sends these bytes on each, and keeps them open. A connection that the host closes is
    /// opened again.
    pub(super) fn hold(&mut self, count: usize, bytes: &[u8], then: Then) {
        let bytes = Arc::<[u8]>::from(bytes);
        for _ in 0..count {
            let (bytes, counts, address) = (Arc::clone(&bytes), Arc::clone(&self.counts), self.address);
            self.runtime.spawn(async move {
                let mut has_begun = false;
                loop {
                    let held = hold_one(address, &bytes, then, || {
                        if !std::mem::replace(&mut has_begun, true) {
                            counts.begin();
                        }
                    });
                    counts.count(held.await);
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
            });
        }
        self.expected += count;
    }

    /// Waits until every client has begun its first request. Some never do if the host accepts no more connections.
    pub(super) fn wait_until_begun(&self) {
        let began = Instant::now();
        while self.counts.begun.load(Ordering::Relaxed) < self.expected && began.elapsed() < BEGIN_WAIT_MAX {
            std::thread::sleep(BEGIN_CHECK_PAUSE);
        }
    }

    /// Closes all connections. Returns the number of requests and connections by their outcome.
    pub(super) fn end(self) -> BTreeMap<String, usize> {
        self.runtime.shutdown_timeout(END_WAIT_MAX);
        let mut outcomes = self.counts.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        outcomes.insert("begun".into(), self.counts.begun.load(Ordering::Relaxed));
        outcomes
    }
}

impl Counts {
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self, outcome: String) {
        *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    /// Sends a request and reads its answer to the end. Returns whether the host did what was asked.
    async fn answered(&self, request: RequestBuilder) -> bool {
        let (outcome, is_good) = match request.send().await {
            Err(_) => ("no answer".into(), false),
            Ok(mut answer) => {
                let (status, is_good, mut problem) =
                    (answer.status().as_u16(), answer.status().is_success(), Vec::new());
                loop {
                    match answer.chunk().await {
                        Ok(Some(bytes)) if !is_good => problem.extend_from_slice(&bytes),
                        Ok(Some(_)) => {}
                        Ok(None) if is_good => break (status.to_string(), true),
                        Ok(None) => break (Answer { status, body: problem }.refusal(), false),
                        Err(_) => break (format!("{status} cut off"), false),
                    }
                }
            }
        };
        self.count(outcome);
        is_good
    }
}

/// Returns how the connection ended.
async fn hold_one(address: SocketAddr, bytes: &[u8], then: Then, begin: impl FnOnce()) -> String {
    let Ok(mut stream) = TcpStream::connect(address).await else { return "not connected".into() };
    let sent = stream.write_all(bytes).await;
    begin();
    if sent.is_err() {
        return "closed while it sent".into();
    }
    match then {
        Then::ReadNothing => tokio::time::sleep(UNREAD_MAX).await,
        Then::Wait => {
            let mut dropped = vec![0; 4_096];
            while stream.read(&mut dropped).await.is_ok_and(|count| count > 0) {}
        }
    }
    "closed".into()
}
