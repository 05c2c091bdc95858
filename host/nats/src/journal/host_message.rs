//! Headers of the messages between hosts. The mark of a request covers the host that it is for, its number and the
//! sender's time, so that a captured request is good for no other host and at no other time. The mark of an answer
//! covers the number of its request.

use async_nats::HeaderMap;

use super::secret::{Key, is_marked, mark};

/// Header with a mark that is made with the cluster's secret.
const MARK: &str = "Polder-Mark";
/// Header with the number of a request, which its sender chooses at random.
const NUMBER: &str = "Polder-Request";
/// Header with the time of a request by its sender's clock, in milliseconds since 1970.
const SENT: &str = "Polder-Sent";
/// Bytes that the headers of a message take at most.
pub(super) const HEADERS_BYTES_MAX: usize = 256;
const REQUEST: &[u8] = b"request";

/// What a request has beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestHead {
    pub(super) number: u64,
    pub(super) sent_ms: u64,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerKind {
    Answer,
    /// The host refuses the request, because it already remembers the maximum number of requests. The payload is the
    /// reason.
    Busy,
    /// The request is too old or too new by the host's clock. The payload is the reason.
    OtherTime,
}

impl AnswerKind {
    const ALL: [Self; 3] = [Self::Answer, Self::Busy, Self::OtherTime];

    fn name(self) -> &'static [u8] {
        match self {
            Self::Answer => b"answer",
            Self::Busy => b"busy",
            Self::OtherTime => b"other time",
        }
    }
}

impl RequestHead {
    pub(super) fn headers(&self, key: &Key, host: &str, payload: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(NUMBER, self.number.to_string());
        headers.insert(SENT, self.sent_ms.to_string());
        headers.insert(MARK, mark(key, &self.parts(host, &self.number_and_time(), payload)));
        headers
    }

    /// Returns `None` if no host of the cluster has sent this to `host`.
    pub(super) fn read(key: &Key, host: &str, headers: Option<&HeaderMap>, payload: &[u8]) -> Option<Self> {
        let headers = headers?;
        let head = Self {
            number: headers.get(NUMBER)?.as_str().parse().ok()?,
            sent_ms: headers.get(SENT)?.as_str().parse().ok()?,
        };
        let parts = head.number_and_time();
        is_marked(key, &head.parts(host, &parts, payload), headers.get(MARK)?.as_str()).then_some(head)
    }

    fn number_and_time(&self) -> [[u8; 8]; 2] {
        [self.number.to_le_bytes(), self.sent_ms.to_le_bytes()]
    }

    fn parts<'a>(&self, host: &'a str, [number, time]: &'a [[u8; 8]; 2], payload: &'a [u8]) -> [&'a [u8]; 5] {
        [REQUEST, host.as_bytes(), number, time, payload]
    }
}

/// The headers of the answer to the request of this number.
pub(super) fn answer_headers(key: &Key, kind: AnswerKind, number: u64, payload: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(MARK, mark(key, &[kind.name(), &number.to_le_bytes(), payload]));
    headers
}

/// Returns `None` if no host of the cluster has sent this as the answer to the request of this number.
pub(super) fn answer_kind(key: &Key, number: u64, headers: Option<&HeaderMap>, payload: &[u8]) -> Option<AnswerKind> {
    let given = headers?.get(MARK)?.as_str();
    let is_marked = |kind: &AnswerKind| is_marked(key, &[kind.name(), &number.to_le_bytes(), payload], given);
    AnswerKind::ALL.into_iter().find(is_marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [7; 32];
    const HEAD: RequestHead = RequestHead { number: u64::MAX, sent_ms: 1_796_000_000_000 };

    #[test]
    fn a_request_is_good_for_its_host_its_number_and_its_time() {
        let headers = HEAD.headers(&KEY, "one", b"suspend");
        let read =
            |host: &str, headers: &HeaderMap, payload: &[u8]| RequestHead::read(&KEY, host, Some(headers), payload);
        assert_eq!(read("one", &headers, b"suspend"), Some(HEAD));
        assert_eq!(read("two", &headers, b"suspend"), None);
        assert_eq!(read("one", &headers, b"resume"), None);
        assert_eq!(RequestHead::read(&[8; 32], "one", Some(&headers), b"suspend"), None);
        assert_eq!(RequestHead::read(&KEY, "one", None, b"suspend"), None);
        for (name, value) in [(NUMBER, "1"), (SENT, "1796000000001"), (SENT, "now"), (MARK, "")] {
            let mut changed = headers.clone();
            changed.insert(name, value);
            assert_eq!(read("one", &changed, b"suspend"), None, "{name}");
        }
    }

    #[test]
    fn an_answer_is_good_for_its_request() {
        for kind in AnswerKind::ALL {
            let headers = answer_headers(&KEY, kind, 7, b"done");
            assert_eq!(answer_kind(&KEY, 7, Some(&headers), b"done"), Some(kind));
            assert_eq!(answer_kind(&KEY, 8, Some(&headers), b"done"), None);
            assert_eq!(answer_kind(&KEY, 7, Some(&headers), b"not done"), None);
        }
        let request = HEAD.headers(&KEY, "one", b"done");
        assert_eq!(answer_kind(&KEY, HEAD.number, Some(&request), b"done"), None);
        assert_eq!(answer_kind(&KEY, 7, None, b"done"), None);
    }

    #[test]
    fn the_headers_are_short() {
        let headers = HEAD.headers(&KEY, "one", b"");
        let lines = headers.iter().flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| name.len() + value.as_str().len() + ": \r\n".len())
        });
        assert!(lines.sum::<usize>() + "NATS/1.0\r\n\r\n".len() <= HEADERS_BYTES_MAX);
    }
}
