//! Generates the log of a permit office in the form of a real one: one row per completed task, with the rows of a case
//! together and in order of time. The same seed gives the same bytes on every machine.

use std::io::{Result, Write};

pub(super) const ROWS: u64 = 100_000;

const HEADER: &str = "case:channel,case:concept:name,case:deadline,case:department,case:enddate,case:enddate_planned,\
    case:group,case:responsible,case:startdate,concept:instance,concept:name,lifecycle:transition,org:group,org:resource,\
    time:timestamp";
const RECEIPT: &str = "Confirmation of receipt";
/// The usual path of a case after its receipt; some cases stop early, and some take a detour.
const PATH: [&str; 5] = [
    "T02 Check confirmation of receipt",
    "T04 Determine confirmation of receipt",
    "T05 Print and send confirmation of receipt",
    "T06 Determine necessity of stop advice",
    "T10 Determine necessity to stop indication",
];
const DETOURS: [&str; 4] = [
    "T03 Adjust confirmation of receipt",
    "T07-1 Draft intern advice aspect 1",
    "T08 Draft and send request for advice",
    "T09-1 Process or receive external advice from party 1",
];
const CHANNELS: [&str; 8] = ["Internet", "Internet", "Internet", "Internet", "Internet", "Desk", "Post", "e-mail"];
const DEPARTMENTS: [&str; 8] =
    ["General", "General", "General", "General", "General", "General", "Experts", "Customer contact"];
const GROUPS: [&str; 4] = ["", "Group 2", "Group 5", "Group 8"];
/// 2010-10-01, in days since 1970.
const FIRST_DAY: u64 = 14_883;
const DAYS: u64 = 470;
const DAY_MS: u64 = 86_400_000;

/// Writes a header and exactly `rows` rows.
pub(super) fn write(seed: u64, rows: u64, out: &mut impl Write) -> Result<()> {
    let mut random = Random(seed);
    writeln!(out, "{HEADER}")?;
    let (mut written, mut case) = (0, 10_000);
    while written < rows {
        case += 1;
        written += write_case(&mut random, case, written, rows - written, out)?;
    }
    Ok(())
}

/// Returns the number of rows that the case took, at most `rows_max`.
fn write_case(random: &mut Random, case: u64, first: u64, rows_max: u64, out: &mut impl Write) -> Result<u64> {
    let tasks = tasks(random);
    let rows = rows_max.min(tasks.len() as u64);
    let start = (FIRST_DAY + random.below(DAYS)) * DAY_MS + random.below(DAY_MS);
    let deadline = time(start + 56 * DAY_MS);
    let end = if random.below(12) == 0 { String::new() } else { time(start + (1 + random.below(60)) * DAY_MS) };
    let (channel, department, group) = (random.one_of(&CHANNELS), random.one_of(&DEPARTMENTS), random.one_of(&GROUPS));
    let responsible = resource(random);
    let mut at = start;
    for (index, task) in (0..rows).zip(tasks) {
        at += 60_000 + random.below(2 * DAY_MS);
        let (worker, worker_group, instance) = (resource(random), 1 + random.below(10), first + index + 1);
        writeln!(
            out,
            "{channel},case-{case},{deadline},{department},{end},{deadline},{group},{responsible},{},task-{instance},{task},\
             complete,Group {worker_group},{worker},{}",
            time(start),
            time(at),
        )?;
    }
    Ok(rows)
}

fn tasks(random: &mut Random) -> Vec<&'static str> {
    let mut tasks = vec![RECEIPT];
    if random.below(12) != 0 {
        tasks.extend(PATH);
    }
    while random.below(4) == 0 {
        tasks.push(random.one_of(&DETOURS));
    }
    tasks
}

fn resource(random: &mut Random) -> String {
    format!("Resource{:02}", 1 + random.below(48))
}

/// Writes a time like `2011-10-11 13:45:40.276000+01:00`, with the same offset in winter and summer.
fn time(at_ms: u64) -> String {
    let (year, month, day) = date(at_ms / DAY_MS);
    let (hours, minutes) = (at_ms / 3_600_000 % 24, at_ms / 60_000 % 60);
    let (seconds, ms) = (at_ms / 1_000 % 60, at_ms % 1_000);
    format!("{year}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{ms:03}000+01:00")
}

/// The date of a day since 1970, by Howard Hinnant's algorithm: its years begin in March, so that leap days come last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// SplitMix64: a few lines, and good enough for a generated office.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_of(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rows(seed: u64, count: u64) -> Vec<Vec<String>> {
        let mut bytes = Vec::new();
        write(seed, count, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn the_log_has_the_form_of_the_real_one() {
        let columns = HEADER.split(',').count();
        let rows = rows(7, 2_000);
        assert_eq!((rows.len(), columns), (2_000, 15));
        let (mut cases, mut instances, mut last) = (BTreeSet::new(), BTreeSet::new(), None::<(String, String)>);
        for row in &rows {
            assert_eq!(row.len(), columns, "{row:?}");
            assert!(instances.insert(row[9].clone()), "{row:?}");
            match &last {
                Some((case, at)) if *case == row[1] => assert!(row[14] > *at && row[10] != RECEIPT, "{row:?}"),
                _ => assert!(cases.insert(row[1].clone()) && row[10] == RECEIPT, "{row:?}"),
            }
            last = Some((row[1].clone(), row[14].clone()));
        }
        assert!(cases.len() > 200, "{}", cases.len());
    }

    #[test]
    fn a_seed_is_a_log() {
        assert_eq!(rows(7, 100), rows(7, 100));
        assert_ne!(rows(7, 100), rows(8, 100));
    }

    #[test]
    fn times_are_written_as_the_office_does() {
        assert_eq!(time(FIRST_DAY * DAY_MS), "2010-10-01 00:00:00.000000+01:00");
        assert_eq!(time(1_330_516_799_999), "2012-02-29 11:59:59.999000+01:00");
        assert_eq!((date(0), date(15_399)), ((1970, 1, 1), (2012, 2, 29)));
    }
}
