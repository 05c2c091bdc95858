//! Finds out what an acknowledgement of the servers guarantees: on how many servers a frame is, and whether they sync
//! it to disk first.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::error::JournalError;
use super::options::JournalOptions;
use crate::connection::Connection;

/// Usual port of a server's monitoring.
const MONITORING_PORT: u16 = 8222;
/// Longest wait for the monitoring's answer.
const MONITORING_WAIT_MAX: Duration = Duration::from_secs(2);

/// When the servers sync to disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncInterval {
    /// Before each acknowledgement.
    Always,
    /// At this interval. Writes since the last sync can be lost in a power failure.
    Every(Duration),
    /// No server's monitoring reported it. The text is the reason.
    Unknown(String),
}

/// What an acknowledgement guarantees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    pub replicas: usize,
    pub sync: SyncInterval,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = match self.replicas {
            1 => "on one server".to_owned(),
            replicas => format!("on a majority of {replicas} servers"),
        };
        match &self.sync {
            SyncInterval::Always => write!(f, "an acknowledgement means: synced to disk {servers}"),
            SyncInterval::Every(interval) => write!(
                f,
                "an acknowledgement means: written {servers}, and synced within {interval:?}; what came since can be lost in a power failure"
            ),
            SyncInterval::Unknown(why) => {
                write!(f, "an acknowledgement means: written {servers}; whether it is synced is not known ({why})")
            }
        }
    }
}

/// Refuses a journal that can lose acknowledged frames with a single machine, unless the operator accepts that.
pub(super) async fn find_out(
    connection: &Connection,
    options: &JournalOptions,
    accepts_unsynced: bool,
) -> Result<Durability, JournalError> {
    let found = Durability { replicas: options.replicas, sync: sync_interval(connection, options).await };
    judge(found, accepts_unsynced)
}

fn judge(found: Durability, accepts_unsynced: bool) -> Result<Durability, JournalError> {
    if found.sync == SyncInterval::Always || found.replicas > 1 || accepts_unsynced {
        return Ok(found);
    }
    let remedy = "set `jetstream { sync_interval: always }` in the server's configuration and restart it, or use --replicas 3, or accept \
                  it with --accept-unsynced";
    let (problem, remedy) = match found.sync {
        SyncInterval::Unknown(why) => (
            format!("the journal has one replica, and whether its server syncs is not known ({why})"),
            format!("name the server's monitoring with --nats-monitoring http://HOST:8222 ({remedy})"),
        ),
        _ => (format!("{found}; there is no other server"), remedy.to_owned()),
    };
    Err(JournalError::NotDurable { problem, remedy })
}

async fn sync_interval(connection: &Connection, options: &JournalOptions) -> SyncInterval {
    let address = match &options.monitoring {
        Some(url) => url.trim_start_matches("http://").trim_end_matches('/').to_owned(),
        None => match connection.host() {
            Some(host) => format!("{host}:{MONITORING_PORT}"),
            None => return SyncInterval::Unknown("no server is connected".to_owned()),
        },
    };
    let request = tokio::time::timeout(MONITORING_WAIT_MAX, get(&address));
    match request.await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
        Ok(answer) => read(&answer),
        Err(error) => SyncInterval::Unknown(format!("{address} does not answer: {error}")),
    }
}

/// Fetches `/varz`. One request needs no HTTP client.
async fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[derive(Deserialize)]
struct Varz {
    jetstream: Option<JetStream>,
}

#[derive(Deserialize)]
struct JetStream {
    config: Option<Settings>,
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    sync_always: bool,
    /// Interval in nanoseconds.
    #[serde(default)]
    sync_interval: u64,
}

fn read(answer: &str) -> SyncInterval {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match serde_json::from_str::<Varz>(body) {
        Ok(Varz { jetstream: Some(JetStream { config: Some(settings) }) }) => match settings.sync_always {
            true => SyncInterval::Always,
            false => SyncInterval::Every(Duration::from_nanos(settings.sync_interval)),
        },
        Ok(_) => SyncInterval::Unknown("its monitoring reports no JetStream".to_owned()),
        Err(error) => SyncInterval::Unknown(format!("its monitoring's answer cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varz(config: &str) -> SyncInterval {
        read(&format!("HTTP/1.0 200 OK\r\nx: y\r\n\r\n{{\"jetstream\":{{\"config\":{{{config}}}}}}}"))
    }

    #[test]
    fn a_server_reports_when_it_syncs() {
        assert_eq!(varz(r#""sync_interval":120000000000"#), SyncInterval::Every(Duration::from_secs(120)));
        assert_eq!(varz(r#""sync_interval":120000000000,"sync_always":true"#), SyncInterval::Always);
        for answer in ["", "HTTP/1.0 404 Not Found\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n{\"jetstream\":{}}"] {
            assert!(matches!(read(answer), SyncInterval::Unknown(_)), "{answer}");
        }
    }

    #[test]
    fn one_server_has_to_sync() {
        let durability = |replicas, sync| Durability { replicas, sync };
        let minutes = SyncInterval::Every(Duration::from_secs(120));
        assert!(judge(durability(1, SyncInterval::Always), false).is_ok());
        assert!(judge(durability(3, minutes.clone()), false).unwrap().to_string().contains("within 120s"));
        assert!(judge(durability(1, minutes.clone()), true).is_ok());
        let refused = judge(durability(1, minutes), false).unwrap_err().to_string();
        assert!(refused.contains("synced within 120s") && refused.contains("sync_interval: always"), "{refused}");
        let refused = judge(durability(1, SyncInterval::Unknown("x".to_owned())), false).unwrap_err().to_string();
        assert!(refused.contains("--nats-monitoring"), "{refused}");
    }
}
