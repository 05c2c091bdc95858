//! Writes RESULTS.md and its plots: the goals first, then every figure, then the machine and the settings.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::goals::{Goal, goals, number};
use super::plots::plots;
use super::programs::{
    AGE, AMONG_100, AMONG_1000, AUDIT, COMMANDS, GROWTH, HTTP, IN_FLIGHT, NATS, NEIGHBOURS, ONE, OPEN_LOOP, REBUILD,
    REPLAY, START, START_LARGE, STATE, SWITCH, Size, TENANTS, TENANTS_1, TENANTS_100, VIEWS, ZIPF,
};
use super::results::Results;

const FILE: &str = "RESULTS.md";
/// Written by people: why a goal is missed, and the next ideas. The page includes the file unchanged.
const REASONS: &str = "REASONS.md";

/// Returns the page, too.
pub(super) fn write(folder: &Path, results: &Results) -> Result<String> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut drawn = Vec::new();
    for (name, plot) in plots(results) {
        if let Some(svg) = plot.svg() {
            std::fs::write(folder.join(name), svg)?;
            drawn.push((name, plot.title));
        }
    }
    let reasons = std::fs::read_to_string(folder.join(REASONS)).ok();
    let page = page(results, &drawn, reasons.as_deref());
    let file = folder.join(FILE);
    std::fs::write(&file, &page).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(page)
}

fn page(results: &Results, drawn: &[(&str, &str)], reasons: Option<&str>) -> String {
    let mut page = String::from(
        "# Measurements\n\n\
         Written by `cargo xtask bench`; do not edit. All figures come from one run on one disk, with their floors and with other systems. Every system syncs \
         before every acknowledgement. Latencies are those of single commands; with several in flight, a command also waits for the others.\n\n",
    );
    match results.size {
        Size::Full => page.push_str(&standing(results, reasons)),
        Size::Quick => page.push_str("Small counts, for a quick look and for the ratios.\n"),
    }
    for (file, title) in drawn {
        put(&mut page, format_args!("\n![{title}]({file})\n"));
    }
    page.push_str(&commands(results));
    page.push_str(&levels(results));
    page.push_str(&peers(results));
    page.push_str(&rest(results));
    for (program, reason) in &results.failures {
        put(
            &mut page,
            format_args!("\n`{program}` could not be measured: {}\n", reason.lines().next().unwrap_or_default()),
        );
    }
    page.push_str("\n## Measured on\n\n");
    page.push_str(&machine(results));
    page
}

fn standing(results: &Results, reasons: Option<&str>) -> String {
    let rows = goals(results);
    let mut text = String::from("## Goals\n\n");
    text.push_str(&table(&["measure", "result", "goal", "", "compared with"], rows.iter().map(goal_row)));
    if let Some(reasons) = reasons {
        put(&mut text, format_args!("\n{}\n", reasons.trim()));
    }
    text
}

fn machine(results: &Results) -> String {
    let mut rows: Vec<_> = results.machine.facts.iter().map(|(name, fact)| vec![name.clone(), fact.clone()]).collect();
    if let Some(sync) = results.polder.get(COMMANDS).and_then(|report| report.pointer("/raw_floor/sync")) {
        rows.push(vec![String::from("one sync of the disk, p50 / p99 / p99.9 µs"), latency(sync)]);
    }
    table(&["", ""], rows)
}

fn goal_row(goal: &Goal) -> Vec<String> {
    let mark = match goal.is_met {
        Some(true) => "reached",
        Some(false) => "**missed**",
        None => "",
    };
    vec![goal.what.to_owned(), goal.found.clone(), goal.wanted.clone(), mark.to_owned(), goal.beside.clone()]
}

