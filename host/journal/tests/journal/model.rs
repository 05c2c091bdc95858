//! Random histories on a failing disk, compared with a plain list. The journal must contain every acknowledged
//! record once and in order. It may also contain the first records of a failed append, and nothing else.

use std::hash::{BuildHasher as _, RandomState};

use polder_journal::disk::{Fault, FaultyDisk};
use polder_journal::{AppendError, OpenError, Reader, Writer, verify_on};

use crate::support::{Model, Remembered, Wish, accept, keys, open_on, reject};

/// Number of seeds that one run tries. `POLDER_HISTORIES` sets another number, `POLDER_SEED` runs one seed only.
const HISTORIES: u64 = 400;
const STEPS: u64 = 24;

#[test]
fn nothing_acknowledged_is_lost() {
    if let Ok(seed) = std::env::var("POLDER_SEED") {
        history(seed.parse().expect("POLDER_SEED is a number"));
        return;
    }
    let histories =
        std::env::var("POLDER_HISTORIES").map_or(HISTORIES, |text| text.parse().expect("POLDER_HISTORIES is a number"));
    let first = RandomState::new().hash_one(0_u8) >> 16;
    println!("seeds {first} to {}", first + histories - 1);
    (first..first + histories).for_each(history);
}

/// Prints the seed when a history fails.
struct PrintSeed(u64);

impl Drop for PrintSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with POLDER_SEED={}", self.0);
        }
    }
}

fn history(seed: u64) {
    let _print = PrintSeed(seed);
    let mut random = Random(seed);
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        match random.below(10) {
            0 => world.close(&mut random),
            1 => world.kill(false, &mut random),
            2 => world.kill(true, &mut random),
            3 | 4 => world.fail_soon(&mut random),
            _ => {
                let wishes = random.wishes();
                world.append(&wishes);
            }
        }
    }
    world.kill(true, &mut random);
}

struct World {
    disk: FaultyDisk,
    model: Model,
    /// The records of the last append that failed.
    maybe: Vec<Remembered>,
    open: Option<(Writer, Reader)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self { disk: FaultyDisk::new(seed), model: Model::default(), maybe: Vec::new(), open: None };
        world.open(&mut Random(seed));
        world
    }

    /// Opens the journal, again and again until it succeeds. A fault during opening ends another process.
    fn open(&mut self, random: &mut Random) {
        loop {
            match open_on(&self.disk) {
                Ok((writer, reader, _)) => {
                    self.model.adopt(&reader, std::mem::take(&mut self.maybe));
                    self.model.check(&reader);
                    self.open = Some((writer, reader));
                    return;
                }
                Err(OpenError::Io { .. }) => self.next_process(random.below(2) == 0, random),
                Err(error) => panic!("nothing was damaged, yet: {error}"),
            }
        }
    }

    fn append(&mut self, wishes: &[Wish]) {
        let Some((writer, reader)) = &mut self.open else { return };
        let Err((error, maybe)) = self.model.append(writer, wishes) else { return };
        if self.maybe.is_empty() {
            self.maybe = maybe;
        } else {
            // None of these records may be there, so they are not kept in the model.
            assert!(matches!(error, AppendError::Poisoned { .. }), "{error}");
        }
        // A disk without power cannot be read; a disk that only failed a write can.
        if verify_on(&self.disk, &keys()).is_ok() {
            let mut model = self.model.clone();
            model.adopt(reader, self.maybe.clone());
            model.check(reader);
        }
    }

    fn close(&mut self, random: &mut Random) {
        let Some((writer, reader)) = self.open.take() else { return };
        let closed = writer.close().is_ok();
        assert!(!closed || self.maybe.is_empty(), "closed in order after a failed append");
        drop(reader);
        self.next_process(false, random);
        self.open(random);
    }

    fn kill(&mut self, power_loss: bool, random: &mut Random) {
        self.open = None;
        self.next_process(power_loss, random);
        self.open(random);
        verify_on(&self.disk, &keys()).unwrap();
    }

    /// Starts the next process, sometimes with a fault ahead, because opening writes too.
    fn next_process(&mut self, power_loss: bool, random: &mut Random) {
        self.disk = if power_loss { self.disk.after_power_loss() } else { self.disk.after_restart() };
        if random.below(3) == 0 {
            self.fail_soon(random);
        }
    }

    fn fail_soon(&mut self, random: &mut Random) {
        let fault = [Fault::Error, Fault::NoSpace, Fault::PowerLoss][random.below(3) as usize];
        self.disk.fail_at(self.disk.calls() + 1 + random.below(8), fault);
    }
}

/// A random number generator: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % bound
    }

    fn wishes(&mut self) -> Vec<Wish> {
        (0..1 + self.below(6)).map(|_| self.wish()).collect()
    }

    fn wish(&mut self) -> Wish {
        let tenant = ["main", "other", "quiet"][self.below(3) as usize];
        let aggregate = self.below(4) as u8;
        match self.below(36) {
            0..3 => reject(tenant, aggregate),
            3..6 => accept(tenant, aggregate, &[]),
            6..9 => accept(tenant, aggregate, &[self.below(12_000) as usize]),
            // Larger than a frame. These are rare, because every opening compares all of it.
            9 => accept(tenant, aggregate, &[140_000, 140_000]),
            10..13 => {
                let sizes: Vec<_> = (0..1 + self.below(5)).map(|_| self.below(300) as usize).collect();
                accept(tenant, aggregate, &sizes)
            }
            _ => accept(tenant, aggregate, &[self.below(100) as usize]),
        }
    }
}
