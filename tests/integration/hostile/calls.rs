//! Failing calls of the write side, in every way.

use polder_core::Limits;

use polder_engine::SubmitError;

use super::yard::{LIMITS, Yard};

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_command_costs_itself_and_says_what_it_was() {
    let mut yard = Yard::open().await;
    let (mut turns, mut wrong) = (0, Vec::new());
    for (command, reason) in [
        ("loop", "used up its fuel of 20000000 per call (limit fuel_per_call_max)"),
        ("recurse", "nested too deep for the stack"),
        ("grow", "wanted more than 33554432 bytes of memory (limit memory_bytes_max)"),
        ("trap", "it panicked or aborted"),
        ("no-json", "event thing-done is not JSON"),
        ("no-utf8", "event thing-done is not JSON: invalid utf-8"),
        ("wrong-name", "event \"thing-undone\", which its descriptor does not list for aggregate thing"),
        ("name-no-utf8", "invalid utf-8"),
        ("old-version", "event thing-done in version 1; its descriptor says that new ones get version 2"),
        ("new-version", "event thing-done in version 3; its descriptor says that new ones get version 2"),
        ("bad-code", "it rejected with code \"two words\""),
        ("fault", "reported a fault: it will not decide"),
        ("returned-twice", "unknown handle index"),
        ("dropped", "unknown handle index"),
        ("made-up", "unknown handle index"),
    ] {
        yard.good_call("t-1").await;
        yard.good_call("t-2").await;
        // A domain that fails in more than a fifth of its calls would be closed to its callers.
        for _ in 0..2 {
            yard.good_call("t-3").await;
        }
        let failure = yard.fault("t-1", command).await;
        wrong.extend((!failure.contains(reason)).then(|| format!("{command}: {failure}")));
        turns += 2;
        for id in ["t-1", "t-2"] {
            assert_eq!(yard.good_call(id).await.sequence.0, turns, "{id} after {command}");
        }
        assert_eq!(yard.state("t-1").await.unwrap(), format!("{{\"done\":{turns}}}"), "after {command}");
        yard.neighbour_goes_on().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(yard.host.health().writable);
}

/// A decision that exceeds a limit is not a failure; it is refused with the name of the limit.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_says_how_much_there_may_be() {
    let mut yard = Yard::open().await;
    for (turn, (command, reason)) in [
        ("deep-json", "event thing-done has 121 levels; at most 100 are allowed (limit json_depth_max)"),
        ("wide-event", "event thing-done has 65538 bytes; at most 65536 are allowed (limit event_bytes_max)"),
        ("too-many", "the decision has 1001 events; at most 1000 are allowed (limit events_per_command_max)"),
        ("gigabyte", "answered with more than"),
    ]
    .into_iter()
    .enumerate()
    {
        match yard.send("t-1", command).await {
            Err(SubmitError::OverLimit { reason: found, .. }) => assert!(found.contains(reason), "{command}: {found}"),
            other => panic!("{command}: {other:?}"),
        }
        assert_eq!(yard.good_call("t-1").await.sequence.0, turn as u64 + 1);
        yard.neighbour_goes_on().await;
    }
    let reason = yard.send("t-1", "long-message").await.unwrap().reason.unwrap();
    assert!(reason.message.len() == 4_096 && reason.message.ends_with("x … (cut)"), "{reason:?}");
}

/// A guest with the largest possible limits that exceeds them.
#[tokio::test(flavor = "multi_thread")]
async fn ten_million_events_are_not_even_read() {
    let limits = Limits { fuel_per_call_max: 20_000_000_000, memory_bytes_max: 1024 * 1024 * 1024, ..LIMITS };
    let mut yard = Yard::with(limits).await;
    let error = yard.send("t-1", "ten-million").await.unwrap_err();
    assert!(
        matches!(&error, SubmitError::OverLimit { reason, .. } if reason.contains("answered with more than")),
        "{error}"
    );
    assert_eq!(yard.good_call("t-1").await.sequence.0, 1);
    yard.neighbour_goes_on().await;
}

