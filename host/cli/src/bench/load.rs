//! Callers of a host in this process: each sends its next command when the one before is acknowledged.

use std::cell::RefCell;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::executor::block_on;
use futures::stream::{FuturesUnordered, TryStreamExt as _};
use polder_core::CommandStatus;
use polder_engine::Host;

use super::orders::Orders;
use super::spread::{Draw, Spread};

/// Callers that write what is there before the clock starts, at least.
const PREPARING: usize = 256;

pub(super) struct Load {
    pub(super) host: Host,
    pub(super) orders: Rc<Orders>,
    in_flight: NonZeroUsize,
}

/// When a run ends.
#[derive(Clone, Copy)]
pub(super) enum Amount {
    Commands(usize),
    For(Duration),
}

/// What one run gave.
pub(super) struct Run {
    pub(super) commands: usize,
    pub(super) took: Duration,
    pub(super) times: Vec<Duration>,
}

impl Load {
    /// Orders that nobody has drafted yet, for a tenant that has the domain.
    pub(super) fn new(
        host: Host,
        aggregates: usize,
        in_flight: NonZeroUsize,
        spread: Spread,
        lines: usize,
    ) -> anyhow::Result<Self> {
        Ok(Self::on(host, Rc::new(Orders::new(aggregates, spread, lines)?), in_flight))
    }

    /// Orders that are as far as they are, on a host that has their history.
    pub(super) fn on(host: Host, orders: Rc<Orders>, in_flight: NonZeroUsize) -> Self {
        Self { host, orders, in_flight }
    }

    /// Makes every order with its lines, so that it exists and is warm. By many callers at once, however few there are afterwards.
    pub(super) fn prepare(&self) -> anyhow::Result<()> {
        let commands = self.orders.steps_to_prepare() * self.orders.count();
        self.write(Draw::in_turn(0..self.orders.count()), commands).map(drop)
    }

    /// So many commands to the orders that are drawn, by many callers at once, however few there are afterwards.
    pub(super) fn age(&self, commands: usize) -> anyhow::Result<Run> {
        self.run_with(PREPARING.max(self.in_flight.get()), Amount::Commands(commands))
    }

    /// A history of so many events, one order after the other: as it is when orders come and go, and only the newest are at work.
    pub(super) fn write_history(&self, events: usize) -> anyhow::Result<Run> {
        let each = events.div_ceil(self.orders.count());
        self.write(Draw::one_after_the_other(self.orders.count(), each), events)
    }

    fn write(&self, draw: Draw, commands: usize) -> anyhow::Result<Run> {
        let before = self.orders.draw_by(draw);
        let run = self.age(commands)?;
        self.orders.draw_by(before);
        Ok(run)
    }

    /// `in_flight` commands at a time; each next one when one before is acknowledged.
    pub(super) fn run(&self, amount: Amount) -> anyhow::Result<Run> {
        self.run_with(self.in_flight.get(), amount)
    }

    fn run_with(&self, in_flight: usize, amount: Amount) -> anyhow::Result<Run> {
        let began = Instant::now();
        let rest = RefCell::new(Rest::new(amount, began));
        // No more than a place to wait at: what a runtime does beside would count as the host's time.
        let callers: FuturesUnordered<_> = (0..in_flight).map(|_| self.call(&rest)).collect();
        let times: Vec<Vec<Duration>> = block_on(patiently(callers.try_collect()))?;
        let times = times.concat();
        Ok(Run { commands: times.len(), took: began.elapsed(), times })
    }

    async fn call(&self, rest: &RefCell<Rest>) -> anyhow::Result<Vec<Duration>> {
        let mut times = Vec::new();
        let mut now = Instant::now();
        while rest.borrow_mut().has_more(now) {
            let (_, command) = self.orders.next()?;
            let began = Instant::now();
            let ack = self.host.submit(command).await?;
            now = Instant::now();
            times.push(now - began);
            let is_accepted = ack.status == CommandStatus::Accepted;
            ensure!(is_accepted, "{} refused {}: {:?}", ack.aggregate_id, ack.command_id, ack.reason);
        }
        Ok(times)
    }
}

/// Lets others run once before the thread goes to sleep: whoever brings one answer has more of them, and would be interrupted after each
/// to wake it again.
async fn patiently<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut has_waited = false;
    poll_fn(|context| {
        let polled = work.as_mut().poll(context);
        has_waited = polled.is_pending() && !has_waited;
        if has_waited {
            std::thread::yield_now();
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// What of a run is still to be sent.
enum Rest {
    Commands(usize),
    Until(Instant),
}

impl Rest {
    fn new(amount: Amount, began: Instant) -> Self {
        match amount {
            Amount::Commands(count) => Self::Commands(count),
            Amount::For(time) => Self::Until(began + time),
        }
    }

    fn has_more(&mut self, now: Instant) -> bool {
        match self {
            Self::Commands(0) => false,
            Self::Commands(rest) => {
                *rest -= 1;
                true
            }
            Self::Until(end) => now < *end,
        }
    }
}
