//! Writes metrics in the text format of Prometheus.

use std::fmt::Write;

/// Writes a metric with a single value.
pub(crate) fn one(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(text, name, kind, help);
    line(text, name, value);
}

pub(crate) fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("writing to a string cannot fail");
}

pub(crate) fn line(text: &mut String, name: &str, value: u64) {
    writeln!(text, "{name} {value}").expect("writing to a string cannot fail");
}
