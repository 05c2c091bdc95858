//! What one tenant may use. Defaults are generous for rules and far below what would hurt the host.

use serde::{Deserialize, Serialize};

/// Each field can be set per tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Instructions, about, that one guest call may spend: the verdict that is the same on every machine.
    pub fuel_per_call_max: u64,
    /// Wall time of one guest call, in milliseconds: the watchdog for what fuel does not see.
    pub call_wall_ms_max: u64,
    /// Linear memory of one guest instance, in bytes.
    pub memory_bytes_max: u64,
    /// Payload of one command, in bytes.
    pub command_bytes_max: u64,
    /// Payload of one event, in bytes.
    pub event_bytes_max: u64,
    /// Events of one decision.
    pub events_per_command_max: u64,
    /// One saved state or document, in bytes.
    pub state_bytes_max: u64,
    /// Commands accepted but not yet acknowledged.
    pub commands_in_flight_max: u64,
    /// Aggregates whose state each worker keeps in guest memory.
    pub warm_states_max: u64,
    /// Diagnostics one guest call may emit, in bytes.
    pub diagnostics_bytes_max: u64,
}

impl Limits {
    pub const DEFAULT: Self = Self {
        fuel_per_call_max: 1_000_000_000,
        call_wall_ms_max: 1_000,
        memory_bytes_max: 256 * 1024 * 1024,
        command_bytes_max: 256 * 1024,
        event_bytes_max: 64 * 1024,
        events_per_command_max: 1_000,
        state_bytes_max: 16 * 1024 * 1024,
        commands_in_flight_max: 4_096,
        warm_states_max: 20_000,
        diagnostics_bytes_max: 16 * 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
