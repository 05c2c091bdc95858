//! Reads a host's counters from `/metrics`, with the little HTTP that this needs.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};

pub(super) struct Metrics(BTreeMap<String, u64>);

impl Metrics {
    pub(super) fn read(address: &str) -> Result<Self> {
        let place = address.strip_prefix("http://").unwrap_or(address);
        let mut stream = TcpStream::connect(place).with_context(|| format!("no host answers at {place}"))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("cannot read /metrics")?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "/metrics answered {:?}", answer.lines().next());
        Ok(Self::parse(&answer))
    }

    /// The counter with this full name, labels included.
    pub(super) fn get(&self, name: &str) -> Result<u64> {
        self.0.get(name).copied().with_context(|| format!("the host counts no {name}"))
    }

    /// Ignores lines of another form, such as headers.
    fn parse(text: &str) -> Self {
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_among_other_lines() {
        let metrics = Metrics::parse(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n# HELP a_total 7\na_total{status=\"x y\"} 12\nb 3\n",
        );
        assert_eq!((metrics.get("a_total{status=\"x y\"}").unwrap(), metrics.get("b").unwrap()), (12, 3));
        assert!(metrics.get("c").unwrap_err().to_string().contains("counts no c"));
    }
}
