//! Decides whose read is next: fair between tenants by the CPU time their reads took. Serves several threads, and no tenant has all of
//! them. Knows neither clocks nor threads.

use std::collections::VecDeque;

use foldhash::HashMap;
use polder_core::TenantName;

/// Tenants without a read are forgotten when the queue knows more than this many.
const QUIET_TENANTS_MAX: usize = 256;

pub(super) struct ReadQueue<T> {
    lines: HashMap<TenantName, Line<T>>,
    /// Reads of one tenant that run at a time.
    running_per_tenant_max: usize,
    /// Reads that wait or run.
    count: usize,
    /// What the tenant that was served last had used by then. A tenant that comes begins with this: it has saved nothing up.
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

    /// Before the tenant's other reads: what has begun holds memory.
    pub(super) fn push_first(&mut self, tenant: &TenantName, item: T) {
        self.line(tenant).items.push_front(item);
    }

    /// Of the tenant, for one more read.
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

    /// The next read. [`finished`](Self::finished) has to follow.
    pub(super) fn pop(&mut self) -> Option<T> {
        let running_max = self.running_per_tenant_max;
        let waits = |line: &Line<T>| !line.items.is_empty() && line.running < running_max;
        let waiting = self.lines.values_mut().filter(|line| waits(line));
        // One that runs already has used what nobody has counted yet.
        let next = waiting.min_by_key(|line| (line.used, line.running))?;
        self.used_min = self.used_min.max(next.used);
        next.running += 1;
        next.items.pop_front()
    }

    /// A read that was popped has had its turn, which took `used` of CPU time.
    pub(super) fn finished(&mut self, tenant: &TenantName, used: u64) {
        if let Some(line) = self.lines.get_mut(tenant) {
            line.running -= 1;
            line.used = line.used.saturating_add(used);
            self.count -= 1;
            if self.count == 0 {
                // Nobody waits: what was used was taken from nobody.
                self.used_min = self.used_min.max(line.used);
            }
        }
        if self.lines.len() > QUIET_TENANTS_MAX {
            // A tenant that has used more than the least must not come back as if it had not.
            let used_min = self.used_min;
            self.lines.retain(|_, line| !line.items.is_empty() || line.running > 0 || line.used > used_min);
        }
    }

    /// Takes out the first of the tenant's reads for which this is true.
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
    fn what_has_begun_goes_on_before_others_of_its_tenant_begin() {
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
    fn a_tenant_that_comes_late_has_saved_nothing_up() {
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
