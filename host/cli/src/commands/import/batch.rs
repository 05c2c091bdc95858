//! Writes commands as the lines of a batch, and reads what the host's answer to a line means for its row.

use polder_core::{CommandAck, CommandStatus};
use polder_import::{PlannedCommand, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::failure::problem::Problem;

/// Problems that every other row would meet as well.
const FATAL: [&str; 6] =
    ["unknown-tenant", "unknown-domain", "unknown-aggregate", "unknown-route", "not-authenticated", "storage-failed"];

/// Outcome of a row that was sent.
pub(crate) enum Delivered {
    Acknowledged(CommandAck),
    Refused(Refusal),
    /// The row was refused in an earlier import, with other content.
    RefusedBefore(Refusal),
}

/// One row of the file.
pub(crate) enum Row {
    Sent { line: u64, delivered: Delivered },
    Unreadable { line: u64, refusal: Refusal },
    Skipped,
}

/// One line of the host's answer.
pub(crate) enum Answer {
    /// The outcome of the line with this number, counted from 1.
    Final { line: u64, delivered: Delivered },
    /// The line, and perhaps later ones, can be sent again.
    Later(Problem),
}

#[derive(Serialize)]
struct Line<'a> {
    address: String,
    command_id: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retry_rejected: bool,
    payload: &'a RawValue,
}

#[derive(Deserialize)]
struct Head {
    /// Missing if the answer ended early.
    line: Option<u64>,
    /// The type of a problem. An acknowledgement has none.
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    status: serde_json::Value,
}

/// Appends the line of a command.
pub(crate) fn append(body: &mut Vec<u8>, command: &PlannedCommand, retry_refused: bool) -> Result<(), Failure> {
    let PlannedCommand { domain, aggregate, aggregate_id, name, .. } = command;
    let line = Line {
        address: format!("{domain}/{aggregate}/{aggregate_id}/{name}"),
        command_id: command.id.as_str(),
        retry_rejected: retry_refused,
        payload: serde_json::from_str(&command.payload)?,
    };
    serde_json::to_writer(&mut *body, &line)?;
    body.push(b'\n');
    Ok(())
}

/// Reads one line of the host's answer.
///
/// # Errors
/// Fails if no further row can be sent either: the host does not know what the map names, or its answer is not
/// understood.
pub(crate) fn read(answer: &[u8]) -> Result<Answer, Failure> {
    let not_understood = |error: serde_json::Error| {
        anyhow::anyhow!("the host's answer cannot be understood ({error}): is it a polder host of this version?")
    };
    let head: Head = serde_json::from_slice(answer).map_err(not_understood)?;
    let (Some(line), None) = (head.line, &head.r#type) else {
        return judge(head.line, Problem::new(status(&head), answer, None));
    };
    let acknowledgement = serde_json::from_slice(answer).map_err(not_understood)?;
    Ok(Answer::Final { line, delivered: Delivered::Acknowledged(acknowledgement) })
}

fn status(head: &Head) -> u16 {
    head.status.as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default()
}

fn judge(line: Option<u64>, problem: Problem) -> Result<Answer, Failure> {
    if problem.is_temporary() {
        return Ok(Answer::Later(problem));
    }
    let Some(line) = line.filter(|_| !FATAL.contains(&problem.kind())) else {
        return Err(Failure::Problem(Box::new(problem)));
    };
    let (kind, detail) = (problem.kind(), problem.to_string());
    let delivered = match (kind, problem.document()["recorded"].as_str()) {
        ("id-reused", Some("rejected")) => {
            let detail = "a row with this key and another content was refused then";
            Delivered::RefusedBefore(Refusal::new("refused before, with another content", detail))
        }
        ("id-reused", _) => {
            let detail = "a row with this key and another content is in the history; it is not changed";
            Delivered::Refused(Refusal::new("accepted before, with another content", detail))
        }
        _ => Delivered::Refused(Refusal::new(kind, detail)),
    };
    Ok(Answer::Final { line, delivered })
}

/// The refusal to report if the domain rejected the command.
pub(crate) fn rejection(acknowledgement: &CommandAck) -> Option<Refusal> {
    if acknowledgement.status != CommandStatus::Rejected {
        return None;
    }
    let reason = acknowledgement.reason.as_ref();
    Some(reason.map_or_else(
        || Refusal::new("rejected without a reason", ""),
        |reason| Refusal::new(reason.code.as_str(), reason.message.as_str()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(payload: &str) -> PlannedCommand {
        PlannedCommand {
            line: 2,
            domain: "d".parse().unwrap(),
            aggregate: "a".parse().unwrap(),
            aggregate_id: "1".parse().unwrap(),
            name: "go".parse().unwrap(),
            id: "k\"1".parse().unwrap(),
            payload: payload.to_owned(),
        }
    }

    #[test]
    fn a_command_is_one_line() {
        let mut body = Vec::new();
        append(&mut body, &command(r#"{"x":1.10}"#), false).ok().unwrap();
        append(&mut body, &command("{}"), true).ok().unwrap();
        let wanted = "{\"address\":\"d/a/1/go\",\"command_id\":\"k\\\"1\",\"payload\":{\"x\":1.10}}\n\
                      {\"address\":\"d/a/1/go\",\"command_id\":\"k\\\"1\",\"retry_rejected\":true,\"payload\":{}}\n";
        assert_eq!(String::from_utf8(body).unwrap(), wanted);
    }

    #[test]
    fn answers_are_final_or_for_later_or_end_the_import() {
        let read = |line: &str| match read(line.as_bytes()) {
            Ok(Answer::Final { line, delivered: Delivered::Acknowledged(_) }) => format!("{line} acknowledged"),
            Ok(Answer::Final { line, delivered: Delivered::Refused(refusal) }) => {
                format!("{line} refused: {}", refusal.reason)
            }
            Ok(Answer::Final { line, delivered: Delivered::RefusedBefore(_) }) => format!("{line} refused before"),
            Ok(Answer::Later(problem)) => format!("later: {}", problem.kind()),
            Err(_) => String::from("ended"),
        };
        let problem = |line: &str, kind: &str, status: u16, more: &str| {
            format!("{{{line}\"type\":\"urn:polder:problem:{kind}\",\"status\":{status},\"detail\":\"x\"{more}}}")
        };
        let ack = r#"{"line":3,"status":"accepted","command_id":"c","aggregate_id":"a","sequence":1,"position":2,"correlation_id":"c","stream_subject":"s"}"#;
        assert_eq!(read(ack), "3 acknowledged");
        assert_eq!(read(&problem("\"line\":3,", "unknown-command", 404, "")), "3 refused: unknown-command");
        let before = problem("\"line\":3,", "id-reused", 422, ",\"recorded\":\"rejected\"");
        assert_eq!(read(&before), "3 refused before");
        let accepted = problem("\"line\":3,", "id-reused", 422, ",\"recorded\":\"accepted\"");
        assert_eq!(read(&accepted), "3 refused: accepted before, with another content");
        assert_eq!(read(&problem("\"line\":3,", "busy", 429, "")), "later: busy");
        assert_eq!(read(&problem("\"lines_taken\":3,", "shutting-down", 503, "")), "later: shutting-down");
        assert_eq!(read(&problem("\"lines_taken\":3,", "bad-body", 400, "")), "ended");
        assert_eq!(read(&problem("\"line\":3,", "unknown-domain", 404, "")), "ended");
        assert_eq!(read("<html>"), "ended");
    }
}