/// The main run with all its floors.
fn commands(results: &Results) -> String {
    let Some(report) = results.polder.get(COMMANDS) else { return String::new() };
    let per_second = |pointer| shown(report.pointer(pointer));
    let through = |name: &str, pointer: &str| {
        let run = report.pointer(pointer).unwrap_or(&Value::Null);
        vec![
            name.to_owned(),
            shown(run.get("commands_per_second")),
            latency(&run["latency"]),
            shown(run.get("commands_per_sync")),
            shown(run.get("cpu_seconds_per_million")),
        ]
    };
    let floor =
        |name: &str, pointer| vec![name.to_owned(), per_second(pointer), String::new(), String::new(), String::new()];
    let rows = vec![
        floor("raw append and sync, as many records per sync", "/raw_floor/records_per_second"),
        floor("the component on bare wasmtime", "/bare_floor_per_second"),
        through("native rules, same pipeline", "/native_floor"),
        through("the component", "/component"),
    ];
    let load = format!("{} in flight, {} aggregates", shown(report.get("in_flight")), shown(report.get("aggregates")));
    let header = [load.as_str(), "per second", "p50 / p99 / p99.9 µs", "per sync", "CPU s per million"];
    let mut text = format!("\n## Commands, in-process\n\n{}", table(&header, rows));
    put(
        &mut text,
        format_args!(
            "\nOne caller alone waits {} µs, one sync alone {} µs. Of each byte of events' JSON, {} reach the disk; of each byte of the journal {}. Resident: {} MB.\n",
            latency(&report["one_caller"]),
            latency(&report["raw_floor"]["sync"]),
            shown(report.pointer("/written/written_per_payload_byte")),
            shown(report.pointer("/written/written_per_journal_byte")),
            megabytes(report.pointer("/component/resident_bytes"))
        ),
    );
    text
}

fn levels(results: &Results) -> String {
    let mut text = String::new();
    let level = |name: String, run: &Value| {
        vec![
            name,
            shown(run.pointer("/component/commands_per_second")),
            latency(&run["component"]["latency"]),
            shown(run.pointer("/component/commands_per_sync")),
            shown(run.pointer("/component/cpu_seconds_per_million")),
            shown(run.pointer("/native_floor/commands_per_second")),
            shown(run.get("share_of_native")),
            shown(run.get("raw_floor_records_per_second")),
        ]
    };
    let programs = [
        (IN_FLIGHT, "uniform"),
        (ZIPF, "Zipf"),
        (ONE, "one aggregate"),
        (VIEWS, "with views"),
        (AMONG_100, ""),
        (AMONG_1000, ""),
    ];
    let mut rows = Vec::new();
    for (program, how) in programs {
        let tenants = results.number(program, "/tenants").filter(|tenants| *tenants > 1.0);
        let how = tenants.map_or_else(|| how.to_owned(), |tenants| format!("{} tenants", number(tenants)));
        rows.extend(results.runs(program).iter().map(|run| level(format!("{}, {how}", run["in_flight"]), run)));
    }
    if !rows.is_empty() {
        let header = [
            "in flight",
            "commands/s",
            "p50 / p99 / p99.9 µs",
            "per sync",
            "CPU s per million",
            "native/s",
            "share of native",
            "bare disk/s",
        ];
        put(
            &mut text,
            format_args!("\n## By commands in flight and by distribution of the load\n\n{}", table(&header, rows)),
        );
    }
    let http = results.runs(HTTP).iter().map(|run| {
        vec![
            run["connections"].to_string(),
            shown(run.pointer("/host/commands_per_second")),
            latency(&run["host"]["latency"]),
            shown(run.get("host_cpu_seconds_per_million")),
            shown(run.pointer("/echo_floor/commands_per_second")),
            shown(run.get("share_of_echo")),
            megabytes(run.get("host_resident_bytes")),
        ]
    });
    let header = [
        "connections",
        "commands/s",
        "p50 / p99 / p99.9 µs",
        "host's CPU s per million",
        "bare answers/s",
        "share of bare",
        "resident, MB",
    ];
    section(&mut text, "Over HTTP, with connections kept alive and with views", &header, http.collect());
    let nats = results.runs(NATS).iter().map(|run| {
        vec![
            run["in_flight"].to_string(),
            shown(run.pointer("/commands/commands_per_second")),
            latency(&run["commands"]["latency"]),
            shown(run.get("published_meanwhile")),
            shown(run.pointer("/echo_floor/commands_per_second")),
            shown(run.get("share_of_echo")),
            shown(run.pointer("/publishing_echo_floor/commands_per_second")),
            shown(run.get("share_of_publishing_echo")),
        ]
    });
    let header = [
        "in flight",
        "commands/s",
        "p50 / p99 / p99.9 µs",
        "events published meanwhile",
        "bare echo/s",
        "share of bare",
        "an echo that publishes/s",
        "share of publishing echo",
    ];
    section(&mut text, "Over NATS request-reply, with the server on the same machine", &header, nats.collect());
    if let Some(report) = results.polder.get(NATS) {
        let [bridge, plain, share] = ["bridge_events_per_second", "plain_events_per_second", "share_of_plain"]
            .map(|field| shown(report.get(field)));
        put(
            &mut text,
            format_args!(
                "\nFrom a backlog {bridge} events/s are published, {share} of a plain JetStream publisher's {plain}.\n"
            ),
        );
    }
    let steady = results.runs(OPEN_LOOP).iter().map(|run| {
        vec![
            shown(run.get("asked_per_second")),
            shown(run.get("answered_per_second")),
            latency(&run["latency"]),
            shown(run.get("refused")),
        ]
    });
    let header = ["commands/s sent", "answered", "p50 / p99 / p99.9 µs", "refused"];
    section(
        &mut text,
        "At a steady rate, with latencies from the time at which a command was due",
        &header,
        steady.collect(),
    );
    text
}

