//! Random histories on a disk that fails, against a plain list: whatever an append returned for is there, in order, once;
//! of what was being appended when it failed there may be a beginning, and nothing else.

use std::hash::{BuildHasher as _, RandomState};

use polder_journal::disk::{Fault, FaultyDisk};
use polder_journal::{OpenError, Reader, Writer, verify_on};

use crate::support::{Model, Remembered, Wish, accept, open_on, reject};

const HISTORIES: u64 = 400;
const STEPS: u64 = 24;

#[test]
fn nothing_acknowledged_is_lost() {
    if let Ok(seed) = std::env::var("POLDER_SEED") {
        history(seed.parse().expect("POLDER_SEED is a number"));
        return;
    }
    let first = RandomState::new().hash_one(0_u8) >> 16;
    println!("seeds {first} to {}", first + HISTORIES - 1);
    (first..first + HISTORIES).for_each(history);
}

/// Says which seed it was when a history fails.
struct SaySeed(u64);

impl Drop for SaySeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with POLDER_SEED={}", self.0);
        }
    }
}

fn history(seed: u64) {
    let _say = SaySeed(seed);
    let mut random = Random(seed);
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        match random.below(10) {
            0 => world.close(),
            1 => world.kill(false),
            2 => world.kill(true),
            3 | 4 => world.fail_soon(&mut random),
            _ => {
                let wishes = random.wishes();
                world.append(&wishes);
            }
        }
    }
    world.kill(true);
}

struct World {
    disk: FaultyDisk,
    model: Model,
    /// What the last append tried that failed.
    maybe: Vec<Remembered>,
    open: Option<(Writer, Reader)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self { disk: FaultyDisk::new(seed), model: Model::default(), maybe: Vec::new(), open: None };
        world.open();
        world
    }

    /// Until it succeeds: a fault on the way is the end of one more process.
    fn open(&mut self) {
        loop {
            match open_on(&self.disk) {
                Ok((writer, reader, _)) => {
                    self.model.adopt(&reader, std::mem::take(&mut self.maybe));
                    self.model.check(&reader);
                    self.open = Some((writer, reader));
                    return;
                }
                Err(OpenError::Io { .. }) => self.disk = self.disk.after_power_loss(),
                Err(error) => panic!("nothing was damaged, yet: {error}"),
            }
        }
    }

    fn append(&mut self, wishes: &[Wish]) {
        let Some((writer, reader)) = &mut self.open else { return };
        if let Err((_, maybe)) = self.model.append(writer, wishes) {
            let again = self.model.append(writer, wishes).unwrap_err();
            assert!(again.0.to_string().contains("nothing more"), "{}", again.0);
            // A disk without power cannot be read; one that refused a write can.
            if verify_on(&self.disk).is_ok() {
                let mut model = self.model.clone();
                model.adopt(reader, maybe.clone());
                model.check(reader);
            }
            self.maybe = maybe;
        }
    }

    fn close(&mut self) {
        let Some((writer, reader)) = self.open.take() else { return };
        let closed = writer.close().is_ok();
        drop(reader);
        self.disk = self.disk.after_restart();
        self.open();
        assert!(!closed || self.maybe.is_empty());
    }

    fn kill(&mut self, power_loss: bool) {
        self.open = None;
        self.disk = if power_loss { self.disk.after_power_loss() } else { self.disk.after_restart() };
        self.open();
        verify_on(&self.disk).unwrap();
    }

    fn fail_soon(&mut self, random: &mut Random) {
        let fault = [Fault::Error, Fault::NoSpace, Fault::PowerLoss][random.below(3) as usize];
        self.disk.fail_at(self.disk.calls() + 1 + random.below(8), fault);
    }
}

/// SplitMix64.
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
        match self.below(12) {
            0 => reject(tenant, aggregate),
            1 => accept(tenant, aggregate, &[]),
            2 => accept(tenant, aggregate, &[self.below(12_000) as usize]),
            3 => accept(tenant, aggregate, &[140_000, 140_000]),
            4 => {
                let sizes: Vec<_> = (0..1 + self.below(5)).map(|_| self.below(300) as usize).collect();
                accept(tenant, aggregate, &sizes)
            }
            _ => accept(tenant, aggregate, &[self.below(100) as usize]),
        }
    }
}
