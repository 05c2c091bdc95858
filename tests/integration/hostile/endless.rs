//! Guest calls that would go on for a minute. They end when their tenant is removed and when the host shuts down.

use std::time::{Duration, Instant};

use polder_core::{CommandAck, Limits};
use polder_engine::{MAIN_TENANT, SubmitError};
use tokio::task::JoinHandle;

use super::yard::{LIMITS, Yard};

/// Only the clock ends a loop, and much later than any test lets it run.
const ENDLESS: Limits =
    Limits { fuel_per_call_max: 1_000_000_000_000, call_wall_ms_max: 60_000, warm_states_max: 1, ..LIMITS };
/// A generous limit for something that must happen soon.
const SOON: Duration = Duration::from_secs(30);
/// A command on the slow lane, on a busy machine.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Aggregates that are used so that another one's state leaves memory.
const OTHERS: u64 = 32;

/// For each function of the write side: the commands before the endless call, the aggregate's id, and the command that
/// begins the endless call.
const CALLS: [Call; 4] = [
    ("start", &[], "start-loops", "do"),
    ("load", &["many"], "load-loops", "do"),
    // The fault drops the state, which is then built from the history.
    ("evolve", &["do", "fault"], "evolve-loops", "do"),
    ("handle", &[], "t-1", "loop"),
];

type Call = (&'static str, &'static [&'static str], &'static str, &'static str);
type Answer = JoinHandle<Result<CommandAck, SubmitError>>;

/// Adds a tenant in which the endless call can begin.
async fn prepare(yard: &Yard, (function, before, id, _): Call) -> String {
    let name = format!("{function}-tenant");
    yard.add(&name).await;
    for command in before {
        // One of these commands has to fail.
        drop(yard.send_as(&name, id, command).await);
    }
    for number in 0..OTHERS {
        yard.send_as(&name, &format!("other-{number}"), "do").await.unwrap();
    }
    name
}

/// Begins the endless call, and waits until it has left the fast lane.
async fn begin(yard: &Yard, name: &str, (_, _, id, command): Call) -> Answer {
    let slow_before = yard.metric("polder_slow_lane_commands_total");
    let answer = tokio::spawn(yard.send_as(name, id, command));
    let began = Instant::now();
    while yard.metric("polder_slow_lane_commands_total") == slow_before {
        assert!(!answer.is_finished(), "{name}: {:?}", answer.await);
        assert!(began.elapsed() < SOON, "{name}: the call did not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_call_ends_with_its_tenant() {
    let _alone = polder_tests::heavy_async().await;
    let mut yard = Yard::with(ENDLESS).await;
    for call in CALLS {
        let name = prepare(&yard, call).await;
        let answer = begin(&yard, &name, call).await;
        yard.neighbour_goes_on().await;
        yard.remove_in_time(&name).await;
        match answer.await.unwrap() {
            Err(SubmitError::UnknownTenant(removed)) => assert_eq!(removed.as_str(), name),
            other => panic!("{name}: {other:?}"),
        }
        yard.neighbour_goes_on().await;
    }
    yard.shut_down_in_time().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_calls_end_with_their_host() {
    let _alone = polder_tests::heavy_async().await;
    let mut yard = Yard::with(ENDLESS).await;
    // Projections that loop, and a state whose saving at the end loops.
    for id in ["route-loops", "open-loops", "apply-loops", "document-loops"] {
        yard.good_call(id).await;
    }
    yard.send_as(MAIN_TENANT, "save-loops", "many").await.unwrap();
    let (mut names, mut answers) = (Vec::new(), Vec::new());
    for call in CALLS {
        names.push(prepare(&yard, call).await);
    }
    // One of them runs, the others wait for the same thread.
    for (name, call) in names.iter().zip(CALLS) {
        answers.push(begin(&yard, name, call).await);
        yard.neighbour_goes_on().await;
    }
    yard.shut_down_in_time().await;
    for answer in answers {
        let answer = answer.await.unwrap();
        assert!(matches!(answer, Err(SubmitError::ShuttingDown)), "{answer:?}");
    }
}

/// Commands that run on the slow lane, until one is not answered because the state of another aggregate leaves memory
/// there, and its saving does not end. Returns the command that waits.
async fn begin_saving(yard: &Yard, name: &str) -> Answer {
    yard.send_as(name, "save-loops", "toil").await.unwrap();
    for number in 0..OTHERS {
        let mut answer = tokio::spawn(yard.send_as(name, &format!("other-{number}"), "toil"));
        match tokio::time::timeout(ANSWER_MAX, &mut answer).await {
            Ok(answered) => drop(answered.unwrap().unwrap()),
            Err(_) => return answer,
        }
    }
    panic!("{name}: no state was saved on the slow lane");
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_on_the_slow_lane_that_is_endless_ends_with_its_tenant_and_with_its_host() {
    let _alone = polder_tests::heavy_async().await;
    let mut yard = Yard::with(ENDLESS).await;
    yard.add("first").await;
    yard.add("second").await;
    let answer = begin_saving(&yard, "first").await;
    yard.neighbour_goes_on().await;
    yard.remove_in_time("first").await;
    let answer = answer.await.unwrap();
    assert!(matches!(answer, Err(SubmitError::UnknownTenant(_))), "{answer:?}");
    let answer = begin_saving(&yard, "second").await;
    yard.neighbour_goes_on().await;
    yard.shut_down_in_time().await;
    let answer = answer.await.unwrap();
    assert!(matches!(answer, Err(SubmitError::ShuttingDown)), "{answer:?}");
}
