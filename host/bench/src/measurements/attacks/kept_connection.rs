//! One kept HTTP connection that waits for each answer. It blocks its thread, so that a caller that sends at exact
//! times needs no timer of a runtime.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// Longest wait for bytes of an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(120);

pub(super) struct KeptConnection {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
    /// Number of requests that were sent again on a new connection, because the host had closed the old one.
    pub(super) sent_again: usize,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl KeptConnection {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, sent_again: 0 }
    }

    /// Sends a request and waits for its answer. If the host has closed the kept connection, sends it again on a new
    /// one, as HTTP clients do; so the request must be one that may be sent twice.
    pub(super) fn request(&mut self, method: &str, path: &str, head: &str, body: &[u8]) -> anyhow::Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n{head}", self.address).into_bytes();
        if method != "GET" {
            write!(request, "content-length: {}\r\n", body.len())?;
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        if let Some(stream) = self.stream.take() {
            match exchange(stream, &request) {
                Ok((answer, stream)) => {
                    self.stream = stream;
                    return Ok(answer);
                }
                Err(error) if is_timeout(&error) => return Err(error),
                Err(_) => self.sent_again += 1,
            }
        }
        let (answer, stream) = exchange(self.open()?, &request)?;
        self.stream = stream;
        Ok(answer)
    }

    /// Closes the connection, so that the next request needs a new one.
    pub(super) fn close(&mut self) {
        self.stream = None;
    }

    fn open(&self) -> anyhow::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        stream.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
        Ok(BufReader::new(stream))
    }
}

impl Answer {
    /// The JSON of a good answer.
    pub(super) fn json(&self) -> anyhow::Result<serde_json::Value> {
        ensure!(self.status == 200, "{}", self.refusal());
        serde_json::from_slice(&self.body).context("an answer that is no JSON")
    }

    /// The status, and what the problem document says that is the same for all requests with this problem.
    pub(super) fn refusal(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let member = |name: &str| problem[name].as_str().unwrap_or_default();
        let kind = member("type").trim_start_matches("urn:polder:problem:");
        format!("{} {kind} {}", self.status, member("limit_name")).trim_end().to_owned()
    }
}

/// Sends a request and reads its answer. Returns the connection if it can be used further.
fn exchange(
    mut stream: BufReader<TcpStream>,
    request: &[u8],
) -> anyhow::Result<(Answer, Option<BufReader<TcpStream>>)> {
    stream.get_mut().write_all(request)?;
    let head = Head::read(&mut stream)?;
    let mut body = vec![0; head.body_bytes];
    stream.read_exact(&mut body)?;
    Ok((Answer { status: head.status, body }, head.is_kept.then_some(stream)))
}

struct Head {
    status: u16,
    body_bytes: usize,
    is_kept: bool,
}

impl Head {
    fn read(lines: &mut impl BufRead) -> anyhow::Result<Self> {
        let mut line = String::new();
        ensure!(lines.read_line(&mut line)? > 0, "the host closed the connection");
        let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.with_context(|| format!("no status in {line:?}"))?;
        let (mut body_bytes, mut is_kept) = (None, true);
        loop {
            line.clear();
            ensure!(lines.read_line(&mut line)? > 0, "the host closed the connection within a head");
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match (name.to_ascii_lowercase().as_str(), value.trim()) {
                ("content-length", length) => body_bytes = Some(length.parse()?),
                ("connection", value) => is_kept = !value.eq_ignore_ascii_case("close"),
                ("transfer-encoding", value) => bail!("an answer with transfer encoding {value} is not expected"),
                _ => {}
            }
        }
        Ok(Self { status, body_bytes: body_bytes.context("an answer without a length")?, is_kept })
    }
}

fn is_timeout(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_gives_status_length_and_whether_the_connection_stays() {
        let read = |text: &str| Head::read(&mut text.as_bytes());
        let head = read("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nconnection: close\r\n\r\n").unwrap();
        assert_eq!((head.status, head.body_bytes, head.is_kept), (503, 12, false));
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap().is_kept);
        assert!(read("HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn a_refusal_names_its_kind_and_limit() {
        let body = br#"{"type":"urn:polder:problem:host-busy","limit_name":"memory_bytes_max","detail":"5 of 4"}"#;
        assert_eq!(Answer { status: 503, body: body.to_vec() }.refusal(), "503 host-busy memory_bytes_max");
        assert_eq!(Answer { status: 502, body: Vec::new() }.refusal(), "502");
    }
}