/// Neither fuel nor the clock is checked while one instruction fills memory; between two instructions the clock is.
#[tokio::test(flavor = "multi_thread")]
async fn a_fill_of_all_memory_is_ended_by_the_clock() {
    let limits = Limits { fuel_per_call_max: u64::MAX / 2, call_wall_ms_max: 1_000, ..LIMITS };
    let mut yard = Yard::with(limits).await;
    let failure = yard.fault("t-1", "fill").await;
    assert!(failure.contains("ran for more than 1000 ms (limit call_wall_ms_max)"), "{failure}");
    assert_eq!(yard.good_call("t-1").await.sequence.0, 1);
    yard.neighbour_goes_on().await;
}

/// Memory that is never freed goes with the instance, which is replaced; the command that found no memory runs again.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_grows_with_each_call_meets_its_limit_and_begins_anew() {
    let mut yard = Yard::open().await;
    for done in 1..=20 {
        assert_eq!(yard.send("t-1", "swell").await.unwrap().sequence.0, done);
        yard.neighbour_goes_on().await;
    }
    assert_eq!(yard.good_call("t-1").await.sequence.0, 21);
}

/// One broken aggregate does not affect others of its kind in the same instance.
#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_that_cannot_be_made_is_the_only_one() {
    let mut yard = Yard::open().await;
    for (id, reason) in
        [("start-traps", "it panicked or aborted"), ("start-faults", "reported a fault: it will not begin")]
    {
        for turn in 1..=2 {
            let failure = yard.fault(id, "do").await;
            assert!(failure.contains(reason), "{id}: {failure}");
            yard.good_call(&format!("{id}-not-{turn}")).await;
        }
        yard.neighbour_goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_cannot_be_folded_stays_as_it_is() {
    let mut yard = Yard::open().await;
    for (id, reason) in
        [("evolve-traps", "it panicked or aborted"), ("evolve-faults", "reported a fault: it will not fold")]
    {
        assert_eq!(yard.good_call(id).await.sequence.0, 1);
        // The state is dropped with the fault; from then on it has to be built from events.
        yard.fault(id, "no-json").await;
        let failure = yard.fault(id, "do").await;
        assert!(failure.contains(reason), "{id}: {failure}");
        let failure = yard.state(id).await.unwrap_err().to_string();
        assert!(failure.contains(reason), "{id}: {failure}");
        yard.good_call("t-1").await;
        yard.neighbour_goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_shown_is_reported() {
    let mut yard = Yard::open().await;
    for (id, reason) in [
        ("inspect-traps", "it panicked or aborted"),
        ("inspect-text", "the inspected state is not JSON"),
        ("inspect-faults", "reported a fault: it will not be looked at"),
    ] {
        yard.good_call(id).await;
        let failure = yard.state(id).await.unwrap_err().to_string();
        assert!(failure.contains(reason), "{id}: {failure}");
        // The next command does not need to show the state.
        assert_eq!(yard.good_call(id).await.sequence.0, 2);
        yard.neighbour_goes_on().await;
    }
}

/// Calls the instance directly: whether and when a host saves is its own decision.
#[test]
fn a_state_that_cannot_be_saved_or_loaded_is_reported() {
    let sandbox = polder_sandbox::Sandbox::new(polder_sandbox::SandboxOptions::default()).unwrap();
    let component = sandbox.load(&super::guests::good("rogue")).unwrap();
    let limits = Limits { state_bytes_max: 100, ..LIMITS };
    let mut instance = component.instantiate(&limits).unwrap();
    let state = instance.start("thing", "save-traps").unwrap();
    let failure = instance.save(&state).unwrap_err();
    assert!(failure.instance_lost && failure.to_string().contains("it panicked or aborted"), "{failure}");

    let mut instance = component.instantiate(&limits).unwrap();
    let state = instance.start("thing", "save-faults").unwrap();
    let failure = instance.save(&state).unwrap_err();
    assert!(!failure.instance_lost && failure.to_string().contains("a fault: it will not be saved"), "{failure}");

    let failure = instance.load("thing", "load-traps", b"1").unwrap_err();
    assert!(failure.instance_lost && failure.to_string().contains("it panicked or aborted"), "{failure}");

    let mut instance = component.instantiate(&limits).unwrap();
    let state = instance.load("thing", "save-grows", b"1").unwrap();
    let failure = instance.save(&state).unwrap_err();
    assert!(
        failure
            .to_string()
            .contains("a saved state has 1048576 bytes; at most 100 are allowed (limit state_bytes_max)"),
        "{failure}"
    );
    // Too large, but a valid result: the instance continues.
    assert!(!failure.instance_lost && instance.inspect(&state).is_ok());
}
