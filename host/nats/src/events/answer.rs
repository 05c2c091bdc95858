//! Reads JetStream's answer to a batch, and decides what follows from it.

use async_nats::Message;
use serde::Deserialize;

/// Error codes for a batch in the wrong place: another message came first, or a part of the batch is missing. Read the
/// end of the stream and send again.
const OUT_OF_PLACE: [u64; 4] = [10071, 10164, 10176, 10201];
/// Error code while the servers have no leader.
const NO_LEADER: u64 = 10008;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The last message of the batch is the stream's message of this sequence.
    Stored {
        sequence: u64,
    },
    OutOfPlace(String),
    /// A temporary problem.
    Passing(String),
    /// A problem that an operator must solve.
    Refused(String),
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(default)]
    seq: u64,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl Answer {
    pub(super) fn of(message: &Message) -> Self {
        match message.status {
            // No stream takes the subject.
            Some(_) => Self::OutOfPlace("no stream takes the events' subjects".to_owned()),
            None => Self::read(&message.payload),
        }
    }

    fn read(payload: &[u8]) -> Self {
        match serde_json::from_slice(payload) {
            Ok(Confirmation { error: None, seq }) if seq > 0 => Self::Stored { sequence: seq },
            Ok(Confirmation { error: Some(Refusal { err_code, description }), .. }) => {
                let problem = format!("{description} (error code {err_code})");
                match err_code {
                    NO_LEADER => Self::Passing(problem),
                    code if OUT_OF_PLACE.contains(&code) => Self::OutOfPlace(problem),
                    _ => Self::Refused(problem),
                }
            }
            _ => Self::Passing("the answer of JetStream cannot be read".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_determines_what_to_do_next() {
        let error = |code: u64| {
            format!(r#"{{"error":{{"code":503,"err_code":{code},"description":"x"}},"stream":"S","seq":0}}"#)
        };
        let read = |text: &str| Answer::read(text.as_bytes());
        assert_eq!(read(r#"{"stream":"S","seq":5,"batch":"b","count":2}"#), Answer::Stored { sequence: 5 });
        assert!(matches!(read(&error(10071)), Answer::OutOfPlace(_)));
        assert!(matches!(read(&error(10008)), Answer::Passing(_)));
        // Insufficient resources, maximum bytes: also status 503, but not temporary.
        for code in [10002, 10023, 10047, 10077] {
            assert!(matches!(read(&error(code)), Answer::Refused(_)), "{code}");
        }
        for text in ["", "{}", "[]", r#"{"status":"accepted","sequence":1}"#] {
            assert!(matches!(read(text), Answer::Passing(_)), "{text}");
        }
    }
}
