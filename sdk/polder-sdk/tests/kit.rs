//! Tests of the test kit: its message when a case fails, and the file that it keeps when a case passes.

use std::process::Command as Process;

use polder_sdk::prelude::*;
use polder_sdk::testing::{check, check_laws};
use serde_json::{Value, json};

#[aggregate("till")]
#[derive(Default)]
struct Till {
    coins: u64,
}

#[derive(Command)]
enum TillCommand {
    TakeIn { coins: u64 },
    PayOut { coins: u64 },
}

#[derive(Event)]
enum TillEvent {
    CoinsTakenIn { coins: u64 },
    CoinsPaidOut { coins: u64 },
}

#[derive(Rejection)]
enum TillRejection {
    #[rejection("there are {coins} coins only")]
    TooFewCoins { coins: u64 },
}

impl Aggregate for Till {
    type Command = TillCommand;
    type Event = TillEvent;
    type Rejection = TillRejection;

    fn handle(&self, command: TillCommand, _: &Context) -> Result<Vec<TillEvent>, TillRejection> {
        match command {
            TillCommand::TakeIn { coins } => Ok(vec![TillEvent::CoinsTakenIn { coins }]),
            TillCommand::PayOut { coins } if coins > self.coins => {
                Err(TillRejection::TooFewCoins { coins: self.coins })
            }
            TillCommand::PayOut { coins } => Ok(vec![TillEvent::CoinsPaidOut { coins }]),
        }
    }

    fn evolve(&mut self, event: &TillEvent) {
        match event {
            TillEvent::CoinsTakenIn { coins } => self.coins += coins,
            TillEvent::CoinsPaidOut { coins } => self.coins -= coins,
        }
    }
}

#[projection("usage", per_aggregate)]
#[derive(Default)]
struct Usage {
    times: u64,
}

impl Projection for Usage {
    type Event = TillEvent;

    fn project(event: &Recorded<TillEvent>, documents: &mut Documents<Self>) {
        documents.upsert(&event.aggregate_id, |usage| {
            usage.times += 1;
            Effect::new("count", event.aggregate_id.as_str(), event.position.to_string())
        });
    }
}

domain! { name: "tills", aggregates: [Till], projections: [Usage] }

