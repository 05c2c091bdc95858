//! Callers of a host in this process. Each sends its next command after the acknowledgement of the one before.

pub(crate) mod orders;
pub(crate) mod paced;
pub(crate) mod spread;

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

use orders::Orders;
use spread::{Draw, Spread};

/// Callers that write a history with [`fill`].
const FILLING: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
/// Smallest number of callers that write the history before the clock starts.
const PREPARING: usize = 256;

pub(crate) struct Load {
    pub(crate) host: Host,
    pub(crate) orders: Rc<Orders>,
    in_flight: NonZeroUsize,
}

/// The end of a run.
#[derive(Clone, Copy)]
pub(crate) enum RunLength {
    Commands(usize),
    For(Duration),
}

/// Result of a run.
pub(crate) struct Run {
    pub(crate) commands: usize,
    pub(crate) took: Duration,
    pub(crate) times: Vec<Duration>,
}

impl Load {
    /// A load of new orders, for a tenant that has the domain.
    pub(crate) fn new(
        host: Host,
        aggregates: usize,
        in_flight: NonZeroUsize,
        spread: Spread,
        lines: usize,
    ) -> anyhow::Result<Self> {
        Ok(Self::on(host, Rc::new(Orders::new(aggregates, spread, lines)?), in_flight))
    }

    /// A load that continues these orders, on a host that has their history.
    pub(crate) fn on(host: Host, orders: Rc<Orders>, in_flight: NonZeroUsize) -> Self {
        Self { host, orders, in_flight }
    }

    /// Makes every order with its lines, so that it exists and is warm. Uses many callers at once, however few there
    /// are afterwards.
    pub(crate) fn prepare(&self) -> anyhow::Result<()> {
        let commands = self.orders.steps_to_prepare() * self.orders.count();
        self.write(Draw::in_turn(0..self.orders.count()), commands).map(drop)
    }

    /// Sends this many commands to the drawn orders, with many callers at once, however few there are afterwards.
    pub(crate) fn age(&self, commands: usize) -> anyhow::Result<Run> {
        self.run_with(PREPARING.max(self.in_flight.get()), RunLength::Commands(commands))
    }

    /// Writes a history of this many events, one order after another, as when orders come and go and only the newest
    /// are active.
    pub(crate) fn write_history(&self, events: usize) -> anyhow::Result<Run> {
        let each = events.div_ceil(self.orders.count());
        self.write(Draw::one_after_the_other(self.orders.count(), each), events)
    }

    fn write(&self, draw: Draw, commands: usize) -> anyhow::Result<Run> {
        let before = self.orders.draw_by(draw);
        let run = self.age(commands)?;
        self.orders.draw_by(before);
        Ok(run)
    }

    /// Keeps `in_flight` commands in flight: each acknowledgement lets the next command out.
    pub(crate) fn run(&self, amount: RunLength) -> anyhow::Result<Run> {
        self.run_with(self.in_flight.get(), amount)
    }

    fn run_with(&self, in_flight: usize, amount: RunLength) -> anyhow::Result<Run> {
        let began = Instant::now();
        let rest = RefCell::new(Rest::new(amount, began));
        // This executor only waits. The work of a full runtime would count as the host's time.
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

/// Sends `events` commands, each of which records an event. The host must have the orders domain, and no orders yet.
pub(crate) fn fill(host: &Host, events: usize, aggregates: usize) -> anyhow::Result<Run> {
    ensure!(events >= aggregates, "fewer events than aggregates: {events} are fewer than {aggregates}");
    Load::new(host.clone(), aggregates, FILLING, Spread::Uniform, 0)?.run(RunLength::Commands(events))
}

/// Yields once before the thread sleeps. A thread that delivers one answer usually has more, and would be interrupted
/// after each one to wake this thread.
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

/// The rest of a run that is still to be sent.
enum Rest {
    Commands(usize),
    Until(Instant),
}

impl Rest {
    fn new(amount: RunLength, began: Instant) -> Self {
        match amount {
            RunLength::Commands(count) => Self::Commands(count),
            RunLength::For(time) => Self::Until(began + time),
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
