//! The Markdown of sections and tables, and how figures are written in them.

use std::fmt::Write;

use serde_json::Value;

use super::goals::number;

pub(super) fn section(text: &mut String, title: &str, header: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        put(text, format_args!("\n## {title}\n\n{}", table(header, rows)));
    }
}

pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        put(&mut text, format_args!("| {} |\n", row.join(" | ")));
    }
    text
}

pub(super) fn latency(latency: &Value) -> String {
    let rank = |name: &str| shown(latency.get(name));
    format!("{} / {} / {}", rank("p50_us"), rank("p99_us"), rank("p999_us"))
}

pub(super) fn megabytes(bytes: Option<&Value>) -> String {
    bytes.and_then(Value::as_f64).map(|bytes| number(bytes / 1e6)).unwrap_or_default()
}

pub(super) fn shown(value: Option<&Value>) -> String {
    value.and_then(Value::as_f64).map(number).unwrap_or_default()
}

pub(super) fn plain(value: &Value) -> String {
    // An empty setting stays visible.
    value.as_str().filter(|text| !text.is_empty()).map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a string cannot fail");
}
