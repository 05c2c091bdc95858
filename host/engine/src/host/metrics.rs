//! The metrics of the host in Prometheus's text format.

use super::{Host, revision_metrics};
use crate::prometheus_text::{head, line, one};

impl Host {
    /// The metrics in Prometheus's text format.
    pub fn metrics(&self) -> String {
        let (mut text, inner) = (String::new(), &self.inner);
        inner.metrics.write(&mut text, &inner.reader.statistics(), self.health().writable);
        let compilations = inner.deployments.compilations();
        one(&mut text, "polder_components_compiled_total", "counter", "Components compiled.", compilations);
        self.write_reads(&mut text);
        let open_count = inner.projections.open_count() as u64;
        one(&mut text, "polder_tenants_views_open", "gauge", "Tenants whose views are open.", open_count);
        self.write_tenants(&mut text);
        let unseen_count = inner.projections.unseen_count() as u64;
        let help = "Tenants whose views were not checked yet since the start.";
        one(&mut text, "polder_tenants_views_to_look_at", "gauge", help, unseen_count);
        let pipeline = inner.write_path.pipeline();
        let audits = pipeline.as_ref().and_then(|pipeline| pipeline.audit_counts());
        revision_metrics::write(&mut text, &inner.directory.all(), audits);
        self.write_lags(&mut text);
        text
    }

    fn write_reads(&self, text: &mut String) {
        let (reads, slow_reads, refused_reads) = self.inner.reads.counts();
        one(text, "polder_reads", "gauge", "Reads that run or wait.", reads);
        one(text, "polder_slow_reads_total", "counter", "Reads that were moved to the slow lane.", slow_reads);
        let help = "Reads refused because too many were waiting.";
        one(text, "polder_reads_refused_total", "counter", help, refused_reads);
    }

    fn write_tenants(&self, text: &mut String) {
        let tenants = self.inner.directory.all();
        head(text, "polder_tenant_cpu_microseconds_total", "counter", "CPU time that a tenant's commands took.");
        for tenant in &tenants {
            let name = format!("polder_tenant_cpu_microseconds_total{{tenant=\"{}\"}}", tenant.name);
            line(text, &name, tenant.cpu_ns() / 1_000);
        }
        let help = "Notes of a tenant's guests that were not logged.";
        head(text, "polder_guest_notes_dropped_total", "counter", help);
        for tenant in &tenants {
            let name = format!("polder_guest_notes_dropped_total{{tenant=\"{}\"}}", tenant.name);
            line(text, &name, tenant.notes.dropped());
        }
    }

    fn write_lags(&self, text: &mut String) {
        let help = "Events that a view has not folded in yet; closed views have folded in all events.";
        head(text, "polder_projection_lag_events", "gauge", help);
        for tenant in self.inner.directory.all() {
            let newest = tenant.positions.borrow().0;
            for domain in tenant.domains() {
                for view in self.inner.projections.info_if_open(&tenant.name, &domain.name) {
                    let labels = format!(
                        "tenant=\"{}\",domain=\"{}\",projection=\"{}\"",
                        tenant.name, domain.name, view.projection
                    );
                    let lag = newest.saturating_sub(view.position.0);
                    line(text, &format!("polder_projection_lag_events{{{labels}}}"), lag);
                }
            }
        }
    }
}
