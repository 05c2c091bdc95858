//! The open connections and their bounds: in all, per address, and in memory. When there is no room, a new connection
//! evicts the one that has kept the host waiting longest, so that idle connections never lock others out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polder_core::{MemoryBudget, MemoryPurpose, MemoryReservation};

use super::connection_state::ConnectionState;

/// The most open connections. Fewer where descriptors or memory allow fewer.
const CONNECTIONS_MAX: u64 = 16 * 1024;
/// The divisor of the process's descriptors for connections. The journal, views and NATS need the rest.
const DESCRIPTORS_PER_CONNECTION: u64 = 2;
/// The share of one address in the connections, in quarters.
const QUARTERS_PER_ADDRESS: u64 = 3;
/// The memory that one connection is counted with, in bytes: an arriving head and a leaving answer.
pub(crate) const CONNECTION_BYTES: u64 = 32 * 1024;
/// The bits that identify an IPv6 customer, which usually has 64 bits of addresses: they count as one address.
const IPV6_NETWORK: u128 = !(u64::MAX as u128);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) connections_max: u64,
    pub(crate) connections_per_address_max: u64,
}

impl Bounds {
    pub(crate) fn new(descriptors_max: u64, memory: &MemoryBudget) -> Self {
        let by_memory = memory.bytes_max_for(MemoryPurpose::Connections) / CONNECTION_BYTES;
        let connections_max = CONNECTIONS_MAX.min(descriptors_max / DESCRIPTORS_PER_CONNECTION).min(by_memory).max(4);
        Self { connections_max, connections_per_address_max: connections_max * QUARTERS_PER_ADDRESS / 4 }
    }
}

pub(crate) struct Connections {
    bounds: Bounds,
    memory: MemoryBudget,
    open: Mutex<Open>,
    refused: AtomicU64,
    evicted: AtomicU64,
}

#[derive(Default)]
struct Open {
    number: u64,
    entries: HashMap<u64, Entry>,
    per_address: HashMap<IpAddr, u64>,
}

struct Entry {
    address: IpAddr,
    state: Arc<ConnectionState>,
    _held: MemoryReservation,
}

/// The slot of one open connection. Dropping it frees the slot.
pub(crate) struct ConnectionSlot {
    connections: Arc<Connections>,
    number: u64,
    pub(crate) state: Arc<ConnectionState>,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        // An evicted connection is not in the list any more.
        self.connections.open().remove(self.number);
    }
}

impl Connections {
    pub(crate) fn new(bounds: Bounds, memory: MemoryBudget) -> Self {
        Self { bounds, memory, open: Mutex::default(), refused: AtomicU64::new(0), evicted: AtomicU64::new(0) }
    }

