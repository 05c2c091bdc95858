//! The neighbour: sends commands of `orders` at a steady rate, each when it is due, whether earlier ones are answered
//! or not, and reads some of its own writes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use polder_core::Command;
use serde::Serialize;

use crate::figures::Latency;
use crate::load::orders::Orders;
use crate::load::spread::Spread;

use super::kept_connection::KeptConnection;

/// Connections that send. An order belongs to one of them, so that its commands keep their order.
const SENDERS: usize = 8;
/// Connections that read the neighbour's own writes, so that no command waits for a read.
const READERS: usize = 4;
const ORDERS: usize = 125 * SENDERS;
/// Every so many commands one is followed by a read.
const COMMANDS_PER_READ: usize = 50;
/// A command that could not be sent this long after the end of its round counts as failed.
const LATE_MAX: Duration = Duration::from_secs(30);
/// Time that a view may take to reach a command, at most: `timeout_ms` of the read.
const VIEW_WAIT_MS: u64 = 10_000;

pub(super) struct Neighbour {
    address: SocketAddr,
    senders: Vec<OrderSender>,
    pub(super) rate_per_second: f64,
}

/// What the neighbour saw in one round.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Round {
    pub(super) commands: usize,
    /// Commands that were not accepted, by the reason.
    pub(super) failed: BTreeMap<String, usize>,
    /// From the time when a command was due to its acceptance.
    pub(super) commands_latency: Option<Latency>,
    pub(super) reads: usize,
    pub(super) reads_failed: BTreeMap<String, usize>,
    /// From the acceptance of a command to the answer of a view that has seen it.
    pub(super) reads_latency: Option<Latency>,
    /// Requests that were sent again on a new connection, because the host had closed the old one.
    pub(super) sent_again: usize,
}

/// Times of good answers, and reasons of the others.
#[derive(Default)]
struct Answers {
    times: Vec<Duration>,
    failed: BTreeMap<String, usize>,
    sent_again: usize,
}

/// A command that was accepted, and is to be read.
struct Written {
    order: String,
    position: u64,
    at: Instant,
}

/// Sends the commands of some of the orders, on one connection.
struct OrderSender {
    number: usize,
    connection: KeptConnection,
    orders: Orders,
    /// Number of accepted commands of each order. A command that failed is sent again with the same id.
    steps: Vec<usize>,
}

impl Neighbour {
    /// Drafts the orders, and finds the rate: a tenth of what one connection reaches within `calibration`.
    pub(super) fn start(address: SocketAddr, calibration: Duration) -> anyhow::Result<Self> {
        let sender = |number| OrderSender::new(number, address);
        let mut senders = (0..SENDERS).map(sender).collect::<anyhow::Result<Vec<_>>>()?;
        for sender in &mut senders {
            for turn in 0..ORDERS / SENDERS {
                sender.send(turn)?;
            }
        }
        let (began, mut sent) = (Instant::now(), 0);
        while began.elapsed() < calibration {
            senders[0].send(sent)?;
            sent += 1;
        }
        let rate_per_second = sent as f64 / began.elapsed().as_secs_f64() / 10.0;
        Ok(Self { address, senders, rate_per_second })
    }

    /// Sends for this long, and then waits for the answers.
    pub(super) fn round(&mut self, length: Duration) -> anyhow::Result<Round> {
        let commands = ((self.rate_per_second * length.as_secs_f64()) as usize).max(COMMANDS_PER_READ);
        let plan = Plan { commands, interval: Duration::from_secs_f64(1.0 / self.rate_per_second) };
        let (written, to_read) = channel();
        let (to_read, address) = (Mutex::new(to_read), self.address);
        let (sent, read) = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read(address, &to_read))).collect();
            let began = Instant::now();
            let senders: Vec<_> = self
                .senders
                .iter_mut()
                .map(|sender| (sender, written.clone()))
                .map(|(sender, written)| scope.spawn(move || sender.send_all(plan, began, &written)))
                .collect();
            // Readers end when the last sender has dropped its end.
            drop(written);
            let sent: Vec<_> = senders.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            (sent, readers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>())
        });
        let (sent, read) = (Answers::sum(sent)?, Answers::sum(read)?);
        Ok(Round {
            commands,
            commands_latency: latency(sent.times),
            failed: sent.failed,
            reads: read.times.len() + read.failed.values().sum::<usize>(),
            reads_latency: latency(read.times),
            reads_failed: read.failed,
            sent_again: sent.sent_again + read.sent_again,
        })
    }

    /// Sends one command on a new connection, and reads it.
    pub(super) fn goes_on(&mut self) -> anyhow::Result<()> {
        let sender = &mut self.senders[0];
        sender.connection.close();
        let written = sender.send(0).context("a command")?;
        read_one(&mut KeptConnection::new(self.address), &written).context("a read of it")
    }
}

