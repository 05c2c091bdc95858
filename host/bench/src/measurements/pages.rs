//! `polder-bench pages`: the history of one long aggregate, read page by page, beside the tenant's feed of the same
//! events. A page must not cost more because of where it lies in the history.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use polder_core::TenantName;
use polder_engine::{DeployOptions, Host, MAIN_TENANT};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::figures::per_second;
use crate::load::fill;
use crate::options::{Inputs, host_options};
use crate::output::Output;
use crate::processes::host_process::HostProcess;

/// Read one aggregate's history by pages, and the tenant's feed by pages of the same size.
#[derive(Args)]
pub(crate) struct Pages {
    #[command(flatten)]
    inputs: Inputs,
    /// Events of the aggregate, which is the only one.
    #[arg(long, default_value_t = 300_000)]
    events: usize,
    /// Events of a page.
    #[arg(long, default_value_t = NonZeroUsize::new(1_000).expect("not zero"))]
    page: NonZeroUsize,
    /// Rounds of each, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(Serialize)]
struct Report {
    events: usize,
    page: usize,
    /// The shortest of all rounds.
    history_seconds: f64,
    history_events_per_second: f64,
    feed_seconds: f64,
    feed_events_per_second: f64,
    ratio: f64,
}

/// What is needed of an event to ask for the next page.
#[derive(Deserialize)]
struct Event {
    sequence: u64,
    position: u64,
}

/// What is read.
#[derive(Clone, Copy)]
enum Read {
    History,
    Feed,
}

impl Read {
    /// The address of the page after this event. `None` is the first page.
    fn page_after(self, last: Option<&Event>, limit: NonZeroUsize) -> String {
        match self {
            Self::History => {
                let from = last.map_or(1, |event| event.sequence + 1);
                format!("/v1/main/orders/order/order-0/events?from={from}&limit={limit}")
            }
            Self::Feed => {
                let after = last.map_or(0, |event| event.position);
                format!("/v1/main/events?after={after}&limit={limit}")
            }
        }
    }
}

impl Pages {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let data = folder.path().join("data");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        output.note(&format!("a history of {} events …", self.events));
        let host = Host::open(host_options(&data))?;
        let (main, component) = (TenantName::new(MAIN_TENANT)?, self.inputs.component()?);
        runtime.block_on(host.deployments().deploy(&main, component.into(), DeployOptions::default()))?;
        fill(&host, self.events, 1)?;
        runtime.block_on(host.shutdown());

        let host = HostProcess::start(&data)?;
        let (mut history, mut feed) = (Duration::MAX, Duration::MAX);
        for round in 1..=self.rounds {
            output.note(&format!("round {round} of {} …", self.rounds));
            history = history.min(self.read(&runtime, &host.address, Read::History)?);
            feed = feed.min(self.read(&runtime, &host.address, Read::Feed)?);
        }
        host.close()?;
        let report = Report {
            events: self.events,
            page: self.page.get(),
            history_seconds: history.as_secs_f64(),
            history_events_per_second: per_second(self.events, history),
            feed_seconds: feed.as_secs_f64(),
            feed_events_per_second: per_second(self.events, feed),
            ratio: history.as_secs_f64() / feed.as_secs_f64(),
        };
        output.report(&report, || text(&report))
    }

    fn read(&self, runtime: &Runtime, address: &str, read: Read) -> anyhow::Result<Duration> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let began = Instant::now();
        let (mut last, mut count): (Option<Event>, usize) = (None, 0);
        while count < self.events {
            let url = format!("{address}{}", read.page_after(last.as_ref(), self.page));
            let page = runtime.block_on(async { http.get(&url).send().await?.error_for_status()?.bytes().await })?;
            let events = page.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let newest = events.clone().next_back().with_context(|| format!("{url}: an empty page"))?;
            count += events.count();
            last = Some(serde_json::from_slice(newest)?);
        }
        ensure!(count == self.events, "{count} events were read, but the history has {}", self.events);
        Ok(began.elapsed())
    }
}

fn text(report: &Report) -> String {
    format!(
        "{} events by pages of {}\n\nhistory of the aggregate {:>6.2} s, {:>8.0} events/s\nfeed of the tenant       {:>6.2} s, {:>8.0} events/s\nratio                    {:>6.2}\n",
        report.events,
        report.page,
        report.history_seconds,
        report.history_events_per_second,
        report.feed_seconds,
        report.feed_events_per_second,
        report.ratio
    )
}
