//! Callers: each sends its next command when the one before is acknowledged. They are threads or tasks, as the system
//! prefers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::figures::Run;
use crate::load::{Load, Span, Step};

/// The measurements of one caller: the time of each answer, and the number of retries.
#[derive(Debug, Default)]
struct Seen {
    times: Vec<Duration>,
    retries: usize,
}

impl Seen {
    fn add(&mut self, began: Instant, retries: usize) {
        self.times.push(began.elapsed());
        self.retries += retries;
    }
}

/// Runs `in_flight` threads. `work` returns the number of its retries.
pub fn by_threads(
    load: &Load,
    in_flight: usize,
    span: Span,
    work: impl Fn(Step) -> Result<usize> + Sync,
) -> Result<Run> {
    let began = Instant::now();
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let call = |caller| {
            let mut seen = Seen::default();
            for step in load.steps(caller, in_flight, span) {
                let began = Instant::now();
                seen.add(began, work(step)?);
            }
            Ok(seen)
        };
        let callers: Vec<_> = (0..in_flight).map(|caller| scope.spawn(move || call(caller))).collect();
        callers
            .into_iter()
            .map(|caller| caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))?)
            .collect::<Result<_>>()
    })?;
    Ok(run(in_flight, began.elapsed(), seen))
}

/// Runs `in_flight` tasks on the current runtime.
pub async fn by_tasks<W, A>(load: &std::sync::Arc<Load>, in_flight: usize, span: Span, work: W) -> Result<Run>
where
    W: Fn(Step) -> A + Clone + Send + 'static,
    A: Future<Output = Result<usize>> + Send,
{
    let began = Instant::now();
    let callers: Vec<_> = (0..in_flight)
        .map(|caller| {
            let (load, work) = (std::sync::Arc::clone(load), work.clone());
            tokio::spawn(async move {
                let mut seen = Seen::default();
                for step in load.steps(caller, in_flight, span) {
                    let began = Instant::now();
                    seen.add(began, work(step).await?);
                }
                anyhow::Ok(seen)
            })
        })
        .collect();
    let mut seen = Vec::with_capacity(in_flight);
    for caller in callers {
        seen.push(caller.await.context("a caller panicked")??);
    }
    Ok(run(in_flight, began.elapsed(), seen))
}

fn run(in_flight: usize, took: Duration, seen: Vec<Seen>) -> Run {
    let retries = seen.iter().map(|seen| seen.retries).sum();
    Run::of(in_flight, took, seen.into_iter().flat_map(|seen| seen.times).collect(), retries)
}
