//! Numbers pass through command, event, state and document unchanged, and a replay gives the same state, bit for bit.

use polder_core::{Command, CommandStatus, Limits, Sequence};
use polder_engine::AsOf;
use polder_sandbox::{GuestCommand, GuestEvent, Sandbox, SandboxOptions, StateHandle};
use polder_tests::Random;
use serde_json::{Value, json};

use super::vaults;
use crate::engine::door::component;

/// A small number, because each change runs this test. `POLDER_NUMBERS_COMMANDS=1000000` gives a thorough run.
const COMMANDS: u64 = 20_000;
const VAULTS: usize = 50;

/// Numbers that an inexact reader gets wrong, or that look like another kind of number.
const HARD: [&str; 12] = [
    "117.63331139400017",
    "3.61",
    "0.01",
    "5e-324",
    "2.2250738585072011e-308",
    "1.7976931348623157e308",
    "-0.0",
    "1e23",
    "9007199254740993.0",
    "123456789012345680000",
    "0.1",
    "-1.0",
];

/// Any finite number; often one of usual size.
pub(super) fn number(random: &mut Random) -> f64 {
    match random.below(4) {
        0 => HARD[random.below(HARD.len() as u64) as usize].parse().unwrap(),
        1 => loop {
            let any = f64::from_bits(random.number());
            if any.is_finite() {
                break any;
            }
        },
        _ => random.number() as f64 / f64::from(1 << 30) - 4e9,
    }
}

fn bits(value: &Value) -> u64 {
    value.as_f64().expect("a number").to_bits()
}

/// A recorded event.
struct Recorded {
    name: String,
    payload: Vec<u8>,
}

#[test]
fn a_replay_in_a_fresh_instance_gives_every_state_again() {
    let commands = std::env::var("POLDER_NUMBERS_COMMANDS").map_or(COMMANDS, |count| count.parse().expect("a number"));
    let sandbox = Sandbox::new(SandboxOptions::default()).unwrap();
    let guest = sandbox.load(&component("vault")).unwrap();
    let mut live = guest.instantiate(&Limits::DEFAULT).unwrap();
    let id = |vault: usize| format!("v-{vault}");
    let mut states: Vec<Option<StateHandle>> =
        (0..VAULTS).map(|vault| Some(live.start("vault", &id(vault)).unwrap())).collect();
    let seed = 42;
    let (mut random, mut refused) = (Random::seeded(seed), 0);
    let mut recorded: Vec<Vec<Recorded>> = (0..VAULTS).map(|_| Vec::new()).collect();
    for _ in 0..commands {
        let (vault, amount) = (random.below(VAULTS as u64) as usize, number(&mut random));
        let (name, payload) = match random.below(3) {
            0 => ("pay-in", json!({ "amount": amount })),
            1 => ("burden", json!({ "amount": amount })),
            _ => ("keep", json!({ "any": [amount, random.number(), { "n": amount }] })),
        };
        let payload = payload.to_string();
        let command = GuestCommand { id: "c", name, payload: payload.as_bytes(), at_ms: 0, actor: None };
        match live.handle(states[vault].take().unwrap(), &command) {
            Ok((state, decision)) => {
                states[vault] = Some(state);
                let events = decision.unwrap().into_iter();
                recorded[vault]
                    .extend(events.map(|event| Recorded { name: event.name.to_string(), payload: event.payload }));
            }
            // A sum became infinite: nothing was recorded, and the state is built again.
            Err(error) => {
                assert!(error.to_string().contains("JSON has no such number") && !error.instance_lost, "{error}");
                refused += 1;
                states[vault] = Some(folded(&mut live, vault, &recorded[vault]));
            }
        }
    }
    let mut fresh = guest.instantiate(&Limits::DEFAULT).unwrap();
    let mut differences = 0;
    for (vault, state) in states.into_iter().enumerate() {
        let again = folded(&mut fresh, vault, &recorded[vault]);
        let (live, again) = (live.inspect(&state.unwrap()).unwrap(), fresh.inspect(&again).unwrap());
        differences += usize::from(live != again);
    }
    let events = recorded.iter().map(Vec::len).sum::<usize>() as u64;
    println!("seed {seed}: {commands} commands, {events} events, {refused} refused, {differences} differences");
    assert_eq!((differences, events + refused), (0, commands));
}

fn folded(instance: &mut polder_sandbox::Instance, vault: usize, recorded: &[Recorded]) -> StateHandle {
    let id = format!("v-{vault}");
    let start = instance.start("vault", &id).unwrap();
    let events: Vec<GuestEvent<'_>> = (1..)
        .zip(recorded)
        .map(|(sequence, event)| GuestEvent {
            position: sequence,
            aggregate: "vault",
            aggregate_id: &id,
            sequence,
            name: &event.name,
            version: 1,
            payload: &event.payload,
            at_ms: 0,
        })
        .collect();
    events.chunks(256).fold(start, |state, events| instance.evolve(state, events).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_what_is_recorded_folded_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let door = vaults(folder.path()).await;
    for (index, sent) in HARD.iter().enumerate() {
        let (id, wanted) = (format!("v-{index}"), sent.parse::<f64>().unwrap().to_bits());
        // Not through a JSON value: the text itself is sent.
        let base = door.command(&id, "pay-in", &json!({}));
        let command = Command { payload: format!("{{\"amount\":{sent}}}").into(), ..base };
        let ack = door.host.submit(command).await.unwrap();
        assert_eq!(ack.status, CommandStatus::Accepted, "{sent}: {ack:?}");
        let history = door.history(&id).await;
        let event: Value = serde_json::from_str(history[0].payload.get()).unwrap();
        assert_eq!(bits(&event["amount"]), wanted, "{sent}: {event}");
        let (_, state) = door.state(&id, AsOf::Now).await.unwrap();
        // Zero and minus zero are the same balance; a sum never is minus zero.
        assert_eq!(bits(&state["balance"]), (0.0 + f64::from_bits(wanted)).to_bits(), "{sent}: {state}");
    }
    // Four payments that once took a good domain out of service.
    for amount in [0.0, 0.01, 3.61, 1.0] {
        door.accept("purse", "pay-in", json!({ "amount": amount })).await;
    }
    let (live, replayed) =
        (door.state("purse", AsOf::Now).await.unwrap(), door.state("purse", AsOf::Sequence(Sequence(4))).await);
    assert_eq!(live, replayed.unwrap());
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_number_that_would_be_rounded_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let door = vaults(folder.path()).await;
    let keep = async |any: &str| {
        let command = door.command("v-1", "keep", &json!({}));
        door.host.submit(Command { payload: format!("{{\"any\":{any}}}").into(), ..command }).await.unwrap()
    };
    for kept in ["18446744073709551615", "-9223372036854775808", "[1.5,1e+300]", "\"18446744073709551617\""] {
        assert_eq!(keep(kept).await.status, CommandStatus::Accepted, "{kept}");
        let history = door.history("v-1").await;
        assert_eq!(history.last().unwrap().payload.get(), format!("{{\"any\":{kept}}}"));
    }
    let reason = keep("[{\"n\":18446744073709551617}]").await.reason.expect("it is refused");
    assert_eq!(reason.code, "invalid-payload");
    assert!(
        reason.message.starts_with("`any[0].n`: 18446744073709551617 is a whole number beyond 64 bits"),
        "{reason:?}"
    );
    door.close().await;
}
