//! Writes the answers to the lines of a batch. An answer is the acknowledgement or problem document of a single
//! command, with the number of its line as the first member.

use bytes::Bytes;
use polder_core::CommandAck;
use serde::Serialize;

use crate::wire::problem::Problem;

/// Appends `value` as a line, with `member` as its first member. `value` must be an object that is not empty.
fn append(text: &mut Vec<u8>, member: &str, number: u64, value: &impl Serialize) {
    text.extend_from_slice(format!("{{\"{member}\":{number}").as_bytes());
    let brace = text.len();
    serde_json::to_writer(&mut *text, value).expect("answers have string keys only, and so always serialize");
    text[brace] = b',';
    text.push(b'\n');
}

pub(crate) fn append_ack(text: &mut Vec<u8>, line: u64, acknowledgement: &CommandAck) {
    append(text, "line", line, acknowledgement);
}

pub(crate) fn append_problem(text: &mut Vec<u8>, line: u64, problem: &Problem) {
    append(text, "line", line, &problem.document());
}

/// Appends the last answer of a batch that ended early. Each line up to `lines_taken` has its own answer; no line after
/// it was taken.
pub(crate) fn append_early_end(text: &mut Vec<u8>, lines_taken: u64, problem: &Problem) {
    append(text, "lines_taken", lines_taken, &problem.document());
}

pub(crate) fn is_early_end(line: &[u8]) -> bool {
    line.starts_with(b"{\"lines_taken\":")
}

/// The short form of an answer that is too long to be sent. The command was handled as `status` shows; sending it again
/// under the same id returns the full answer.
#[derive(Serialize)]
pub(crate) struct Shortened<'a> {
    status: &'a serde_json::Value,
    shortened: bool,
}

/// Replaces the answer that was appended at `start` by its short form.
pub(crate) fn shorten(text: &mut Vec<u8>, start: usize, line: u64) {
    let whole: serde_json::Value = serde_json::from_slice(&text[start..]).unwrap_or_default();
    text.truncate(start);
    append(text, "line", line, &Shortened { status: &whole["status"], shortened: true });
}

pub(crate) fn taken(text: &mut Vec<u8>) -> Bytes {
    Bytes::from(std::mem::take(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http_status;

    #[test]
    fn answers_begin_with_their_line() {
        let acknowledgement = serde_json::json!({ "status": "accepted", "command_id": "c", "aggregate_id": "a", "sequence": 1,
            "position": 2, "correlation_id": "c", "stream_subject": "main.d.a.>" });
        let ack: CommandAck = serde_json::from_value(acknowledgement).unwrap();
        let mut text = Vec::new();
        append_ack(&mut text, 7, &ack);
        let second = text.len();
        append_problem(&mut text, 8, &Problem::new(&http_status::BAD_LINE, "no \"address\""));
        append_early_end(&mut text, 8, &Problem::new(&http_status::SHUTTING_DOWN, "bye"));
        let lines: Vec<serde_json::Value> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(
            (&lines[0]["line"], &lines[0]["status"], &lines[0]["position"]),
            (&7.into(), &"accepted".into(), &2.into())
        );
        assert_eq!((&lines[1]["line"], &lines[1]["type"]), (&8.into(), &"urn:polder:problem:bad-line".into()));
        assert_eq!((&lines[2]["lines_taken"], &lines[2]["status"]), (&8.into(), &503.into()));
        text.truncate(text[..].iter().rposition(|byte| *byte == b'{').unwrap());
        shorten(&mut text, second, 8);
        assert_eq!(&text[second..], b"{\"line\":8,\"status\":400,\"shortened\":true}\n");
    }
}
