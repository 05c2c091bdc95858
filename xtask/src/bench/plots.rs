//! The plots, and the figures that they show.

use serde_json::Value;

use super::plot::{Line, Plot};
use super::programs::{COMMANDS, HTTP, IN_FLIGHT, NATS, OPEN_LOOP};
use super::results::Results;

/// The plots, by file name.
pub(super) fn plots(results: &Results) -> Vec<(&'static str, Plot)> {
    vec![
        ("throughput.svg", throughput(results)),
        ("latency.svg", latency(results)),
        ("open-loop.svg", open_loop(results)),
        ("http.svg", http(results)),
        ("nats.svg", nats(results)),
    ]
}

fn throughput(results: &Results) -> Plot {
    let own = |name: &str, pointer| line(name, results.runs(IN_FLIGHT), "/in_flight", pointer);
    let mut lines = vec![
        own("Polder: commands", "/component/commands_per_second"),
        own("… with native rules", "/native_floor/commands_per_second"),
        own("bare disk: records", "/raw_floor_records_per_second"),
    ];
    for report in results.peers.iter().flat_map(|peer| &peer.reports) {
        let runs = report["runs"].as_array().map_or(&[][..], Vec::as_slice);
        let kind = if report["kind"] == "append" { "appends" } else { "commands" };
        let name = format!("{}: {kind}", report["system"].as_str().unwrap_or_default().replace(" on PostgreSQL", ""));
        let line = line(&name, runs, "/in_flight", "/per_second");
        // A system with several configurations is shown with its best one.
        match lines.iter_mut().find(|known| known.name == name) {
            Some(known) => take_the_better(known, &line),
            None => lines.push(line),
        }
    }
    Plot { title: "Durable operations per second", x: "in flight", y: "per second", lines }
}

fn take_the_better(known: &mut Line, other: &Line) {
    for (known, other) in known.points.iter_mut().zip(&other.points) {
        known.1 = known.1.max(other.1);
    }
}

fn latency(results: &Results) -> Plot {
    let own = |name: &str, pointer| line(name, results.runs(IN_FLIGHT), "/in_flight", pointer);
    let mut lines = vec![
        own("p50", "/component/latency/p50_us"),
        own("p99", "/component/latency/p99_us"),
        own("p99.9", "/component/latency/p999_us"),
    ];
    if let Some(sync) = results.number(COMMANDS, "/raw_floor/sync/p50_us") {
        let in_flight = lines[0].points.iter().map(|point| (point.0, sync)).collect();
        lines.push(Line { name: String::from("one sync, p50"), points: in_flight });
    }
    Plot { title: "Latency of a command, in-process", x: "in flight", y: "µs", lines }
}

fn open_loop(results: &Results) -> Plot {
    let own = |name: &str, pointer| line(name, results.runs(OPEN_LOOP), "/asked_per_second", pointer);
    let lines = vec![own("p50", "/latency/p50_us"), own("p99", "/latency/p99_us"), own("p99.9", "/latency/p999_us")];
    Plot {
        title: "Latency at a steady rate, from the time at which a command was due",
        x: "commands per second",
        y: "µs",
        lines,
    }
}

fn http(results: &Results) -> Plot {
    let own = |name: &str, pointer| line(name, results.runs(HTTP), "/connections", pointer);
    let lines = vec![
        own("Polder: commands", "/host/commands_per_second"),
        own("a server that only answers", "/echo_floor/commands_per_second"),
    ];
    Plot { title: "Over HTTP", x: "connections", y: "per second", lines }
}

fn nats(results: &Results) -> Plot {
    let own = |name: &str, pointer| line(name, results.runs(NATS), "/in_flight", pointer);
    let lines = vec![
        own("Polder: commands", "/commands/commands_per_second"),
        own("a service that only echoes", "/echo_floor/commands_per_second"),
    ];
    Plot { title: "Over NATS", x: "in flight", y: "per second", lines }
}

fn line(name: &str, runs: &[Value], x: &str, y: &str) -> Line {
    let number = |run: &Value, pointer| run.pointer(pointer)?.as_f64().filter(|number| *number > 0.0);
    let points = runs.iter().filter_map(|run| Some((number(run, x)?, number(run, y)?))).collect();
    Line { name: name.to_owned(), points }
}
