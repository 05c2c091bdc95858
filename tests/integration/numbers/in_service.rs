//! A correct domain of numbers in service: whatever finite numbers its callers send, no second run, no revision check
//! and no state that is built again may differ, and the domain is never taken out of service.

use std::sync::Arc;

use polder_core::{CommandStatus, DomainName};
use polder_engine::{AsOf, CheckOptions, DeployOptions, Host, ReplayScope, RevisionStatus};
use polder_tests::Random;
use serde_json::{Value, json};

use super::exact::number;
use super::vaults;
use crate::engine::door::{Door, another_revision, component, options, tenant};
use crate::isolation::metric;

/// A small number, because each change runs this test. `POLDER_NUMBERS_COMMANDS=1000000` gives a thorough run.
const COMMANDS: u64 = 6_400;
const CALLERS: u64 = 64;
/// Vaults of each caller.
const VAULTS: usize = 4;
const SEED: u64 = 42;
/// The folder of everything that is derived from the journal, snapshots included. The next start makes it again.
const INDEX_FOLDER: &str = "index";

/// What a vault must hold: the same rules, natively.
#[derive(Clone)]
struct Vault {
    id: String,
    balance: f64,
    burden: f64,
    any: Value,
    /// The sum in the document of the vault.
    takings: f64,
}

impl Vault {
    fn new(caller: u64, number: usize) -> Self {
        Self { id: format!("v-{caller}-{number}"), balance: 0.0, burden: 0.0, any: Value::Null, takings: 0.0 }
    }

    /// A command that a correct domain accepts: each number that comes of it is finite.
    fn next(&mut self, random: &mut Random) -> (&'static str, Value) {
        loop {
            let (amount, kind) = (number(random), random.below(8));
            let (name, payload, next) = match kind {
                0..3 => {
                    let next = Self { balance: self.balance + amount, takings: self.takings + amount, ..self.clone() };
                    ("pay-in", json!({ "amount": amount }), next)
                }
                3..5 => ("burden", json!({ "amount": amount }), Self { burden: self.burden + amount, ..self.clone() }),
                5 => ("scale", json!({ "by": amount }), Self { balance: self.balance * amount, ..self.clone() }),
                _ => {
                    let any = json!([amount, random.number(), { "n": amount }]);
                    ("keep", json!({ "any": any }), Self { any, ..self.clone() })
                }
            };
            // The share of an empty payment is NaN.
            let is_correct = [next.balance, next.burden, next.takings].iter().all(|number| number.is_finite())
                && (name != "pay-in" || amount != 0.0);
            if is_correct {
                *self = next;
                return (name, payload);
            }
        }
    }

    /// The state as text, because `-0.0` and `0.0` are equal as numbers.
    fn state(&self) -> String {
        let Self { balance, burden, any, .. } = self;
        json!({ "balance": balance, "burden": burden, "count": 0, "any": any, "notes": 0 }).to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correct_domain_of_numbers_stays_in_service_and_is_built_again_bit_for_bit() {
    let commands = std::env::var("POLDER_NUMBERS_COMMANDS").map_or(COMMANDS, |count| count.parse().expect("a number"));
    let each = commands.div_ceil(CALLERS);
    let folder = tempfile::tempdir().unwrap();
    let door = Arc::new(vaults(folder.path()).await);
    let callers: Vec<_> = (0..CALLERS).map(|caller| tokio::spawn(call(Arc::clone(&door), caller, each))).collect();
    let mut expected: Vec<Vault> = Vec::new();
    for caller in callers {
        expected.extend(caller.await.unwrap());
    }
    let differing_live = differences(&door, &expected).await;

    // Both revisions build every state from its first event, in instances of their own.
    let check = CheckOptions { replay: ReplayScope::All, ..CheckOptions::default() };
    let next = another_revision(&component("vault"), 1);
    let options_of_deployment = DeployOptions { check, ..DeployOptions::default() };
    let deployed = door.host.deployments().deploy(&tenant(), next.into(), options_of_deployment).await.unwrap();
    let replay = deployed.verdict.unwrap().replay;

    let audits = |result: &str| metric(&door, &format!("polder_audits_total{{result=\"{result}\"}}"));
    let (same, different, faults) = (audits("same"), audits("different"), metric(&door, "polder_guest_faults_total"));
    Arc::into_inner(door).expect("the callers have ended").close().await;

    // A host without snapshots has only the events.
    std::fs::remove_dir_all(folder.path().join(INDEX_FOLDER)).unwrap();
    let door = Door::at(Host::open(options(folder.path())).unwrap(), "vault", "vault");
    let differing_again = differences(&door, &expected).await;
    let revisions = door.host.deployments().revisions(&tenant(), &DomainName::new("vault").unwrap()).await.unwrap();
    let quarantined = revisions.iter().filter(|info| info.status == RevisionStatus::Quarantined).count();
    door.close().await;

    println!(
        "seed {SEED}: {} commands, {} events replayed, {} differences in the check, {differing_live} in live states, \
         {differing_again} in states built again; {same} second runs the same, {different} different; {faults} faults, \
         {quarantined} quarantines",
        each * CALLERS,
        replay.events,
        replay.differing
    );
    assert_eq!((replay.events, replay.differing), (each * CALLERS, 0));
    assert_eq!((differing_live, differing_again), (0, 0));
    assert!(same > 0, "no command was run a second time");
    assert_eq!((different, faults, quarantined), (0, 0, 0));
}

/// Sends commands to the vaults of one caller. Returns what the vaults must hold.
async fn call(door: Arc<Door>, caller: u64, commands: u64) -> Vec<Vault> {
    let mut random = Random::seeded(SEED ^ (caller << 32));
    let mut vaults: Vec<_> = (0..VAULTS).map(|number| Vault::new(caller, number)).collect();
    for _ in 0..commands {
        let vault = &mut vaults[random.below(VAULTS as u64) as usize];
        let (name, payload) = vault.next(&mut random);
        let ack = door
            .send(&vault.id, name, payload.clone())
            .await
            .unwrap_or_else(|error| panic!("{name} {payload}: {error}"));
        assert_eq!(ack.status, CommandStatus::Accepted, "{name} {payload}: {ack:?}");
    }
    vaults
}

/// The number of vaults whose state is not the expected one.
async fn differences(door: &Door, expected: &[Vault]) -> usize {
    let mut differing = 0;
    for vault in expected {
        let (_, state) = door.state(&vault.id, AsOf::Now).await.unwrap();
        let (found, wanted) = (state.to_string(), vault.state());
        if found != wanted {
            println!("{}: {found} instead of {wanted}", vault.id);
            differing += 1;
        }
    }
    differing
}
