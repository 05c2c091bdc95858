//! Simulates whole sets of hosts that join, leave and are killed, with a simulated clock: each journal has an owner
//! again in time, all hosts own about equally many, and then nothing moves any more.

use super::*;

const TICK: Duration = Duration::from_millis(100);
/// Ticks between two checks of a lease, and between two heartbeats of a host.
const LOOK_TICKS: u64 = 5;
/// The promised bound of the time to recover from the kill of a host.
const FAILOVER_MAX: Duration = Duration::from_secs(10);

/// A lease as in the bucket. The revision changes with each renewal.
#[derive(Default)]
struct Lease {
    owner: Option<String>,
    revision: u64,
}

struct Host {
    assignment: Assignment,
    /// The last revision seen of each lease, and since when it is unchanged.
    unchanged: Vec<(u64, Instant)>,
    /// The offset of its checks and heartbeats, in ticks.
    phase: u64,
    /// It sends heartbeats and does nothing else.
    is_stuck: bool,
    /// Journals that it has stopped owning without releasing the lease.
    dropped: BTreeSet<usize>,
}

struct World {
    journals: Journals,
    start: Instant,
    ticks: u64,
    leases: Vec<Lease>,
    hosts: BTreeMap<String, Host>,
    /// How many times a journal was released for another host.
    released: usize,
    /// How many times a journal got an owner.
    taken: usize,
}

impl World {
    fn new(journals: u16) -> Self {
        let journals = Journals::new(journals).unwrap();
        let leases = journals.numbers().map(|_| Lease::default()).collect();
        Self { journals, start: Instant::now(), ticks: 0, leases, hosts: BTreeMap::new(), released: 0, taken: 0 }
    }

    fn now(&self) -> Instant {
        self.start + TICK * u32::try_from(self.ticks).unwrap()
    }

    fn join(&mut self, name: &str) {
        let assignment = Assignment::new(&name.into(), self.journals);
        let now = self.now();
        for (number, lease) in self.journals.numbers().zip(&self.leases) {
            assignment.saw(number, lease.owner.as_deref(), now);
        }
        let phase = name.bytes().map(u64::from).sum();
        let unchanged = vec![(u64::MAX, now); self.journals.count()];
        self.hosts
            .insert(name.to_owned(), Host { assignment, unchanged, phase, is_stuck: false, dropped: BTreeSet::new() });
    }

    fn kill(&mut self, name: &str) {
        self.hosts.remove(name).unwrap();
    }

    fn leave(&mut self, name: &str) {
        let heartbeat = self.hosts[name].assignment.leave();
        self.broadcast(&heartbeat);
    }

    fn broadcast(&self, heartbeat: &Heartbeat) {
        let mut answers = Vec::new();
        for host in self.hosts.values() {
            if host.assignment.heard(heartbeat.clone(), self.now()) {
                answers.extend(host.assignment.heartbeat(self.now()));
            }
        }
        answers.iter().for_each(|answer| self.broadcast(answer));
    }

    fn tick(&mut self) {
        self.ticks += 1;
        let names: Vec<String> = self.hosts.keys().cloned().collect();
        for name in names {
            let beat = self.ticks + self.hosts[&name].phase;
            if beat.is_multiple_of(LOOK_TICKS)
                && let Some(heartbeat) = self.hosts[&name].assignment.heartbeat(self.now())
            {
                self.broadcast(&heartbeat);
            }
            for number in self.journals.numbers() {
                if (beat + number.index() as u64).is_multiple_of(LOOK_TICKS) && !self.hosts[&name].is_stuck {
                    self.look(&name, number);
                }
            }
        }
    }

    fn look(&mut self, name: &str, number: JournalNumber) {
        let now = self.now();
        let (lease, host) = (&mut self.leases[number.index()], self.hosts.get_mut(name).unwrap());
        if lease.owner.as_deref() == Some(name) && !host.dropped.contains(&number.index()) {
            let must_release = host.assignment.must_release(number, now);
            if must_release || host.assignment.lock().is_leaving {
                lease.owner = None;
                self.released += usize::from(must_release);
            }
            lease.revision += 1;
        } else {
            let unchanged = &mut host.unchanged[number.index()];
            if unchanged.0 != lease.revision {
                *unchanged = (lease.revision, now);
            }
            let is_free = lease.owner.is_none() || now.duration_since(unchanged.1) >= LEASE;
            host.assignment.saw(number, lease.owner.as_deref().filter(|_| !is_free), now);
            if !(host.assignment.may_take(number, now) && is_free) {
                return;
            }
            (lease.owner, lease.revision) = (Some(name.to_owned()), lease.revision + 1);
            host.dropped.remove(&number.index());
            self.taken += 1;
        }
        host.assignment.saw(number, lease.owner.as_deref(), now);
    }

    fn run(&mut self, time: Duration) {
        (0..time.as_millis() / TICK.as_millis()).for_each(|_| self.tick());
    }

    /// How many journals each present host owns.
    fn loads(&self) -> Vec<usize> {
        let load = |name| self.leases.iter().filter(|lease| lease.owner.as_ref() == Some(name)).count();
        self.hosts.iter().filter(|(_, host)| !host.assignment.lock().is_leaving).map(|(name, _)| load(name)).collect()
    }