/// The message of `check` when a case fails.
fn message_of(case: &str) -> String {
    let case = case.to_owned();
    let panicked = std::panic::catch_unwind(move || check(domain(), &case)).expect_err("the case holds");
    panicked.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn a_difference_is_shown_line_by_line() {
    assert_eq!(
        message_of(
            "
            given  coins-taken-in  coins=5
            when   pay-out         coins=3
            then   coins-paid-out  coins=2
            state  coins=3
        "
        ),
        "the case does not hold (- expected, + found):
  - coins-paid-out@1 coins=2
  + coins-paid-out@1 coins=3
  - state coins=3
  + state coins=2"
    );
    assert_eq!(
        message_of(
            "
            when   pay-out  coins=3
            then   nothing
        "
        ),
        "the case does not hold (- expected, + found):
  - nothing
  + rejected too-few-coins there are 0 coins only"
    );
    assert_eq!(
        message_of(
            "
            when   take-in         coins=3
            then   coins-taken-in  coins=3
            then   coins-taken-in  coins=4
        "
        ),
        "the case does not hold (- expected, + found):
    coins-taken-in@1 coins=3
  - coins-taken-in@1 coins=4"
    );
    assert_eq!(
        message_of(
            "
            when   take-in   coins=3
            then   rejected  too-few-coins
        "
        ),
        "the case does not hold (- expected, + found):
  - rejected too-few-coins
  + coins-taken-in@1 coins=3"
    );
    assert_eq!(
        message_of(
            "
            projection  usage
            given  till/t-1  coins-taken-in  coins=5
            given  till/t-2  coins-taken-in  coins=5
            then   document t-1  times=2
            then   document t-3  times=1
            then   effect count t-1 1
        "
        ),
        "the case does not hold (- expected, + found):
  - document t-1 times=2
  + document t-1 times=1
  - document t-3 times=1
  + document t-2 times=1
    effect count t-1 1
  + effect count t-2 2"
    );
}

#[test]
fn a_case_that_makes_no_sense_is_reported_with_its_line() {
    for (case, problem) in [
        ("when take-in coins=1", "the case has no line with then"),
        ("then nothing", "the case has no line with when"),
        ("\nwhenn take-in", "line 2 of the case: whenn take-in\n  \"whenn\" starts no line; these do: aggregate"),
        (
            "given coins-taken",
            "\"coins-taken\" is not among the events of till: [\"coins-paid-out\", \"coins-taken-in\"]",
        ),
        ("given coins-taken-in@x coins=1", "\"x\" is no version"),
        ("when take-in 5", "\"5\" does not start with a field: name=value"),
        ("when take-in coins=1\nwhen take-in coins=1", "a case has one command"),
        ("then rejected a\nthen nothing", "this contradicts the line before"),
        ("aggregate tills", "\"tills\" is not among the aggregates of the domain: till"),
        ("projection usages", "\"usages\" is not among the projections of the domain: usage"),
        ("projection usage\ngiven coins-taken-in coins=1", "in a case of a projection: given order/o-1 order-drafted"),
        ("projection usage\nwhen take-in coins=1\nthen nothing", "a case of a projection has no command"),
        ("projection usage\nthen usage", "of a projection: then document …, then effect …, or then nothing"),
        ("at noon", "\"noon\" is no time"),
        (
            "given coins-taken-in\nwhen take-in coins=1\nthen nothing",
            "what is given cannot be folded: event coins-taken-in",
        ),
    ] {
        let message = message_of(case);
        assert!(message.contains(problem), "{case}\n  {message}");
    }
}

#[test]
fn commands_worth_trying_are_counted() {
    let command = |name: &str, coins: i64| (name.to_owned(), json!({ "coins": coins }));
    let commands = [command("take-in", 5), command("pay-out", 6), command("take-in", -1), command("pay-out", 5)];
    assert_eq!(check_laws(domain(), "till", &commands), 2);
}

/// The test below runs this in a process of its own, because an environment must not change while tests run.
#[test]
fn cases_to_keep() {
    check(
        domain(),
        "
        aggregate  till t-1
        given  coins-taken-in  coins=5
        at     2026-05-01T00:00:00Z
        actor  clerk
        when   pay-out         coins=6
        then   rejected        too-few-coins
        ",
    );
    check(
        domain(),
        "
        projection  usage
        given  till/t-1  coins-taken-in  coins=5
        then   document t-1  times=1
        then   effect count t-1 1
        ",
    );
}

#[test]
fn cases_are_kept_for_the_sandbox() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("kept-cases");
    std::fs::remove_dir_all(&folder).ok();
    let run = || {
        let mut tests = Process::new(std::env::current_exe().unwrap());
        let ran = tests.args(["--exact", "cases_to_keep"]).env("POLDER_CASES_DIR", &folder).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let mut cases: Vec<Value> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|file| serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap())
            .collect();
        cases.sort_by_key(|case| case["kind"].to_string());
        cases
    };
    let expected = [
        json!({
            "kind": "aggregate", "name": "cases_to_keep", "domain": "tills", "aggregate": "till", "id": "t-1",
            "given": [{ "name": "coins-taken-in", "version": 1, "payload": { "coins": 5 } }],
            "when": { "name": "pay-out", "payload": { "coins": 6 }, "id": "command-1", "at_ms": 1_777_593_600_000_u64, "actor": "clerk" },
            "then": { "rejected": { "code": "too-few-coins", "message": "there are 5 coins only" } },
            "state": { "coins": 5 },
        }),
        json!({
            "kind": "projection", "name": "cases_to_keep", "domain": "tills", "projection": "usage",
            "given": [{
                "aggregate": "till", "aggregate_id": "t-1", "sequence": 1, "position": 1,
                "name": "coins-taken-in", "version": 1, "payload": { "coins": 5 }, "at_ms": 1_767_225_600_000_u64,
            }],
            "documents": { "t-1": { "times": 1 } },
            "effects": [{ "kind": "count", "target": "t-1", "key": "1", "payload": {} }],
        }),
    ];
    assert_eq!(run(), expected);
    // A second run adds no file.
    assert_eq!(run(), expected);
}
