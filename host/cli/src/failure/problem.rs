//! Reads a host's problem documents (RFC 9457) and formats them for people.

use std::fmt;

use serde_json::Value;

use crate::text::verdict;

/// Prefix of the type of every problem that a host reports.
const KIND_PREFIX: &str = "urn:polder:problem:";

#[derive(Debug)]
pub(crate) struct Problem {
    status: u16,
    document: Value,
    /// Pause before a retry that the host asked for, in seconds.
    retry_after_s: Option<u64>,
}

impl Problem {
    /// `body` is the body of the answer. If it is no problem document, it becomes the detail of a new one, so that
    /// nothing is lost.
    pub(crate) fn new(status: u16, body: &[u8], retry_after_s: Option<u64>) -> Self {
        let document = serde_json::from_slice(body)
            .ok()
            .filter(|document: &Value| document.get("type").is_some())
            .unwrap_or_else(|| {
                let said = String::from_utf8_lossy(body);
                serde_json::json!({ "type": "about:blank", "status": status, "detail": said.trim() })
            });
        Self { status, document, retry_after_s }
    }

    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// Returns the last part of the type, such as `sequence-conflict`. It is empty if the answer was no problem
    /// document of a host.
    pub(crate) fn kind(&self) -> &str {
        self.document["type"].as_str().and_then(|kind| kind.strip_prefix(KIND_PREFIX)).unwrap_or_default()
    }

    /// Whether a retry may succeed: nothing was wrong with the request.
    pub(crate) fn is_temporary(&self) -> bool {
        self.status == 429 || self.status == 503 || self.kind() == "outcome-unknown"
    }

    /// Whether the request itself was wrong, so that an unchanged retry is useless.
    pub(crate) fn is_callers_fault(&self) -> bool {
        (400..500).contains(&self.status)
    }

    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.document["detail"].as_str().filter(|detail| !detail.is_empty()) {
            Some(detail) => f.write_str(detail)?,
            None => write!(f, "the host answered with status {}", self.status)?,
        }
        if let Some(verdict) = verdict::read(&self.document["verdict"]) {
            f.write_str(&verdict::differences(&verdict))?;
        }
        match self.kind() {
            "sequence-conflict" => f.write_str(" (read its state again and decide anew)"),
            "busy" => f.write_str(" (wait a little and repeat)"),
            "not-authenticated" => f.write_str(
                " (set POLDER_TOKEN or --token to a token that the operator made with `polder token issue`)",
            ),
            "outcome-unknown" => match self.document["command_id"].as_str() {
                Some(id) => write!(f, " (its id is {id})"),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_shown_by_its_detail() {
        let problem =
            Problem::new(404, br#"{"type":"urn:polder:problem:unknown-command","detail":"no command x"}"#, None);
        assert_eq!(problem.kind(), "unknown-command");
        assert_eq!(problem.to_string(), "no command x");
        assert!(!problem.is_temporary());
    }

    #[test]
    fn an_answer_of_another_kind_is_kept() {
        let problem = Problem::new(502, b"<html>bad gateway</html>\n", None);
        assert_eq!((problem.kind(), problem.to_string().as_str()), ("", "<html>bad gateway</html>"));
        let rejection = br#"{"status":"rejected"}"#;
        assert_eq!(Problem::new(422, rejection, None).kind(), "");
        assert_eq!(Problem::new(503, b"", Some(1)).to_string(), "the host answered with status 503");
    }
}
