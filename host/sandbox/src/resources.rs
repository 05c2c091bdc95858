//! Limits what one instance may hold: linear memory, tables, instances. Refuses further growth and remembers that it
//! did, because the guest then aborts without a reason. Linear memory is reserved from the host's budget as it grows.

use polder_core::{Limits, MemoryBudget, MemoryExhausted, MemoryPurpose, MemoryReservation};
use wasmtime::ResourceLimiter;

/// Maximum linear memory of an instance, in bytes, whatever the tenant's limit is. Neither fuel nor the watchdog is
/// checked within one bulk instruction, and filling this much memory takes a fraction of a second.
pub const MEMORY_BYTES_CEILING: u64 = 1024 * 1024 * 1024;
/// Maximum number of elements in all tables of one instance. Each costs the host a pointer.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Maximum number of handles that one instance may have issued and not got back. Each costs the host about 32 bytes.
pub const HANDLES_MAX: usize = 500_000;

/// Maximum number of core modules of one component: the author's, and those that the encoder adds.
const CORE_INSTANCES_MAX: usize = 64;
const MEMORIES_MAX: usize = 4;
const TABLES_MAX: usize = 16;

pub(crate) struct Resources {
    memory_bytes_max: usize,
    memory_bytes: usize,
    /// The reservation in the host's budget, always `memory_bytes` bytes.
    reserved: MemoryReservation,
    /// Set if the host's budget refused growth since the call began.
    pub(crate) host_exhausted: Option<MemoryExhausted>,
    memory_bytes_granted_last: usize,
    pub(crate) table_elements_max: usize,
    table_elements: usize,
    /// Whether growth was refused since the call began.
    pub(crate) exhausted: bool,
}

pub(crate) fn memory_bytes_max(limits: &Limits) -> u64 {
    limits.memory_bytes_max.min(MEMORY_BYTES_CEILING)
}

impl Resources {
    pub(crate) fn new(limits: &Limits, budget: &MemoryBudget) -> Self {
        Self {
            memory_bytes_max: usize::try_from(memory_bytes_max(limits)).unwrap_or(usize::MAX),
            memory_bytes: 0,
            reserved: budget.reserve_nothing(MemoryPurpose::Guests),
            host_exhausted: None,
            memory_bytes_granted_last: 0,
            table_elements_max: TABLE_ELEMENTS_MAX,
            table_elements: 0,
            exhausted: false,
        }
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes as u64
    }
}

impl ResourceLimiter for Resources {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired.saturating_sub(current);
        let total = self.memory_bytes.saturating_add(granted);
        if total > self.memory_bytes_max || maximum.is_some_and(|maximum| desired > maximum) {
            self.exhausted = true;
            return Ok(false);
        }
        // The error becomes a trap. A guest that continued with less memory might decide differently than on another
        // day.
        self.reserved.grow(granted as u64).map_err(|exhausted| {
            self.host_exhausted = Some(exhausted.clone());
            wasmtime::Error::new(exhausted)
        })?;
        self.memory_bytes = total;
        self.memory_bytes_granted_last = granted;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // The machine had less memory than the tenant's limit. For the guest this is the same as reaching the limit.
        self.memory_bytes -= self.memory_bytes_granted_last;
        self.memory_bytes_granted_last = 0;
        self.reserved.shrink_to(self.memory_bytes as u64);
        self.exhausted = true;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.table_elements_max || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(memory_bytes_max: u64) -> Resources {
        Resources::new(&Limits { memory_bytes_max, ..Limits::DEFAULT }, &MemoryBudget::unlimited())
    }

    #[test]
    fn growth_is_reserved_from_the_hosts_budget_and_given_back() {
        let budget = MemoryBudget::new(400);
        let limits = Limits { memory_bytes_max: 300, ..Limits::DEFAULT };
        let (mut one, mut other) = (Resources::new(&limits, &budget), Resources::new(&limits, &budget));
        assert!(one.memory_growing(0, 200, None).unwrap());
        let refused = other.memory_growing(0, 101, None).unwrap_err();
        assert!(refused.to_string().contains("200 of the 300 bytes that memory_bytes_max leaves"), "{refused}");
        assert_eq!(other.host_exhausted.as_ref().map(|exhausted| exhausted.used), Some(200));
        assert_eq!((other.memory_bytes(), budget.used_by(MemoryPurpose::Guests)), (0, 200));
        one.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(other.memory_growing(0, 100, None).unwrap());
        drop((one, other));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn the_sum_of_all_memories_counts() {
        let mut resources = resources(300);
        assert!(resources.memory_growing(0, 100, None).unwrap());
        assert!(resources.memory_growing(0, 100, None).unwrap());
        assert!(resources.memory_growing(100, 200, None).unwrap());
        assert!(!resources.exhausted);
        assert!(!resources.memory_growing(100, 101, None).unwrap());
        assert!(resources.exhausted);
        assert_eq!(resources.memory_bytes(), 300);
    }

    #[test]
    fn memory_that_the_machine_refused_is_not_counted() {
        let mut resources = resources(300);
        assert!(resources.memory_growing(0, 300, None).unwrap());
        resources.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert_eq!(resources.memory_bytes(), 0);
        assert!(resources.exhausted);
    }

    #[test]
    fn a_tenant_cannot_be_given_more_than_the_ceiling() {
        assert_eq!(resources(u64::MAX).memory_bytes_max as u64, MEMORY_BYTES_CEILING);
    }

    #[test]
    fn tables_are_counted_together() {
        let mut resources = resources(0);
        assert!(resources.table_growing(0, TABLE_ELEMENTS_MAX, None).unwrap());
        assert!(!resources.table_growing(0, 1, None).unwrap());
    }
}