fn peers(results: &Results) -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    for report in results.peers.iter().flat_map(|peer| &peer.reports) {
        for run in report["runs"].as_array().into_iter().flatten() {
            rows.push(vec![
                format!("{} {}", plain(&report["system"]), plain(&report["version"])),
                plain(&report["kind"]),
                run["in_flight"].to_string(),
                shown(run.get("per_second")),
                latency(&run["latency"]),
                shown(run.get("retries")),
            ]);
        }
    }
    section(&mut text, "Peers", &["system", "", "in flight", "per second", "p50 / p99 / p99.9 µs", "retries"], rows);
    for report in results.peers.iter().flat_map(|peer| &peer.reports) {
        let settings = report["settings"].as_object().into_iter().flatten();
        let settings: Vec<String> = settings.map(|(name, value)| format!("{name} = {}", plain(value))).collect();
        put(
            &mut text,
            format_args!("\n- {} {}: {}", plain(&report["system"]), plain(&report["version"]), settings.join("; ")),
        );
    }
    for peer in &results.peers {
        if let Some(reason) = &peer.reason {
            let first = reason.lines().next().unwrap_or_default();
            put(&mut text, format_args!("\n- {} was not measured: {first}", peer.name));
        }
    }
    text.push('\n');
    text
}

/// The other benches, with a row or two for each.
fn rest(results: &Results) -> String {
    let value =
        |program: &str, pointer: &str| shown(results.polder.get(program).and_then(|report| report.pointer(pointer)));
    let ranks = |program: &str, pointer: &str| {
        let found = results.polder.get(program).and_then(|report| report.pointer(pointer));
        found.map(latency).unwrap_or_default()
    };
    let list = |program: &str, field: &str| {
        let times = results.polder.get(program).and_then(|report| report[field].as_array());
        let times: Vec<String> = times.into_iter().flatten().filter_map(Value::as_f64).map(number).collect();
        times.join(", ")
    };
    let mut rows = Vec::new();
    let mut row = |program: &str, what: &str, found: String| {
        if results.polder.contains_key(program) {
            rows.push(vec![what.to_owned(), found]);
        }
    };
    for (name, what) in
        [("warm", "warm"), ("cold_with_snapshot", "cold, with a snapshot"), ("cold_without_snapshot", "cold, without")]
    {
        let pointer = |kind: &str| ranks(AGE, &format!("/{name}/{kind}"));
        row(
            AGE,
            &format!("an aggregate of {} events beside a new one, {what}: µs", value(AGE, "/events")),
            format!("{}; new {}", pointer("old"), pointer("new")),
        );
    }
    row(STATE, "CPU of a command, 1,000 lines by 1 line", value(STATE, "/cpu_ratio"));
    row(
        GROWTH,
        "commands/s, full store; empty",
        format!(
            "{}; {} ({} events of {} aggregates)",
            value(GROWTH, "/full_per_second"),
            value(GROWTH, "/empty_per_second"),
            value(GROWTH, "/events"),
            value(GROWTH, "/aggregates")
        ),
    );
    row(GROWTH, "writing that history, events/s; resident MB", {
        let report = results.polder.get(GROWTH);
        let resident = megabytes(report.and_then(|report| report.get("resident_bytes")));
        format!("{}; {resident}", value(GROWTH, "/history_events_per_second"))
    });
    row(REBUILD, "views rebuilt, events/s, all together", value(REBUILD, "/events_folded_per_second"));
    row(REBUILD, "… resident at most, MB", {
        megabytes(results.polder.get(REBUILD).and_then(|report| report.get("resident_bytes_peak")))
    });
    row(REPLAY, "the gate's replay, events/s by both revisions", value(REPLAY, "/replay_events_per_second"));
    row(
        SWITCH,
        "revisions switched: commands/s meanwhile; failed, lost, out of order; slowest above p99, ms",
        format!(
            "{}; {}, {}, {}; {}",
            value(SWITCH, "/commands_per_second"),
            value(SWITCH, "/failed"),
            value(SWITCH, "/lost"),
            value(SWITCH, "/out_of_order"),
            value(SWITCH, "/slowest_above_p99_ms")
        ),
    );
    for program in [START, START_LARGE] {
        row(
            program,
            &format!(
                "ready with {} events, ms: after SIGKILL; after a clean end; resident MB",
                value(program, "/events")
            ),
            format!(
                "{}; {}; {}",
                list(program, "killed_ms"),
                list(program, "closed_ms"),
                megabytes(results.polder.get(program).and_then(|report| report.get("resident_bytes")))
            ),
        );
    }
    for program in [TENANTS_1, TENANTS_100, TENANTS] {
        let kilobytes = results.number(program, "/resident_bytes_per_tenant").map(|bytes| number(bytes / 1e3));
        row(
            program,
            &format!(
                "{} tenants at rest: MB in all; KB each; % of a core; first command µs",
                value(program, "/tenants")
            ),
            format!(
                "{}; {}; {}; {}",
                megabytes(results.polder.get(program).and_then(|report| report.get("resident_bytes"))),
                kilobytes.unwrap_or_default(),
                results.number(program, "/idle_cpu_share").map(|share| number(share * 100.0)).unwrap_or_default(),
                ranks(program, "/first_command")
            ),
        );
    }
    row(NEIGHBOURS, "beside a tenant that loops, p99 by p99 alone", value(NEIGHBOURS, "/p99_ratio"));
    row(AUDIT, "the audit, % of throughput", value(AUDIT, "/cost_percent"));
    let mut text = String::new();
    section(&mut text, "Everything else", &["measure", "result"], rows);
    text
}

fn section(text: &mut String, title: &str, header: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        put(text, format_args!("\n## {title}\n\n{}", table(header, rows)));
    }
}

fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        put(&mut text, format_args!("| {} |\n", row.join(" | ")));
    }
    text
}

fn latency(latency: &Value) -> String {
    let rank = |name: &str| shown(latency.get(name));
    format!("{} / {} / {}", rank("p50_us"), rank("p99_us"), rank("p999_us"))
}

fn megabytes(bytes: Option<&Value>) -> String {
    bytes.and_then(Value::as_f64).map(|bytes| number(bytes / 1e6)).unwrap_or_default()
}

fn shown(value: Option<&Value>) -> String {
    value.and_then(Value::as_f64).map(number).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    // An empty setting stays visible.
    value.as_str().filter(|text| !text.is_empty()).map_or_else(|| value.to_string(), str::to_owned)
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a string cannot fail");
}
