//! Metrics of each active revision, in Prometheus's text format. Domains without calls are left out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::prometheus_text::{head, line};
use crate::tenancy::{Active, CircuitState, Tenant};
use crate::write::AuditCounts;

pub(super) fn write(text: &mut String, tenants: &[Arc<Tenant>], audits: Option<&AuditCounts>) {
    let mut used: Vec<(String, Arc<Active>)> = Vec::new();
    for tenant in tenants {
        for domain in tenant.domains() {
            let active = arc_swap::Guard::into_inner(domain.active());
            if active.health.calls() > 0 {
                used.push((format!("{{tenant=\"{}\",domain=\"{}\"}}", tenant.name, domain.name), active));
            }
        }
    }
    let mut each = |name: &str, kind: &str, help: &str, value: fn(&Active) -> u64| {
        head(text, name, kind, help);
        for (labels, active) in &used {
            line(text, &format!("{name}{labels}"), value(active));
        }
    };
    each("polder_domain_calls_total", "counter", "Commands that the active revision decided or failed on.", |active| {
        active.health.calls()
    });
    each("polder_domain_faults_total", "counter", "Commands on which the active revision failed.", |active| {
        active.health.faults()
    });
    each("polder_domain_circuit", "gauge", "0: takes commands. 1: takes trial commands. 2: takes none.", |active| {
        match active.health.circuit() {
            CircuitState::Closed => 0,
            CircuitState::HalfOpen => 1,
            CircuitState::Open => 2,
        }
    });
    let Some(audits) = audits else { return };
    head(text, "polder_audits_total", "counter", "Commands run a second time, by result.");
    let results = [
        ("same", &audits.same),
        ("different", &audits.different),
        ("inconclusive", &audits.inconclusive),
        ("dropped", &audits.dropped),
    ];
    for (result, count) in results {
        line(text, &format!("polder_audits_total{{result=\"{result}\"}}"), count.load(Ordering::Relaxed));
    }
}
