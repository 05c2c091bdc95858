//! Ratios of two figures of one run, for comparison between runs. A ratio is more stable across machines and times than
//! a figure. The comparison only informs and never fails.

use super::programs::{AGE, COMMANDS, GROWTH, HTTP, IN_FLIGHT, NATS, ONE, REBUILD, STATE, ZIPF};
use super::results::{Ratios, Results};

/// A change larger than this is marked. Smaller ones are noise, because the runs are short.
const NOTABLE: f64 = 0.15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    High,
    Low,
}

struct Ratio {
    name: &'static str,
    better: Better,
    of: fn(&Results) -> Option<f64>,
}

const RATIOS: [Ratio; 17] = [
    Ratio {
        name: "component / native rules",
        better: Better::High,
        of: |results| results.number(COMMANDS, "/share_of_native"),
    },
    Ratio {
        name: "component / bare wasmtime",
        better: Better::High,
        of: |results| quotient(component(results), results.number(COMMANDS, "/bare_floor_per_second")),
    },
    Ratio {
        name: "component / bare disk",
        better: Better::High,
        of: |results| quotient(component(results), results.number(COMMANDS, "/raw_floor/records_per_second")),
    },
    Ratio {
        name: "one caller / sync, p50",
        better: Better::Low,
        of: |results| results.number(COMMANDS, "/one_caller_p50_per_sync_p50"),
    },
    Ratio {
        name: "one caller / sync, p99.9",
        better: Better::Low,
        of: |results| results.number(COMMANDS, "/one_caller_p999_per_sync_p999"),
    },
    Ratio {
        name: "bytes written / payload",
        better: Better::Low,
        of: |results| results.number(COMMANDS, "/written/written_per_payload_byte"),
    },
    Ratio {
        name: "bytes written / journal",
        better: Better::Low,
        of: |results| results.number(COMMANDS, "/written/written_per_journal_byte"),
    },
    Ratio {
        name: "16 in flight / 256",
        better: Better::High,
        of: |results| quotient(at(results, IN_FLIGHT, 16), at(results, IN_FLIGHT, 256)),
    },
    Ratio {
        name: "Zipf / uniform",
        better: Better::High,
        of: |results| quotient(at(results, ZIPF, 256), at(results, IN_FLIGHT, 256)),
    },
    Ratio {
        name: "one aggregate / uniform",
        better: Better::High,
        of: |results| quotient(at(results, ONE, 256), at(results, IN_FLIGHT, 256)),
    },
    Ratio {
        name: "HTTP / bare answering, 256 connections",
        better: Better::High,
        of: |results| results.run(HTTP, "connections", 256)?["share_of_echo"].as_f64(),
    },
    Ratio {
        name: "NATS / bare echo, 256 in flight",
        better: Better::High,
        of: |results| results.run(NATS, "in_flight", 256)?["share_of_echo"].as_f64(),
    },
    Ratio {
        name: "events published / plain publisher",
        better: Better::High,
        of: |results| results.number(NATS, "/share_of_plain"),
    },
    Ratio { name: "CPU, large state / small", better: Better::Low, of: |results| results.number(STATE, "/cpu_ratio") },
    Ratio {
        name: "old aggregate / new, warm",
        better: Better::Low,
        of: |results| results.number(AGE, "/warm/p50_ratio"),
    },
    Ratio { name: "full store / empty", better: Better::High, of: |results| results.number(GROWTH, "/full_per_empty") },
    Ratio {
        name: "events rebuilt / native commands",
        better: Better::High,
        of: |results| {
            let rebuilt = results.number(REBUILD, "/events_folded_per_second");
            quotient(rebuilt, results.number(COMMANDS, "/native_floor/commands_per_second"))
        },
    },
];

fn component(results: &Results) -> Option<f64> {
    results.number(COMMANDS, "/component/commands_per_second")
}

fn at(results: &Results, program: &str, in_flight: u64) -> Option<f64> {
    results.run(program, "in_flight", in_flight)?["component"]["commands_per_second"].as_f64()
}

fn quotient(dividend: Option<f64>, divisor: Option<f64>) -> Option<f64> {
    Some(dividend? / divisor?)
}

pub(super) fn of(results: &Results) -> Ratios {
    RATIOS.iter().filter_map(|ratio| Some((ratio.name.to_owned(), (ratio.of)(results)?))).collect()
}

/// The comparison, with one line per ratio.
pub(super) fn compared(now: &Ratios, committed: Option<&Ratios>) -> String {
    let mut text = format!("{:<42}{:>10}{:>10}\n", "ratio", "committed", "now");
    for ratio in &RATIOS {
        let Some(now) = now.get(ratio.name) else { continue };
        let before = committed.and_then(|committed| committed.get(ratio.name));
        let shown = before.map_or_else(|| String::from("-"), |before| format!("{before:.2}"));
        let verdict = before.map_or("", |before| verdict(ratio.better, *before, *now));
        text.push_str(format!("{:<42}{shown:>10}{now:>10.2}  {verdict}", ratio.name).trim_end());
        text.push('\n');
    }
    if committed.is_none() {
        text.push_str("nothing is committed yet that these could be compared with\n");
    }
    text
}

fn verdict(better: Better, before: f64, now: f64) -> &'static str {
    let gain = if better == Better::High { now / before } else { before / now };
    match gain {
        gain if gain < 1.0 - NOTABLE => "worse",
        gain if gain > 1.0 / (1.0 - NOTABLE) => "better",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notable_changes_are_pointed_out_in_either_direction() {
        assert_eq!(verdict(Better::High, 0.8, 0.6), "worse");
        assert_eq!(verdict(Better::High, 0.8, 0.75), "");
        assert_eq!(verdict(Better::Low, 1.2, 1.6), "worse");
        assert_eq!(verdict(Better::Low, 1.6, 1.2), "better");
    }

    #[test]
    fn ratios_without_a_counterpart_are_still_shown() {
        let name = RATIOS[0].name.to_owned();
        let now = Ratios::from([(name.clone(), 0.7)]);
        let text = compared(&now, None);
        assert!(text.contains("0.70") && text.contains("nothing is committed"), "{text}");
        let text = compared(&now, Some(&Ratios::from([(name, 0.9)])));
        assert!(text.contains("0.90") && text.contains("worse"), "{text}");
    }
}