#[derive(Clone, Copy)]
struct Plan {
    commands: usize,
    interval: Duration,
}

impl OrderSender {
    fn new(number: usize, address: SocketAddr) -> anyhow::Result<Self> {
        let orders = Orders::new(ORDERS, Spread::Uniform, 0)?;
        Ok(Self { number, connection: KeptConnection::new(address), orders, steps: vec![0; ORDERS] })
    }

    /// Sends this connection's part of the commands.
    fn send_all(&mut self, plan: Plan, began: Instant, written: &Sender<Written>) -> Answers {
        let (mut answers, before) = (Answers::default(), self.connection.sent_again);
        let give_up = began + plan.interval * plan.commands as u32 + LATE_MAX;
        for (turn, number) in (self.number..plan.commands).step_by(SENDERS).enumerate() {
            let due = began + plan.interval * number as u32;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if Instant::now() > give_up {
                answers.fail("not sent in time".into());
                continue;
            }
            match self.send(turn) {
                Ok(accepted) => {
                    answers.times.push(accepted.at - due);
                    if number % COMMANDS_PER_READ == COMMANDS_PER_READ - 1 {
                        // The readers are there until the last sender has ended.
                        let _ = written.send(accepted);
                    }
                }
                Err(error) => answers.fail(format!("{error:#}")),
            }
        }
        answers.sent_again = self.connection.sent_again - before;
        answers
    }

    /// Sends the next command of one of this connection's orders, in turn.
    fn send(&mut self, turn: usize) -> anyhow::Result<Written> {
        let order = (turn * SENDERS + self.number) % ORDERS;
        let command = self.orders.command(order, self.steps[order])?;
        let Command { tenant, domain, aggregate, aggregate_id, name, payload, id, .. } = &command;
        let id = id.as_ref().context("each command has an id")?;
        let path = format!("/v1/{tenant}/{domain}/{aggregate}/{aggregate_id}/{name}");
        let head = format!("content-type: application/json\r\nidempotency-key: {id}\r\n");
        let answer = self.connection.request("POST", &path, &head, payload)?;
        let at = Instant::now();
        let position = answer.json()?["position"].as_u64().context("an acknowledgement without a position")?;
        self.steps[order] += 1;
        Ok(Written { order: aggregate_id.to_string(), position, at })
    }
}

/// Reads what was written, until the senders have ended.
fn read(address: SocketAddr, to_read: &Mutex<Receiver<Written>>) -> Answers {
    let (mut answers, mut connection) = (Answers::default(), KeptConnection::new(address));
    loop {
        // The lock is held while this reader waits: the others wait for the lock instead.
        let next = to_read.lock().ok().and_then(|to_read| to_read.recv().ok());
        let Some(written) = next else { break };
        match read_one(&mut connection, &written) {
            Ok(()) => answers.times.push(written.at.elapsed()),
            Err(error) => answers.fail(format!("{error:#}")),
        }
    }
    answers.sent_again = connection.sent_again;
    answers
}

fn read_one(connection: &mut KeptConnection, written: &Written) -> anyhow::Result<()> {
    let Written { order, position, .. } = written;
    let path = format!("/v1/main/orders/views/order-summary/{order}?after={position}&timeout_ms={VIEW_WAIT_MS}");
    connection.request("GET", &path, "", b"")?.json().map(drop)
}

impl Answers {
    fn fail(&mut self, reason: String) {
        *self.failed.entry(reason).or_default() += 1;
    }

    fn sum(parts: Vec<std::thread::Result<Self>>) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for part in parts {
            let part = part.map_err(|_| anyhow::anyhow!("a thread of the neighbour has panicked"))?;
            all.times.extend(part.times);
            all.sent_again += part.sent_again;
            for (reason, count) in part.failed {
                *all.failed.entry(reason).or_default() += count;
            }
        }
        Ok(all)
    }
}

fn latency(times: Vec<Duration>) -> Option<Latency> {
    (!times.is_empty()).then(|| Latency::of(times))
}
