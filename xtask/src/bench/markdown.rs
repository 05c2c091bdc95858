//! Writes RESULTS.md and its plots: the goals first, then every figure, then the machine and the settings.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::goals::{Goal, goals, number};
use super::plots::plots;
use super::programs::{AMONG_100, AMONG_1000, COMMANDS, HTTP, IN_FLIGHT, NATS, ONE, OPEN_LOOP, Size, VIEWS, ZIPF};
use super::rest::rest;
use super::results::Results;
use super::tables::{latency, megabytes, plain, put, section, shown, table};

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
    in_flight(results, &mut text);
    over_http(results, &mut text);
    over_nats(results, &mut text);
    at_a_steady_rate(results, &mut text);
    text
}

fn in_flight(results: &Results, text: &mut String) {
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
    section(text, "By commands in flight and by distribution of the load", &header, rows);
}

fn over_http(results: &Results, text: &mut String) {
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
    section(text, "Over HTTP, with connections kept alive and with views", &header, http.collect());
}

fn over_nats(results: &Results, text: &mut String) {
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
    section(text, "Over NATS request-reply, with the server on the same machine", &header, nats.collect());
    if let Some(report) = results.polder.get(NATS) {
        let [bridge, plain, share] = ["bridge_events_per_second", "plain_events_per_second", "share_of_plain"]
            .map(|field| shown(report.get(field)));
        put(
            text,
            format_args!(
                "\nFrom a backlog {bridge} events/s are published, {share} of a plain JetStream publisher's {plain}.\n"
            ),
        );
    }
}

fn at_a_steady_rate(results: &Results, text: &mut String) {
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
        text,
        "At a steady rate, with latencies from the time at which a command was due",
        &header,
        steady.collect(),
    );
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
