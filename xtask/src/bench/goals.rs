//! The performance goals of the host, and whether this run reached them. Each figure comes with its floor from the same
//! run.

use serde_json::Value;

use super::programs::{COMMANDS, GROWTH, HTTP, NATS, ONE, REBUILD, START_LARGE, TENANTS};
use super::results::Results;

#[derive(Debug)]
pub(super) struct Goal {
    pub(super) what: &'static str,
    pub(super) found: String,
    /// The figure to compare with.
    pub(super) beside: String,
    pub(super) wanted: String,
    /// None when it was not measured.
    pub(super) is_met: Option<bool>,
}

pub(super) fn goals(results: &Results) -> Vec<Goal> {
    [commands(results), nats(results), lone_and_hot(results), stores(results)].into_iter().flatten().collect()
}

fn commands(results: &Results) -> Vec<Goal> {
    let commands = results.number(COMMANDS, "/component/commands_per_second");
    let raw = results.number(COMMANDS, "/raw_floor/records_per_second");
    let tephra = results.peer_per_second("tephra", Some(256));
    let postgres = [results.peer_per_second("cqrs-es", None), results.peer_per_second("disintegrate", None)];
    let postgres = postgres.into_iter().flatten().reduce(f64::max);
    let http = best(results.runs(HTTP), "/host/commands_per_second");
    vec![
        Goal::at_least("durable commands/s, 256 in flight", commands, 300_000.0)
            .beside("bare disk, as many records per sync", raw),
        Goal::at_least("… ÷ tephra's bare appends/s at 256 threads", quotient(commands, tephra), 2.0)
            .beside("tephra", tephra),
        Goal::at_least("… ÷ the best PostgreSQL peer's commands/s", quotient(commands, postgres), 20.0)
            .beside("best of them", postgres),
        Goal::at_least("… ÷ native rules in the same pipeline", results.number(COMMANDS, "/share_of_native"), 0.7)
            .beside("native", results.number(COMMANDS, "/native_floor/commands_per_second")),
        Goal::at_least("commands/s over HTTP", http, 60_000.0)
            .beside("bare answering", best(results.runs(HTTP), "/echo_floor/commands_per_second")),
    ]
}

fn nats(results: &Results) -> Vec<Goal> {
    let nats = |pointer: &str| results.run(NATS, "in_flight", 256)?.pointer(pointer)?.as_f64();
    vec![
        Goal::at_least(
            "commands/s by NATS request-reply, 256 in flight",
            nats("/commands/commands_per_second"),
            60_000.0,
        )
        .beside("bare echo", nats("/echo_floor/commands_per_second")),
        Goal::at_least("… ÷ the bare echo", nats("/share_of_echo"), 0.4)
            .beside("an echo that publishes", nats("/publishing_echo_floor/commands_per_second")),
        Goal::at_least(
            "events/s published from a backlog ÷ a plain JetStream publisher's",
            results.number(NATS, "/share_of_plain"),
            0.6,
        )
        .beside("plain", results.number(NATS, "/plain_events_per_second")),
    ]
}

/// One caller alone, one hot aggregate, and views that are rebuilt.
fn lone_and_hot(results: &Results) -> Vec<Goal> {
    let sync = |rank: &str| results.number(COMMANDS, &format!("/raw_floor/sync/{rank}"));
    let alone = |rank: &str| results.number(COMMANDS, &format!("/one_caller/{rank}"));
    let one = best(results.runs(ONE), "/component/commands_per_second");
    vec![
        Goal::at_most("one caller alone ÷ one sync, p50", quotient(alone("p50_us"), sync("p50_us")), 1.25)
            .beside("sync, µs", sync("p50_us")),
        Goal::at_most("one caller alone ÷ one sync, p99.9", quotient(alone("p999_us"), sync("p999_us")), 3.0)
            .beside("sync, µs", sync("p999_us")),
        Goal::at_least("commands/s on one hot aggregate, 256 in flight", one, 150_000.0)
            .beside("native", best(results.runs(ONE), "/native_floor/commands_per_second")),
        Goal::at_least("events/s when views are rebuilt", results.number(REBUILD, "/events_folded_per_second"), 1e6),
    ]
}

/// Full stores, restarts, bytes and idle tenants.
fn stores(results: &Results) -> Vec<Goal> {
    let slowest_start = results.polder.get(START_LARGE).and_then(|report| report["killed_ms"].as_array());
    let slowest_start = slowest_start.and_then(|times| times.iter().filter_map(Value::as_f64).reduce(f64::max));
    vec![
        Goal::at_least("throughput, full store ÷ empty", results.number(GROWTH, "/full_per_empty"), 0.8)
            .beside("empty", results.number(GROWTH, "/empty_per_second")),
        Goal::at_most("ready after SIGKILL, 10 million events, ms", slowest_start, 3_000.0),
        Goal::at_most(
            "bytes written per byte of payload",
            results.number(COMMANDS, "/written/written_per_payload_byte"),
            2.5,
        )
        .beside("per byte of journal", results.number(COMMANDS, "/written/written_per_journal_byte")),
        Goal::at_most(
            "KB of an idle tenant of 1,000",
            results.number(TENANTS, "/resident_bytes_per_tenant").map(|bytes| bytes / 1e3),
            40.0,
        ),
        Goal::at_most(
            "% of a core with 1,000 idle tenants",
            results.number(TENANTS, "/idle_cpu_share").map(|share| share * 100.0),
            1.0,
        ),
    ]
}

impl Goal {
    fn at_least(what: &'static str, found: Option<f64>, wanted: f64) -> Self {
        let is_met = found.map(|found| found >= wanted);
        Self { what, found: shown(found), beside: String::new(), wanted: format!("≥ {}", number(wanted)), is_met }
    }

    fn at_most(what: &'static str, found: Option<f64>, wanted: f64) -> Self {
        let is_met = found.map(|found| found <= wanted);
        Self { what, found: shown(found), beside: String::new(), wanted: format!("≤ {}", number(wanted)), is_met }
    }

    fn beside(self, what: &str, value: Option<f64>) -> Self {
        Self { beside: value.map(|value| format!("{what}: {}", number(value))).unwrap_or_default(), ..self }
    }
}

fn best(runs: &[Value], pointer: &str) -> Option<f64> {
    runs.iter().filter_map(|run| run.pointer(pointer)?.as_f64()).reduce(f64::max)
}

fn quotient(dividend: Option<f64>, divisor: Option<f64>) -> Option<f64> {
    Some(dividend? / divisor?)
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| String::from("not measured"), number)
}

/// Formats a number with its significant digits only: `0.74`, `17.3`, `4,210`, `160,000`.
pub(super) fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        return trimmed(format!("{value:.2}"));
    }
    if value.abs() < 100.0 {
        return trimmed(format!("{value:.1}"));
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_say_something() {
        let shown = [0.0, 0.736, 2.0, 17.34, 421.6, 4_210.0, 1_234_567.8].map(number);
        assert_eq!(shown, ["0", "0.74", "2", "17.3", "422", "4,210", "1,234,568"]);
    }

    #[test]
    fn a_goal_is_met_missed_or_not_measured() {
        let met = |goal: Goal| goal.is_met;
        assert_eq!(met(Goal::at_least("", Some(2.0), 2.0)), Some(true));
        assert_eq!(met(Goal::at_most("", Some(2.1), 2.0)), Some(false));
        assert_eq!(met(Goal::at_most("", None, 2.0)), None);
    }
}
