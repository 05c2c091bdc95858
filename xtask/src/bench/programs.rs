//! The benches of Polder, with their arguments for a full and for a quick run. Quick figures are only compared with
//! quick figures.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Full,
    Quick,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    full: &'static [&'static str],
    /// None when no ratio uses it.
    quick: Option<&'static [&'static str]>,
}

impl Program {
    /// None when it does not run at this size.
    pub(super) fn arguments(&self, size: Size) -> Option<&'static [&'static str]> {
        match size {
            Size::Full => Some(self.full),
            Size::Quick => self.quick,
        }
    }
}

pub(super) const COMMANDS: &str = "commands";
pub(super) const IN_FLIGHT: &str = "in-flight";
pub(super) const ZIPF: &str = "zipf";
pub(super) const ONE: &str = "one-aggregate";
pub(super) const VIEWS: &str = "with-views";
pub(super) const AMONG_100: &str = "among-100-tenants";
pub(super) const AMONG_1000: &str = "among-1000-tenants";
pub(super) const HTTP: &str = "http";
pub(super) const NATS: &str = "nats";
pub(super) const OPEN_LOOP: &str = "open-loop";
pub(super) const STATE: &str = "state";
pub(super) const AGE: &str = "age";
pub(super) const GROWTH: &str = "growth";
pub(super) const REBUILD: &str = "rebuild";
pub(super) const REPLAY: &str = "replay";
pub(super) const SWITCH: &str = "switch";
pub(super) const START: &str = "start";
pub(super) const START_LARGE: &str = "start-large";
pub(super) const TENANTS: &str = "tenants";
pub(super) const TENANTS_100: &str = "tenants-100";
pub(super) const TENANTS_1: &str = "tenants-1";
pub(super) const NEIGHBOURS: &str = "neighbours";
pub(super) const AUDIT: &str = "audit";

pub(super) const PROGRAMS: [Program; 23] = [
    Program {
        name: COMMANDS,
        full: &["commands"],
        quick: Some(&["commands", "--commands", "100000", "--aggregates", "2000"]),
    },
    Program {
        name: IN_FLIGHT,
        full: &["in-flight"],
        quick: Some(&["in-flight", "--in-flight", "1,16,256", "--seconds", "0.5", "--aggregates", "2000"]),
    },
    Program {
        name: ZIPF,
        full: &["in-flight", "--in-flight", "256", "--spread", "zipf"],
        quick: Some(&[
            "in-flight",
            "--in-flight",
            "256",
            "--spread",
            "zipf",
            "--seconds",
            "0.5",
            "--aggregates",
            "2000",
        ]),
    },
    Program {
        name: ONE,
        full: &["in-flight", "--in-flight", "256", "--spread", "one"],
        quick: Some(&[
            "in-flight",
            "--in-flight",
            "256",
            "--spread",
            "one",
            "--seconds",
            "0.5",
            "--aggregates",
            "2000",
        ]),
    },
    Program { name: VIEWS, full: &["in-flight", "--in-flight", "256", "--projections"], quick: None },
    Program { name: AMONG_100, full: &["in-flight", "--in-flight", "256", "--tenants", "100"], quick: None },
    Program { name: AMONG_1000, full: &["in-flight", "--in-flight", "256", "--tenants", "1000"], quick: None },
    Program {
        name: HTTP,
        full: &["http"],
        quick: Some(&["http", "--connections", "16,256", "--seconds", "1", "--aggregates", "2000"]),
    },
    Program {
        name: NATS,
        full: &["nats"],
        quick: Some(&["nats", "--in-flight", "256", "--seconds", "1", "--aggregates", "2000", "--events", "50000"]),
    },
    Program { name: OPEN_LOOP, full: &["open-loop"], quick: None },
    Program { name: STATE, full: &["state"], quick: Some(&["state", "--commands", "50000"]) },
    Program {
        name: AGE,
        full: &["age"],
        quick: Some(&["age", "--events", "2000", "--aggregates", "8", "--commands", "1000"]),
    },
    Program {
        name: GROWTH,
        full: &["growth", "--events", "10000000", "--aggregates", "1000000"],
        quick: Some(&[
            "growth",
            "--events",
            "200000",
            "--aggregates",
            "20000",
            "--commands",
            "200000",
            "--at-work",
            "2000",
        ]),
    },
    Program { name: REBUILD, full: &["rebuild"], quick: Some(&["rebuild", "--events", "200000"]) },
    Program { name: REPLAY, full: &["replay"], quick: None },
    Program { name: SWITCH, full: &["switch"], quick: None },
    Program { name: START, full: &["start"], quick: None },
    Program { name: START_LARGE, full: &["start", "--events", "10000000"], quick: None },
    Program { name: TENANTS, full: &["tenants"], quick: None },
    Program { name: TENANTS_100, full: &["tenants", "--tenants", "100", "--domains", "1"], quick: None },
    Program { name: TENANTS_1, full: &["tenants", "--tenants", "1", "--domains", "1"], quick: None },
    Program { name: NEIGHBOURS, full: &["neighbours"], quick: None },
    Program { name: AUDIT, full: &["audit"], quick: None },
];