    fn is_settled(&self) -> bool {
        let loads = self.loads();
        let is_even = loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0) <= 1;
        loads.iter().sum::<usize>() == self.journals.count() && is_even
    }

    /// Checks that nothing moves for a minute.
    #[track_caller]
    fn check_calm(&mut self) {
        assert!(self.is_settled(), "{:?}", self.loads());
        let before = (self.loads(), self.taken);
        self.run(Duration::from_secs(60));
        assert_eq!((self.loads(), self.taken), before);
    }
}

#[test]
fn a_new_host_gets_its_share_and_nothing_else_moves() {
    let mut world = World::new(6);
    world.join("a");
    world.run(Duration::from_secs(1));
    assert_eq!((world.loads(), world.taken), (vec![6], 6), "at once");
    world.join("b");
    world.run(FAILOVER_MAX);
    assert_eq!((world.loads(), world.released), (vec![3, 3], 3));
    world.join("c");
    world.run(FAILOVER_MAX);
    assert_eq!((world.loads(), world.released, world.taken), (vec![2, 2, 2], 5, 11));
    world.check_calm();
}

#[test]
fn hosts_that_start_together_divide_the_journals() {
    for journals in [1, 2, 3, 5, 16] {
        let mut world = World::new(journals);
        ["a", "bb", "ccc"].iter().for_each(|name| world.join(name));
        world.run(Duration::from_secs(30));
        world.check_calm();
    }
}

#[test]
fn the_journals_of_a_killed_host_are_divided_among_the_others_in_time() {
    let mut world = World::new(6);
    ["a", "b", "c"].iter().for_each(|name| world.join(name));
    world.run(Duration::from_secs(30));
    let released = world.released;
    world.kill("b");
    world.run(FAILOVER_MAX);
    assert_eq!((world.loads(), world.released), (vec![3, 3], released));
    world.kill("a");
    world.run(FAILOVER_MAX);
    assert_eq!((world.loads(), world.released), (vec![6], released));
    world.check_calm();
}

#[test]
fn the_others_own_all_journals_of_a_host_that_leaves() {
    let mut world = World::new(6);
    ["a", "b", "c"].iter().for_each(|name| world.join(name));
    world.run(Duration::from_secs(30));
    world.leave("c");
    world.run(Duration::from_secs(2));
    assert_eq!(world.loads(), [3, 3], "without waiting for anything to run out");
    world.check_calm();
    assert!(world.leases.iter().all(|lease| lease.owner.as_deref() != Some("c")));
}

#[test]
fn a_journal_of_a_stuck_host_is_taken_by_another() {
    let mut world = World::new(2);
    ["a", "b"].iter().for_each(|name| world.join(name));
    world.run(Duration::from_secs(30));
    let stuck = world.leases[0].owner.clone().unwrap();
    world.hosts.get_mut(&stuck).unwrap().is_stuck = true;
    world.run(FAILOVER_MAX);
    assert!(world.leases.iter().all(|lease| lease.owner.as_ref() != Some(&stuck)));
    let taken = world.taken;
    world.run(Duration::from_secs(60));
    assert_eq!(world.taken, taken, "nothing is released for it");
}

/// The situation while the servers are away: the host can neither append nor release its lease.
#[test]
fn a_journal_that_a_present_host_dropped_has_an_owner_again_in_time() {
    let mut world = World::new(3);
    ["a", "b"].iter().for_each(|name| world.join(name));
    world.run(Duration::from_secs(30));
    for index in 0..3 {
        let owner = world.leases[index].owner.clone().unwrap();
        world.hosts.get_mut(&owner).unwrap().dropped.insert(index);
    }
    world.run(FAILOVER_MAX);
    for (index, lease) in world.leases.iter().enumerate() {
        assert!(!world.hosts[lease.owner.as_ref().unwrap()].dropped.contains(&index));
    }
    world.check_calm();
}

#[test]
fn a_journal_that_is_not_taken_in_time_may_go_to_any_host() {
    let (assignment, journal, start) =
        (Assignment::new(&"b".into(), Journals::ONE), JournalNumber::FIRST, Instant::now());
    let may_take = |after: Duration| {
        let now = start + after;
        assignment.heard(Heartbeat { host: "a".to_owned(), is_leaving: false }, now);
        assignment.saw(journal, None, now);
        assignment.may_take(journal, now)
    };
    assert!(!may_take(Duration::ZERO), "it falls to a");
    assert!(!may_take(LEASE - TICK));
    assert!(may_take(LEASE));
    assignment.leave();
    assert!(!may_take(LEASE * 2));
}

#[test]
fn after_any_joins_and_kills_every_journal_has_an_owner_and_nothing_moves() {
    for seed in 1..=200_u64 {
        let mut state = seed;
        // xorshift: the same numbers on every machine.
        let mut below = |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % bound
        };
        let mut world = World::new(1 + below(12) as u16);
        for number in 0..below(20) {
            let names: Vec<String> = world.hosts.keys().cloned().collect();
            match below(3) {
                0 if !names.is_empty() => world.kill(&names[below(names.len() as u64) as usize]),
                1 if !names.is_empty() => world.leave(&names[below(names.len() as u64) as usize]),
                _ => world.join(&format!("host-{number}")),
            }
            world.run(TICK * below(80) as u32);
        }
        world.join("last");
        // Each journal may have to move once, one after the other.
        world.run(LEASE * 2 + Duration::from_secs(2) * world.journals.count() as u32);
        assert!(world.is_settled(), "seed {seed}: {:?}", world.loads());
        let (taken, released) = (world.taken, world.released);
        world.check_calm();
        assert_eq!((world.taken, world.released), (taken, released), "seed {seed}");
    }
}
