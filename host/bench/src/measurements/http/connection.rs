//! One kept connection that sends commands and reads acknowledgements. It implements only what HTTP/1.1 needs, because
//! the callers share the machine with the host.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use polder_core::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

pub(super) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, request: Vec::new(), answer: Vec::new() })
    }

    /// Sends a command, and returns once it is accepted.
    pub(super) async fn send(&mut self, command: &Command) -> anyhow::Result<()> {
        self.request.clear();
        write(&mut self.request, self.address, command)?;
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        let head_bytes = loop {
            self.read().await?;
            if let Some(end) = self.answer.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD) {
                break end + END_OF_HEAD.len();
            }
        };
        let body_bytes = body_bytes(&self.answer[..head_bytes])?;
        while self.answer.len() < head_bytes + body_bytes {
            self.read().await?;
        }
        if !self.answer.starts_with(b"HTTP/1.1 200 ") {
            bail!("the host answered: {}", String::from_utf8_lossy(&self.answer));
        }
        Ok(())
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the host closed the connection");
        Ok(())
    }
}

fn write(request: &mut Vec<u8>, host: SocketAddr, command: &Command) -> std::io::Result<()> {
    use std::io::Write as _;
    let Command { tenant, domain, aggregate, aggregate_id, name, payload, .. } = command;
    write!(request, "POST /v1/{tenant}/{domain}/{aggregate}/{aggregate_id}/{name} HTTP/1.1\r\nhost: {host}\r\n")?;
    if let Some(id) = &command.id {
        write!(request, "idempotency-key: {id}\r\n")?;
    }
    write!(request, "content-type: application/json\r\ncontent-length: {}\r\n\r\n", payload.len())?;
    request.extend_from_slice(payload);
    Ok(())
}

fn body_bytes(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head).context("a head that is no text")?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.with_context(|| format!("an answer without a length: {head}"))?.1.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_found_however_it_is_written() {
        assert_eq!(body_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").unwrap(), 12);
        assert!(body_bytes(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err().to_string().contains("without a length"));
    }
}