    /// Admits a connection. `None` if all slots are taken by connections that are being served.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let address = network(address);
        let mut open = self.open();
        let from_here = open.per_address.get(&address).copied().unwrap_or(0);
        let has_room = if from_here >= self.bounds.connections_per_address_max {
            self.evict(&mut open, Some(address))
        } else {
            (open.entries.len() as u64) < self.bounds.connections_max || self.evict(&mut open, None)
        };
        let held = has_room.then(|| self.held(&mut open)).flatten();
        let Some(held) = held else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let state = Arc::new(ConnectionState::default());
        state.waits();
        open.number += 1;
        let number = open.number;
        *open.per_address.entry(address).or_insert(0) += 1;
        open.entries.insert(number, Entry { address, state: Arc::clone(&state), _held: held });
        Some(ConnectionSlot { connections: Arc::clone(self), number, state })
    }

    /// Frees a slot when the system has no descriptor left. Returns false if no connection is waiting.
    pub(crate) fn evict_one(&self) -> bool {
        self.evict(&mut self.open(), None)
    }

    pub(crate) fn metrics(&self) -> String {
        let open = self.open().entries.len();
        let (refused, evicted) = (self.refused.load(Ordering::Relaxed), self.evicted.load(Ordering::Relaxed));
        format!(
            "# HELP polder_connections Open connections.\n# TYPE polder_connections gauge\npolder_connections {open}\n\
             # HELP polder_connections_max Connections that may be open.\n# TYPE polder_connections_max gauge\n\
             polder_connections_max {}\n\
             # HELP polder_connections_refused_total Connections for which there was no place.\n\
             # TYPE polder_connections_refused_total counter\npolder_connections_refused_total {refused}\n\
             # HELP polder_connections_evicted_total Connections that were closed for a new one, since they had waited longest.\n\
             # TYPE polder_connections_evicted_total counter\npolder_connections_evicted_total {evicted}\n",
            self.bounds.connections_max
        )
    }

    fn held(&self, open: &mut Open) -> Option<MemoryReservation> {
        let reserve = || self.memory.try_reserve(MemoryPurpose::Connections, CONNECTION_BYTES).ok();
        reserve().or_else(|| self.evict(open, None).then(reserve).flatten())
    }

    /// Evicts the connection that waits longest, of one address or of all. Scans all connections, which takes some ten
    /// microseconds, and happens only when there is no room.
    fn evict(&self, open: &mut Open, address: Option<IpAddr>) -> bool {
        let waiting = open.entries.iter().filter(|(_, entry)| address.is_none_or(|address| entry.address == address));
        let since = |entry: &Entry| entry.state.waiting_since_ms();
        let longest =
            waiting.filter(|(_, entry)| since(entry) > 0).min_by_key(|(number, entry)| (since(entry), **number));
        let Some((number, entry)) = longest.map(|(number, entry)| (*number, Arc::clone(&entry.state))) else {
            return false;
        };
        entry.evict();
        open.remove(number);
        self.evicted.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn remove(&mut self, number: u64) {
        let Some(entry) = self.entries.remove(&number) else { return };
        if let Some(count) = self.per_address.get_mut(&entry.address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&entry.address);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(connections_max: u64, connections_per_address_max: u64) -> Arc<Connections> {
        let bounds = Bounds { connections_max, connections_per_address_max };
        Arc::new(Connections::new(bounds, MemoryBudget::new(4 * 10 * CONNECTION_BYTES)))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn is_evicted(slot: &ConnectionSlot) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(20), slot.state.evicted()).await.is_ok()
    }

    #[test]
    fn bounds_follow_from_descriptors_and_memory() {
        let gib = 1024 * 1024 * 1024;
        let bounds = |descriptors, bytes_max| Bounds::new(descriptors, &MemoryBudget::new(bytes_max));
        let of = |descriptors, bytes_max| bounds(descriptors, bytes_max).connections_max;
        assert_eq!((of(1_000_000, 4 * gib), of(1_024, 4 * gib), of(1_000_000, gib)), (CONNECTIONS_MAX, 512, 8_192));
        assert_eq!(bounds(1_024, gib).connections_per_address_max, 384);
    }

    #[tokio::test]
    async fn a_new_connection_takes_the_slot_of_the_one_that_waits_longest() {
        let all = connections(3, 3);
        let first = all.admit(address("10.0.0.1")).unwrap();
        let second = all.admit(address("10.0.0.2")).unwrap();
        let third = all.admit(address("10.0.0.3")).unwrap();
        first.state.begin();
        let fourth = all.admit(address("10.0.0.4")).unwrap();
        assert!(is_evicted(&second).await && !is_evicted(&first).await && !is_evicted(&third).await);
        for slot in [&third, &fourth] {
            slot.state.begin();
        }
        assert!(all.admit(address("10.0.0.5")).is_none(), "all are served");
        first.state.end();
        assert!(all.admit(address("10.0.0.5")).is_some() && is_evicted(&first).await);
        assert_eq!(all.open().entries.len(), 2, "the last one was dropped at once");
    }

    #[tokio::test]
    async fn one_address_takes_slots_from_itself_only() {
        let all = connections(4, 2);
        let other = all.admit(address("10.0.0.9")).unwrap();
        let slots: Vec<_> = (0..3).map(|_| all.admit(address("10.0.0.1")).unwrap()).collect();
        assert!(is_evicted(&slots[0]).await && !is_evicted(&slots[1]).await && !is_evicted(&other).await);
        drop(slots);
        assert_eq!(all.open().per_address.len(), 1);
        // All addresses of one IPv6 network count as one, and an IPv4-mapped address counts as its IPv4 address.
        let slots: Vec<_> =
            ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|text| all.admit(address(text)).unwrap()).into();
        assert!(is_evicted(&slots[0]).await);
        assert_eq!(network(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }

    #[test]
    fn each_connection_reserves_memory_and_releases_it() {
        let all = connections(100, 100);
        let slots: Vec<_> = (0..10).map(|_| all.admit(address("10.0.0.1")).unwrap()).collect();
        slots.iter().for_each(|slot| slot.state.begin());
        assert!(all.admit(address("10.0.0.1")).is_none(), "the memory is in use");
        slots[3].state.end();
        assert!(all.admit(address("10.0.0.1")).is_some());
        drop(slots);
        assert_eq!(all.memory.used(), 0);
        assert!(all.metrics().contains("\npolder_connections_refused_total 1\n"));
    }
}
