//! `polder-bench attacks`: the effect of hostile tenants and clients on a neighbour, on the host's memory, and on its
//! end. Each attack meets a host of its own, or all of them meet one host after another.

mod attack;
mod clients;
mod compilers;
mod gallery;
mod judge;
mod kept_connection;
mod loops;
mod neighbour;
mod notes;
mod report;
mod session;
mod silent_clients;
mod site;
mod watcher;
mod wide_reads;
mod wide_views;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;

use crate::components;
use crate::options::Inputs;
use crate::output::Output;

use attack::Attack;
use judge::{MEMORY_BYTES_MAX, Ratios};
use neighbour::Round;
use report::{Broken, InARow, Report, Row};
use session::{Attacked, Guests, Session, remove};
use watcher::Peak;

/// Attack a host, and measure a neighbour that sends commands at a tenth of what the host can do and reads its own
/// writes.
#[derive(Args)]
pub(crate) struct Attacks {
    #[command(flatten)]
    inputs: Inputs,
    /// The `rogue` component [default: the one that `cargo xtask guests` builds beside this program].
    #[arg(long, value_name = "FILE")]
    rogue: Option<PathBuf>,
    /// Length of a round alone, and of one beside each attack, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Priority of the clients of the attacks: 0 is that of the host, 19 the lowest.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=19))]
    clients_nice: u8,
    /// Only these attacks.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
    /// List the attacks, and run none.
    #[arg(long)]
    list: bool,
    /// Run all attacks on one host, one after another, and measure its memory before and after.
    #[arg(long)]
    in_a_row: bool,
    /// With `--in-a-row`, time after the last attack until the memory is measured, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    settle: u64,
}

impl Attacks {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let attacks = self.chosen(gallery::all())?;
        if self.list {
            let list: Vec<_> = attacks.iter().map(|attack| (&attack.name, &attack.about)).collect();
            let lines = || list.iter().map(|(name, about)| format!("{name:<26}{about}\n")).collect();
            return output.report(&list, lines);
        }
        // The clients of some attacks have thousands of connections.
        polder_server::raise_descriptors();
        let rogue = components::read(self.rogue.as_deref(), "rogue", "--rogue")?;
        let guests = Guests { orders: self.inputs.component()?, rogue };
        let folder = self.inputs.folder()?;
        let (mut rows, mut broken, mut in_a_row) = (Vec::new(), Vec::new(), None);
        if self.in_a_row {
            in_a_row = Some(self.run_in_a_row(&attacks, &guests, folder.path(), &mut rows, output)?);
        } else {
            for attack in &attacks {
                output.note(&format!("{}: {} …", attack.name, attack.about));
                let own = folder.path().join(&attack.name);
                match self.run_one(attack, &guests, &own) {
                    Ok(row) => rows.push(row),
                    Err(error) => broken.push(Broken { attack: attack.name.clone(), error: format!("{error:#}") }),
                }
                // The data of some attacks is large.
                std::fs::remove_dir_all(&own)?;
            }
        }
        let report =
            Report { seconds: self.seconds, memory_bytes_max: MEMORY_BYTES_MAX, attacks: rows, broken, in_a_row };
        output.report(&report, || report.text())
    }

    fn chosen(&self, attacks: Vec<Attack>) -> anyhow::Result<Vec<Attack>> {
        let unknown = self.only.iter().find(|name| attacks.iter().all(|attack| attack.name != **name));
        ensure!(unknown.is_none(), "there is no attack {unknown:?}: --list shows all");
        Ok(attacks.into_iter().filter(|attack| self.only.is_empty() || self.only.contains(&attack.name)).collect())
    }

    fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Runs one attack on a host of its own, and ends the host.
    fn run_one(&self, attack: &Attack, guests: &Guests, folder: &Path) -> anyhow::Result<Row> {
        let mut session = Session::open(guests, folder.to_owned(), attack.descriptors_max)?;
        let (mut site, begin) = session.prepare(attack)?;
        let alone = session.neighbour.round(self.length())?;
        let attacked = session.attack(begin, self.length(), self.clients_nice)?;
        // Of several hostile tenants one stays, so that its guests run while the host ends.
        let removed = site.tenants[..(attack.tenants - 1).max(1)].to_vec();
        let removal = remove(&mut site, &removed);
        let afterwards = session.neighbour.goes_on();
        let (rate, peak) = (session.neighbour.rate_per_second, session.take_peak());
        let mut row = row(attack, rate, alone, attacked, peak, removal);
        row.not_met.extend(afterwards.err().map(|error| format!("afterwards the neighbour failed: {error:#}")));
        let ended = session.end()?;
        row.sigterm_s = Some(ended.sigterm_s);
        row.not_met.extend(judge::of_end(ended.sigterm_s));
        row.not_met.extend(ended.wrong);
        Ok(row)
    }

    /// Runs all attacks on one host. It has no small limit of open files, because that would stop some of the attacks.
    fn run_in_a_row(
        &self,
        attacks: &[Attack],
        guests: &Guests,
        folder: &Path,
        rows: &mut Vec<Row>,
        output: &Output,
    ) -> anyhow::Result<InARow> {
        let mut session = Session::open(guests, folder.join("in-a-row"), None)?;
        let alone = session.neighbour.round(self.length())?;
        let resident_bytes_before = session.resident_bytes()?;
        for attack in attacks {
            output.note(&format!("{}: {} …", attack.name, attack.about));
            let what = || format!("the attack {}", attack.name);
            let (mut site, begin) = session.prepare(attack).with_context(what)?;
            let attacked = session.attack(begin, self.length(), self.clients_nice).with_context(what)?;
            let tenants = site.tenants.clone();
            let removal = remove(&mut site, &tenants);
            let (rate, peak) = (session.neighbour.rate_per_second, session.take_peak());
            rows.push(row(attack, rate, alone.clone(), attacked, peak, removal));
        }
        // An idle host gives memory back, and this is how long it is given for it.
        std::thread::sleep(Duration::from_secs(self.settle));
        let resident_bytes_after = session.resident_bytes()?;
        let mut not_met: Vec<_> =
            judge::of_memory_afterwards(resident_bytes_before, resident_bytes_after).into_iter().collect();
        let afterwards = session.neighbour.goes_on();
        not_met.extend(afterwards.err().map(|error| format!("the neighbour failed: {error:#}")));
        let ended = session.end()?;
        not_met.extend(judge::of_end(ended.sigterm_s));
        not_met.extend(ended.wrong);
        Ok(InARow { resident_bytes_before, resident_bytes_after, sigterm_s: ended.sigterm_s, not_met })
    }
}

/// The row of an attack without the end of its host.
fn row(
    attack: &Attack,
    rate_per_second: f64,
    alone: Round,
    attacked: Attacked,
    peak: Peak,
    (removal_s, removal_wrong): (f64, Vec<String>),
) -> Row {
    let Attacked { beside, outcomes } = attacked;
    let ratios = Ratios::of(&alone, &beside);
    let mut not_met = judge::of_neighbour(&alone, &beside);
    not_met.extend(judge::of_memory(&peak));
    not_met.extend(judge::of_removal(removal_s));
    not_met.extend(removal_wrong);
    Row {
        attack: attack.name.clone(),
        about: attack.about.clone(),
        attack_outcomes: outcomes,
        rate_per_second,
        alone,
        beside,
        commands_p99_ratio: ratios.commands,
        reads_p99_ratio: ratios.reads,
        peak,
        removal_s,
        sigterm_s: None,
        not_met,
    }
}
