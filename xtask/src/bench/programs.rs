//! Which benches of Polder's are run, and how large. Quick ones take seconds, and are compared with quick ones only.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Full,
    Quick,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    full: &'static [&'static str],
    quick: &'static [&'static str],
}

impl Program {
    pub(super) fn arguments(&self, size: Size) -> &'static [&'static str] {
        match size {
            Size::Full => self.full,
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

pub(super) const PROGRAMS: [Program; 22] = [
    Program {
        name: COMMANDS,
        full: &["commands"],
        quick: &["commands", "--commands", "100000", "--aggregates", "2000"],
    },
    Program {
        name: IN_FLIGHT,
        full: &["in-flight"],
        quick: &["in-flight", "--in-flight", "1,16,256", "--seconds", "0.5", "--aggregates", "2000"],
    },
    Program {
        name: ZIPF,
        full: &["in-flight", "--in-flight", "256", "--spread", "zipf"],
        quick: &["in-flight", "--in-flight", "256", "--spread", "zipf", "--seconds", "0.5", "--aggregates", "2000"],
    },
    Program {
        name: ONE,
        full: &["in-flight", "--in-flight", "256", "--spread", "one"],
        quick: &["in-flight", "--in-flight", "256", "--spread", "one", "--seconds", "0.5", "--aggregates", "2000"],
    },
    Program {
        name: VIEWS,
        full: &["in-flight", "--in-flight", "256", "--projections"],
        quick: &["in-flight", "--in-flight", "256", "--projections", "--seconds", "0.5", "--aggregates", "2000"],
    },
    Program {
        name: AMONG_100,
        full: &["in-flight", "--in-flight", "256", "--tenants", "100"],
        quick: &["in-flight", "--in-flight", "256", "--tenants", "10", "--seconds", "0.5", "--aggregates", "2000"],
    },
    Program {
        name: AMONG_1000,
        full: &["in-flight", "--in-flight", "256", "--tenants", "1000"],
        quick: &["in-flight", "--in-flight", "256", "--tenants", "100", "--seconds", "0.5", "--aggregates", "2000"],
    },
    Program {
        name: HTTP,
        full: &["http"],
        quick: &["http", "--connections", "16,256", "--seconds", "1", "--aggregates", "2000"],
    },
    Program {
        name: OPEN_LOOP,
        full: &["open-loop"],
        quick: &["open-loop", "--rates", "1000,10000", "--seconds", "1", "--aggregates", "2000"],
    },
    Program { name: STATE, full: &["state"], quick: &["state", "--commands", "50000"] },
    Program {
        name: AGE,
        full: &["age"],
        quick: &["age", "--events", "2000", "--aggregates", "8", "--commands", "1000"],
    },
    Program {
        name: GROWTH,
        full: &["growth", "--events", "10000000", "--aggregates", "1000000"],
        quick: &["growth", "--events", "300000", "--aggregates", "30000", "--commands", "200000", "--at-work", "2000"],
    },
    Program { name: REBUILD, full: &["rebuild"], quick: &["rebuild", "--events", "200000"] },
    Program { name: REPLAY, full: &["replay"], quick: &["replay", "--events", "200000"] },
    Program {
        name: SWITCH,
        full: &["switch", "--switches", "20"],
        quick: &["switch", "--switches", "2", "--rate", "5000", "--aggregates", "1000"],
    },
    Program { name: START, full: &["start"], quick: &["start", "--events", "100000", "--starts", "2"] },
    Program {
        name: START_LARGE,
        full: &["start", "--events", "10000000"],
        quick: &["start", "--events", "200000", "--starts", "2"],
    },
    Program {
        name: TENANTS,
        full: &["tenants"],
        quick: &["tenants", "--tenants", "50", "--domains", "5", "--starts", "1", "--idle-seconds", "1"],
    },
    Program {
        name: TENANTS_100,
        full: &["tenants", "--tenants", "100", "--domains", "1"],
        quick: &["tenants", "--tenants", "10", "--domains", "1", "--starts", "1", "--idle-seconds", "1"],
    },
    Program {
        name: TENANTS_1,
        full: &["tenants", "--tenants", "1", "--domains", "1"],
        quick: &["tenants", "--tenants", "1", "--domains", "1", "--starts", "1", "--idle-seconds", "1"],
    },
    Program {
        name: NEIGHBOURS,
        full: &["neighbours"],
        quick: &["neighbours", "--seconds", "1", "--rounds", "1", "--rate", "2000"],
    },
    Program { name: AUDIT, full: &["audit"], quick: &["audit", "--commands", "50000", "--aggregates", "2000"] },
];
