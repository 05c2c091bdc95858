//! Generated logs in the form of a real office's log: columns, task names, and the rows of a case in order of time. The
//! same seed gives the same log.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::tz::Offset;
use polder_tests::Random;

pub(crate) const COLUMNS: [&str; 15] = [
    "case:channel",
    "case:concept:name",
    "case:deadline",
    "case:department",
    "case:enddate",
    "case:enddate_planned",
    "case:group",
    "case:responsible",
    "case:startdate",
    "concept:instance",
    "concept:name",
    "lifecycle:transition",
    "org:group",
    "org:resource",
    "time:timestamp",
];
const TASKS: [&str; 5] = [
    "T02 Check confirmation of receipt",
    "T04 Determine confirmation of receipt",
    "T05 Print and send confirmation of receipt",
    "T06 Determine necessity of stop advice",
    "T10 Determine necessity to stop indication",
];
/// 2010-10-01T00:00:00Z, and a span of 16 months.
const START_MS: u64 = 1_285_891_200_000;
const SPAN_MS: u64 = 41_472_000_000;
const HOUR_MS: u64 = 3_600_000;

pub(crate) struct OfficeLog {
    /// The cells of each row, in the order of `COLUMNS`.
    pub(crate) rows: Vec<[String; 15]>,
}

impl OfficeLog {
    pub(crate) fn generated(seed: u64, cases: u64) -> Self {
        let mut random = Random::seeded(seed);
        let rows = (0..cases).flat_map(|case| case_rows(case, &mut random)).collect();
        Self { rows }
    }

    pub(crate) fn csv(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS).expect("a header");
        for row in &self.rows {
            writer.write_record(row).expect("a row");
        }
        writer.into_inner().expect("nothing is left to write")
    }

    /// The log as XES, as process-mining tools write it: a trace per case, with its attributes without the prefix
    /// `case:`.
    pub(crate) fn xes(&self) -> Vec<u8> {
        let mut xes = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<log xes.version=\"1.0\">\n");
        for case in self.rows.chunk_by(|one, other| one[1] == other[1]) {
            xes += "  <trace>\n";
            attributes(&mut xes, "    ", &case[0], |column| column.strip_prefix("case:"));
            for row in case {
                xes += "    <event>\n";
                attributes(&mut xes, "      ", row, |column| (!column.starts_with("case:")).then_some(column));
                xes += "    </event>\n";
            }
            xes += "  </trace>\n";
        }
        (xes + "</log>\n").into_bytes()
    }
}

pub(crate) fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

pub(crate) fn written(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, bytes).expect("the log can be written");
    file
}

fn case_rows(case: u64, random: &mut Random) -> Vec<[String; 15]> {
    let received_ms = START_MS + random.below(SPAN_MS);
    let offset_hours = 1 + random.below(2) as i8;
    let time = |ms: u64| shown(ms, offset_hours);
    let channel = *random.one_of(&["Internet", "Desk", "Post", "e-mail", "Intern"]);
    let department = *random.one_of(&["General", "Customer contact", "Experts"]);
    let group = *random.one_of(&["", "Group 1", "Group 2", "EMPTY"]);
    let responsible = format!("Resource{:02}", random.below(12));
    let is_over = random.below(3) > 0;
    let tasks = random.below(8);
    let mut at_ms = received_ms;
    let mut rows = Vec::new();
    for number in 0..=tasks {
        let task = if number == 0 { "Confirmation of receipt" } else { random.one_of(&TASKS) };
        let resource = random.below(12);
        rows.push([
            channel.to_owned(),
            format!("case-{case}"),
            time(received_ms + 1_000 * HOUR_MS),
            department.to_owned(),
            if is_over { time(received_ms + 800 * HOUR_MS) } else { String::new() },
            time(received_ms + 900 * HOUR_MS),
            group.to_owned(),
            responsible.clone(),
            time(received_ms - HOUR_MS),
            format!("task-{case}-{number}"),
            task.to_owned(),
            String::from("complete"),
            format!("Group {}", 1 + resource % 4),
            format!("Resource{resource:02}"),
            time(at_ms),
        ]);
        // Sometimes two tasks have the same millisecond.
        at_ms += random.below(4) * random.below(20 * HOUR_MS);
    }
    rows
}

/// Writes a time as the real log does: `2011-10-11 13:45:40.276000+02:00`.
fn shown(ms: u64, offset_hours: i8) -> String {
    let at = Timestamp::from_millisecond(ms as i64).expect("a time of this century");
    let local = Offset::constant(offset_hours).to_datetime(at);
    format!("{} {}.{:03}000+{offset_hours:02}:00", local.date(), local.strftime("%H:%M:%S"), local.millisecond())
}

fn attributes(xes: &mut String, indent: &str, row: &[String; 15], key: impl Fn(&'static str) -> Option<&'static str>) {
    for (column, value) in COLUMNS.into_iter().zip(row) {
        // XES leaves empty attributes out.
        if let Some(key) = key(column).filter(|_| !value.is_empty()) {
            let kind = if column.contains("date") || column.contains("time") { "date" } else { "string" };
            *xes += &format!("{indent}<{kind} key=\"{key}\" value=\"{value}\"/>\n");
        }
    }
}
