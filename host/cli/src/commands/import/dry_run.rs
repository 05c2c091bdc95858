//! The dry run: reads every row, checks its command against the host's schemas, and counts. Sends nothing.

use std::collections::BTreeMap;
use std::fmt;

use polder_core::counted;
use polder_import::{Import, ReadError, Report, Schemas, Step};
use serde::Serialize;

use super::progress::Bar;

#[derive(Default, Serialize)]
pub(crate) struct Plan {
    /// Commands by name.
    commands: BTreeMap<String, u64>,
    /// Rows that the map leaves out.
    skipped: u64,
    /// Rows that would become no command.
    #[serde(flatten)]
    unreadable: Unreadable,
}

#[derive(Default)]
struct Unreadable(Report);

impl Serialize for Unreadable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("refused", &self.0.refused_count())?;
        map.serialize_entry("reasons", &self.0.reasons())?;
        map.end()
    }
}

pub(crate) fn read(rows: Import, schemas: &Schemas, bar: &Bar) -> Result<Plan, ReadError> {
    let mut plan = Plan::default();
    for step in rows {
        match step? {
            Step::Command(command) => match schemas.check(&command) {
                Ok(()) => *plan.commands.entry(command.name.to_string()).or_default() += 1,
                Err(refusal) => plan.unreadable.0.refused(command.line, &refusal),
            },
            Step::Skipped => plan.skipped += 1,
            Step::Refused { line, refusal } => plan.unreadable.0.refused(line, &refusal),
        }
        bar.show(&plan.unreadable.0);
    }
    Ok(plan)
}

impl Plan {
    pub(crate) fn refused_count(&self) -> u64 {
        self.unreadable.0.refused_count()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.commands.values().sum();
        write!(f, "{} would be sent", counted(total, "command"))?;
        for (name, count) in &self.commands {
            write!(f, "\n  {count} {name}")?;
        }
        if self.skipped > 0 {
            write!(f, "\n{} skipped", self.skipped)?;
        }
        let refused = self.refused_count();
        write!(f, "\n{} refused", counted(refused, "row"))?;
        for reason in self.unreadable.0.reasons() {
            let lines: Vec<String> = reason.lines.iter().map(u64::to_string).collect();
            let noun = if lines.len() == 1 { "line" } else { "lines" };
            write!(f, "\n  {} × {} ({noun} {}): {}", reason.count, reason.reason, lines.join(", "), reason.detail)?;
        }
        Ok(())
    }
}
