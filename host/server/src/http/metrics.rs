//! `GET /metrics`: the metrics of the host and its interfaces, as text in Prometheus's format. The metrics of several
//! partitions are merged: each metric is described once, and a label distinguishes the partitions' values.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use polder_core::{MemoryBudget, MemoryPurpose};
use polder_engine::joined;

use crate::app::App;
use crate::wire::response_json::held_with;

/// Texts of metrics that are being made, or that their clients have not read, at a time. The next request waits.
pub(crate) const METRICS_TEXTS_MAX: usize = 4;
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    // A text does not draw from the memory budget: metrics are needed most while no memory is left.
    let turn = Arc::clone(&app.metrics_turns).acquire_owned().await.expect("nothing closes this semaphore");
    let nats = app.nats.as_ref().map(|metrics| metrics.text(&app.partitions)).unwrap_or_default();
    let memory = memory(app.partitions.first_host().memory());
    let connections = app.connections.metrics();
    // Parked events are counted in SQLite.
    let text = joined(tokio::task::spawn_blocking(move || host_metrics(&app))).await;
    let text = text + &memory + &nats + &connections;
    let body = Body::from(held_with(text.into_bytes(), None, turn));
    ([(CONTENT_TYPE, PROMETHEUS_TEXT)], body).into_response()
}

fn host_metrics(app: &App) -> String {
    match app.partitions.is_one() {
        true => app.partitions.first_host().metrics(),
        false => {
            let texts: Vec<_> =
                app.partitions.all().iter().map(|partition| (partition.journal, partition.host.metrics())).collect();
            merged("journal", &texts)
        }
    }
}

/// The memory metrics. All partitions share one budget, so it is shown once.
fn memory(budget: &MemoryBudget) -> String {
    let mut text = format!(
        "# HELP polder_memory_bytes_max Memory budget for the work that callers cause, in bytes.\n\
         # TYPE polder_memory_bytes_max gauge\npolder_memory_bytes_max {}\n\
         # HELP polder_memory_bytes Used part of the memory budget, in bytes by purpose.\n# TYPE polder_memory_bytes gauge\n",
        budget.bytes_max()
    );
    for purpose in MemoryPurpose::ALL {
        text += &format!("polder_memory_bytes{{purpose=\"{purpose}\"}} {}\n", budget.used_by(purpose));
    }
    text
}

/// The lines of one metric.
#[derive(Default)]
struct Family<'a> {
    name: &'a str,
    /// The lines `# HELP` and `# TYPE`.
    head: Vec<&'a str>,
    samples: Vec<String>,
}

/// Merges texts, each given with its value of the label.
fn merged<'a>(label: &str, texts: &'a [(impl Display, String)]) -> String {
    let mut families: Vec<Family<'a>> = Vec::new();
    let mut indices: HashMap<&str, usize> = HashMap::new();
    for (value, text) in texts {
        for line in text.lines() {
            let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
            let name = match described {
                Some(rest) => rest.split(' ').next().unwrap_or_default(),
                None => line.split(['{', ' ']).next().unwrap_or_default(),
            };
            let index = *indices.entry(name).or_insert_with(|| {
                families.push(Family { name, ..Family::default() });
                families.len() - 1
            });
            let family = &mut families[index];
            match described {
                Some(_) if family.head.contains(&line) => {}
                Some(_) => family.head.push(line),
                None => family.samples.push(labelled(family.name, line, label, value)),
            }
        }
    }
    let mut text = String::new();
    for Family { head, samples, .. } in &families {
        head.iter().copied().chain(samples.iter().map(String::as_str)).for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
    }
    text
}

/// Adds a label to a sample such as `name 1` or `name{a="b"} 1`.
fn labelled(name: &str, sample: &str, label: &str, value: &impl Display) -> String {
    let rest = &sample[name.len()..];
    match rest.strip_prefix('{') {
        Some(labels) => format!("{name}{{{label}=\"{value}\",{labels}"),
        None => format!("{name}{{{label}=\"{value}\"}}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_is_described_once_and_has_the_values_of_all() {
        let of = |up: u64, tenant: &str| {
            format!(
                "# HELP up Is it {{up}}?\n# TYPE up gauge\nup {up}\n# HELP cpu CPU time.\n# TYPE cpu counter\ncpu{{tenant=\"{tenant}\"}} {up}7\n"
            )
        };
        let (one, two) = (of(0, "a"), of(1, "b") + "# HELP more Only here.\n# TYPE more gauge\nmore 3\n");
        let expected = "# HELP up Is it {up}?\n# TYPE up gauge\nup{journal=\"1\"} 0\nup{journal=\"2\"} 1\n\
                        # HELP cpu CPU time.\n# TYPE cpu counter\ncpu{journal=\"1\",tenant=\"a\"} 07\ncpu{journal=\"2\",tenant=\"b\"} 17\n\
                        # HELP more Only here.\n# TYPE more gauge\nmore{journal=\"2\"} 3\n";
        assert_eq!(merged("journal", &[(1, one), (2, two)]), expected);
    }
}
