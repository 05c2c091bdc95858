//! Chooses the server of a cluster for a connection: a random one at first, and another one at each reconnect. A
//! connection leaves a server on which JetStream does not answer, because that server may be cut off from the others.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::{Client, ReconnectToServer, Server, ServerAddr};
use tokio::task::AbortHandle;

/// Interval between two probes of JetStream, and longest wait for the answer.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Unanswered probes in a row after which the connection goes to another server.
const PROBES_UNANSWERED_MAX: u32 = 2;

/// Remembers when each server was chosen. Clones share the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steering {
    chosen: Arc<Mutex<Chosen>>,
}

#[derive(Debug, Default)]
struct Chosen {
    count: u64,
    at: HashMap<ServerAddr, u64>,
}

impl Steering {
    /// The server with the fewest failures, and among these the one that was not chosen for the longest time.
    pub(crate) fn choose(&self, servers: &[Server]) -> Option<ReconnectToServer> {
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        let rank = |server: &&Server| {
            let at = chosen.at.get(&server.addr).copied().unwrap_or_default();
            (server.failed_attempts, at, uuid::Uuid::new_v4())
        };
        let addr = servers.iter().min_by_key(rank)?.addr.clone();
        chosen.count += 1;
        let count = chosen.count;
        chosen.at.insert(addr.clone(), count);
        // The pause before the attempt is set by the connection's `reconnect_delay_callback`.
        Some(ReconnectToServer { addr, delay: None })
    }
}

/// Ends the task when the last clone of a connection is dropped.
#[derive(Debug)]
pub(crate) struct Steered(pub(crate) AbortHandle);

impl Drop for Steered {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Makes the client reconnect to another server while JetStream does not answer on the present one.
pub(crate) async fn leave_silent_servers(client: Client) {
    let jetstream = async_nats::jetstream::new(client.clone());
    let made = || client.statistics().connects.load(Ordering::Relaxed);
    let (mut unanswered, mut connects) = (0, made());
    loop {
        tokio::time::sleep(PROBE_INTERVAL).await;
        let now = made();
        let is_up = client.connection_state() == async_nats::connection::State::Connected;
        if !is_up || now != connects {
            (unanswered, connects) = (0, now);
            continue;
        }
        let answered = tokio::time::timeout(PROBE_INTERVAL, jetstream.query_account()).await;
        unanswered = if matches!(answered, Ok(Ok(_))) { 0 } else { unanswered + 1 };
        if unanswered < PROBES_UNANSWERED_MAX {
            continue;
        }
        unanswered = 0;
        if !leave_server(&client).await {
            return;
        }
    }
}

/// Decides when a connection goes to another server because of trouble that lasts. The pause grows, because the servers
/// may need up to nine seconds for an election, and each move disturbs what has begun. Pure.
#[derive(Debug)]
pub struct Leaving {
    first_after: Duration,
    pause: Duration,
    left_at: Option<Instant>,
}

impl Leaving {
    pub fn new(first_after: Duration) -> Self {
        Self { first_after, pause: first_after, left_at: None }
    }

    /// Whether to go to another server now. `lasts` is how long the trouble has lasted, zero without trouble.
    pub fn is_due(&mut self, lasts: Duration, now: Instant) -> bool {
        if lasts < self.first_after {
            (self.pause, self.left_at) = (self.first_after, None);
            return false;
        }
        if self.left_at.is_some_and(|left_at| now.duration_since(left_at) < self.pause) {
            return false;
        }
        if self.left_at.replace(now).is_some() {
            self.pause *= 2;
        }
        true
    }
}

/// Makes the client reconnect to another server, if there is one. Returns false if the connection is closed for good.
pub(crate) async fn leave_server(client: &Client) -> bool {
    // If there is no other server, only waiting helps.
    if client.server_pool().await.is_ok_and(|pool| pool.len() < 2) {
        return true;
    }
    tracing::debug!(server = %client.server_info().server_name, "this server does not do its work: trying another one");
    client.force_reconnect().await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(port: u16, failed_attempts: usize) -> Server {
        let addr = format!("nats://127.0.0.1:{port}").parse().unwrap();
        // The library has no constructor for this type.
        Server { addr, failed_attempts, did_connect: false, is_discovered: false, last_error: None }
    }

    #[test]
    fn a_connection_moves_less_and_less_often_while_the_trouble_lasts() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut leaving = Leaving::new(2 * second);
        let moves: Vec<u32> =
            (0..40).filter(|seconds| leaving.is_due(*seconds * second, start + *seconds * second)).collect();
        assert_eq!(moves, [2, 4, 8, 16, 32]);
        assert!(!leaving.is_due(Duration::ZERO, start + 40 * second));
        assert!(leaving.is_due(2 * second, start + 42 * second), "it begins anew after the trouble");
    }

    #[test]
    fn each_time_another_server_is_chosen_and_those_that_fail_last() {
        let steering = Steering::default();
        let choose = |servers: &[Server]| steering.choose(servers).unwrap().addr.port();
        let all = [server(1, 0), server(2, 0), server(3, 0)];
        let mut ports: Vec<u16> = (0..3).map(|_| choose(&all)).collect();
        assert_eq!(choose(&all), ports[0], "round again");
        ports.sort_unstable();
        assert_eq!(ports, [1, 2, 3]);
        assert_eq!(choose(&[server(1, 4), server(2, 1), server(3, 2)]), 2);
        assert!(steering.choose(&[]).is_none());
    }
}
