//! Report of an import: counts, and the refused rows by reason with their lines. Its size is bounded, whatever the file
//! holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::refusal::Refusal;

/// Lines kept for each reason; the lowest ones are kept.
const LINES_SHOWN_MAX: usize = 20;
/// Reasons kept apart; rows with further reasons are counted together.
const REASONS_MAX: usize = 50;
const FURTHER_REASONS: &str = "other reasons";

#[derive(Debug, Default, Clone)]
pub struct Report {
    accepted: u64,
    already_handled: u64,
    refused: u64,
    /// Number of refused rows that an earlier import refused already.
    refused_before: u64,
    skipped: u64,
    reasons: BTreeMap<String, Refused>,
}

#[derive(Debug, Default, Clone)]
struct Refused {
    count: u64,
    /// A sorted set, because answers may arrive in another order than the rows were sent.
    lines: BTreeSet<u64>,
    /// Detail of the lowest line.
    detail: String,
}

/// One reason and its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedReason {
    pub reason: String,
    pub count: u64,
    /// The lowest lines, in order.
    pub lines: Vec<u64>,
    /// Detail of the lowest line.
    pub detail: String,
}

impl Report {
    pub fn accepted(&mut self) {
        self.accepted += 1;
    }

    pub fn already_handled(&mut self) {
        self.already_handled += 1;
    }

    pub fn skipped(&mut self) {
        self.skipped += 1;
    }

    /// Counts a row that the host refused in an earlier import, so that this import got no new decision.
    pub fn refused_before(&mut self, line: u64, refusal: &Refusal) {
        self.refused_before += 1;
        self.refused(line, refusal);
    }

    pub fn refused(&mut self, line: u64, refusal: &Refusal) {
        self.refused += 1;
        let is_known = self.reasons.contains_key(&refusal.reason) || self.reasons.len() < REASONS_MAX;
        let reason = if is_known { refusal.reason.clone() } else { String::from(FURTHER_REASONS) };
        let refused = self.reasons.entry(reason).or_default();
        refused.count += 1;
        if refused.lines.first().is_none_or(|first| line < *first) {
            refused.detail = if is_known { refusal.detail.clone() } else { refusal.to_string() };
        }
        refused.lines.insert(line);
        if refused.lines.len() > LINES_SHOWN_MAX {
            refused.lines.pop_last();
        }
    }

    pub fn accepted_count(&self) -> u64 {
        self.accepted
    }

    pub fn already_handled_count(&self) -> u64 {
        self.already_handled
    }

    pub fn refused_count(&self) -> u64 {
        self.refused
    }

    pub fn skipped_count(&self) -> u64 {
        self.skipped
    }

    /// Reasons, the most frequent first.
    pub fn reasons(&self) -> Vec<ReportedReason> {
        let reported = |(reason, refused): (&String, &Refused)| ReportedReason {
            reason: reason.clone(),
            count: refused.count,
            lines: refused.lines.iter().copied().collect(),
            detail: refused.detail.clone(),
        };
        let mut reasons: Vec<ReportedReason> = self.reasons.iter().map(reported).collect();
        reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        reasons
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted, {} already handled, {} refused", self.accepted, self.already_handled, self.refused)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        if self.refused_before > 0 {
            let count = self.refused_before;
            write!(f, "\n  {count} of them were refused before: --retry-refused has them decided again")?;
        }
        for reason in self.reasons() {
            let lines: Vec<String> = reason.lines.iter().map(u64::to_string).collect();
            let more = if reason.count > lines.len() as u64 { ", …" } else { "" };
            let noun = if lines.len() == 1 && more.is_empty() { "line" } else { "lines" };
            write!(f, "\n  {} refused: {} ({noun} {}{more})", reason.count, reason.reason, lines.join(", "))?;
            if !reason.detail.is_empty() {
                write!(f, "\n    line {}: {}", lines.first().map_or("?", String::as_str), reason.detail)?;
            }
        }
        Ok(())
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 6)?;
        report.serialize_field("accepted", &self.accepted)?;
        report.serialize_field("already_handled", &self.already_handled)?;
        report.serialize_field("refused", &self.refused)?;
        report.serialize_field("refused_before", &self.refused_before)?;
        report.serialize_field("skipped", &self.skipped)?;
        report.serialize_field("reasons", &self.reasons())?;
        report.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_grouped_by_reason_with_their_first_lines() {
        let mut report = Report::default();
        report.accepted();
        report.already_handled();
        // Answers do not arrive in the order of the file.
        for line in (2..=40).rev() {
            report.refused(line, &Refusal::new("bad time", format!("on {line}")));
        }
        report.refused(7, &Refusal::new("empty key", ""));
        assert_eq!(
            report.to_string(),
            "1 accepted, 1 already handled, 40 refused\n  \
             39 refused: bad time (lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, …)\n    \
             line 2: on 2\n  \
             1 refused: empty key (line 7)"
        );
    }

    #[test]
    fn endless_reasons_stay_bounded() {
        let mut report = Report::default();
        for line in 1..=1_000 {
            report.refused(line, &Refusal::new(format!("reason {line}"), ""));
        }
        let reasons = report.reasons();
        assert_eq!(reasons.len(), REASONS_MAX + 1);
        assert_eq!((reasons[0].reason.as_str(), reasons[0].count), (FURTHER_REASONS, 950));
        assert_eq!(reasons.iter().map(|reason| reason.count).sum::<u64>(), report.refused_count());
        assert_eq!(reasons[0].detail, "reason 51");
    }

    #[test]
    fn programs_read_the_same() {
        let mut report = Report::default();
        report.accepted();
        report.skipped();
        report.refused_before(3, &Refusal::new("bad time", "\"soon\""));
        let wanted = serde_json::json!({
            "accepted": 1, "already_handled": 0, "refused": 1, "refused_before": 1, "skipped": 1,
            "reasons": [{ "reason": "bad time", "count": 1, "lines": [3], "detail": "\"soon\"" }],
        });
        assert_eq!(serde_json::to_value(&report).unwrap(), wanted);
        assert_eq!(
            report.to_string(),
            "1 accepted, 0 already handled, 1 refused, 1 skipped\n  \
             1 of them were refused before: --retry-refused has them decided again\n  \
             1 refused: bad time (line 3)\n    line 3: \"soon\""
        );
    }
}
