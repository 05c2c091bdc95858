//! Chooses the next read, fairly between tenants by the CPU time that their reads took. It serves several threads, and
//! one tenant never occupies all of them. It has no clock and no threads of its own.

use std::collections::VecDeque;

use foldhash::HashMap;
use polder_core::TenantName;

/// Tenants without reads are forgotten when the queue knows more tenants than this.
const QUIET_TENANTS_MAX: usize = 256;

pub(super) struct ReadQueue<T> {
    lines: HashMap<TenantName, Line<T>>,
    /// Reads of one tenant that may run at a time.
    running_per_tenant_max: usize,
    /// Reads that wait or run.
    count: usize,
    /// Time used by the tenant that was served last, at that moment. A new tenant starts with this value, so it cannot
    /// save up time.
    used_min: u64,
}

struct Line<T> {
    items: VecDeque<T>,
    running: usize,
    used: u64,
}

impl<T> ReadQueue<T> {
    pub(super) fn new(running_per_tenant_max: usize) -> Self {
        Self { lines: HashMap::default(), running_per_tenant_max, count: 0, used_min: 0 }
    }

    pub(super) fn push(&mut self, tenant: &TenantName, item: T) {
        self.line(tenant).items.push_back(item);
    }

    /// Queues a read before the tenant's other reads, because a read that has begun holds memory.
    pub(super) fn push_first(&mut self, tenant: &TenantName, item: T) {
        self.line(tenant).items.push_front(item);
    }

    /// The tenant's queue, counted for one more read.
    fn line(&mut self, tenant: &TenantName) -> &mut Line<T> {
        self.count += 1;
        let used_min = self.used_min;
        let new = || Line { items: VecDeque::new(), running: 0, used: used_min };
        let line = self.lines.entry(tenant.clone()).or_insert_with(new);
        if line.items.is_empty() && line.running == 0 {
            line.used = line.used.max(used_min);
        }
        line
    }

    /// Takes the next read. The caller must call [`finished`](Self::finished) after its turn.
    pub(super) fn pop(&mut self) -> Option<T> {
        let running_max = self.running_per_tenant_max;
        let waits = |line: &Line<T>| !line.items.is_empty() && line.running < running_max;
        let waiting = self.lines.values_mut().filter(|line| waits(line));
        // The time of a running read is not counted yet, so tenants with fewer running reads go first.
        let next = waiting.min_by_key(|line| (line.used, line.running))?;
        self.used_min = self.used_min.max(next.used);
        next.running += 1;
        next.items.pop_front()
    }

    /// Reports the end of a turn, which took `used` of CPU time.
    pub(super) fn finished(&mut self, tenant: &TenantName, used: u64) {
        if let Some(line) = self.lines.get_mut(tenant) {
            line.running -= 1;
            line.used = line.used.saturating_add(used);
            self.count -= 1;
            if self.count == 0 {
                // No read waits, so the time was not taken from any other tenant.
                self.used_min = self.used_min.max(line.used);
            }
        }
        if self.lines.len() > QUIET_TENANTS_MAX {
            // A tenant that has used more than the least-served one keeps its account.
            let used_min = self.used_min;
            self.lines.retain(|_, line| !line.items.is_empty() || line.running > 0 || line.used > used_min);
        }
    }

    /// Removes and returns the first of the tenant's reads that matches.
    pub(super) fn remove(&mut self, tenant: &TenantName, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let items = &mut self.lines.get_mut(tenant)?.items;
        let place = items.iter().position(is_it)?;
        self.count -= 1;
        items.remove(place)
    }

    pub(super) fn drain(&mut self) -> Vec<T> {
        let items: Vec<T> = self.lines.values_mut().flat_map(|line| line.items.drain(..)).collect();
        self.count -= items.len();
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantName {
        TenantName::new(name).unwrap()
    }

    #[test]
    fn time_is_shared_between_tenants_not_reads() {
        let (a, b) = (tenant("a"), tenant("b"));
        let mut queue = ReadQueue::new(1);
        for _ in 0..100 {
            queue.push(&a, (a.clone(), 100));
        }
        for _ in 0..1_000 {
            queue.push(&b, (b.clone(), 10));
        }
        let mut got = [0, 0];
        for _ in 0..220 {
            let (tenant, cost) = queue.pop().unwrap();
            queue.finished(&tenant, cost);
            got[usize::from(tenant == b)] += cost;
        }
        assert!(got[0].abs_diff(got[1]) <= 200, "{got:?}");
    }

    #[test]
    fn no_tenant_has_all_threads() {
        let (a, b) = (tenant("a"), tenant("b"));
        let mut queue = ReadQueue::new(1);
        queue.push(&a, "a-1");
        queue.push(&a, "a-2");
        assert_eq!(queue.pop(), Some("a-1"));
        assert_eq!(queue.pop(), None);
        queue.push(&b, "b-1");
        assert_eq!(queue.pop(), Some("b-1"));
        queue.finished(&a, 1_000);
        assert_eq!(queue.pop(), Some("a-2"));
    }

    #[test]
    fn a_read_that_has_begun_goes_before_others_of_its_tenant() {
        let a = tenant("a");
        let mut queue = ReadQueue::new(1);
        queue.push(&a, 1);
        queue.push(&a, 2);
        let begun = queue.pop().unwrap();
        queue.finished(&a, 5);
        queue.push_first(&a, begun);
        assert_eq!(queue.pop(), Some(1));
        assert_eq!((queue.remove(&a, |item| *item == 2), queue.remove(&a, |_| true)), (Some(2), None));
    }

    #[test]
    fn a_tenant_that_arrives_late_has_no_time_saved_up() {
        let (a, b) = (tenant("a"), tenant("b"));
        let mut queue = ReadQueue::new(1);
        for _ in 0..10 {
            queue.push(&a, &a);
            queue.pop().unwrap();
            queue.finished(&a, 100);
        }
        (0..10).for_each(|_| queue.push(&a, &a));
        (0..10).for_each(|_| queue.push(&b, &b));
        let mut in_turn = Vec::new();
        for _ in 0..8 {
            let next = queue.pop().unwrap();
            queue.finished(next, 100);
            in_turn.push(next.as_str());
        }
        assert!(in_turn.iter().filter(|name| **name == "b").count() <= 5, "{in_turn:?}");
    }

    #[test]
    fn quiet_tenants_are_forgotten() {
        let mut queue = ReadQueue::new(1);
        for number in 0..10 * QUIET_TENANTS_MAX {
            let tenant = tenant(&format!("t-{number}"));
            queue.push(&tenant, ());
            queue.pop().unwrap();
            queue.finished(&tenant, 1);
        }
        assert!(queue.lines.len() <= QUIET_TENANTS_MAX + 1, "{}", queue.lines.len());
    }
}
