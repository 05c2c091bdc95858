//! Laws that hold for every history of an application, checked on random ones.

use permits::domain;
use polder_sdk::testing::{check_laws, check_projection_laws};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// Times of a few days with different offsets, so that some are earlier than others.
fn time() -> impl Strategy<Value = String> {
    (1..8_u32, 0..24_u32, select(vec!["Z", "+01:00", "+02:00"]))
        .prop_map(|(day, hour, offset)| format!("2011-10-{day:02}T{hour:02}:00:00.5{offset}"))
}

fn resource() -> impl Strategy<Value = &'static str> {
    select(vec!["Resource01", "Resource02", "admin1"])
}

fn register() -> impl Strategy<Value = (String, Value)> {
    (time(), resource(), select(vec!["General", "Experts"]), proptest::option::of(time())).prop_map(
        |(received_at, resource, department, ended_at)| {
            let payload = json!({
                "channel": "Internet", "department": department, "responsible": "Resource21",
                "started_at": received_at, "deadline": received_at, "planned_end": received_at, "ended_at": ended_at,
                "received_at": received_at, "resource": resource, "resource_group": "EMPTY",
            });
            ("register-application".to_owned(), payload)
        },
    )
}

fn record() -> impl Strategy<Value = (String, Value)> {
    let task = select(vec!["T02 Check confirmation of receipt", "T16 Report reasons to hold request", "No such task"]);
    (task, resource(), time()).prop_map(|(task, resource, completed_at)| {
        let payload =
            json!({ "task": task, "resource": resource, "resource_group": "Group 1", "completed_at": completed_at });
        ("record-task".to_owned(), payload)
    })
}

fn commands() -> impl Strategy<Value = Vec<(String, Value)>> {
    let others = proptest::collection::vec(prop_oneof![1 => register(), 9 => record()], 0..24);
    (register(), others).prop_map(|(first, others)| std::iter::once(first).chain(others).collect())
}

proptest! {
    #[test]
    fn an_application_is_the_fold_of_its_events(commands in commands()) {
        prop_assert!(check_laws(domain(), "application", &commands) > 0);
    }

    #[test]
    fn views_are_the_fold_of_the_events(commands in commands()) {
        prop_assert_eq!(check_projection_laws(domain(), "application", "case-file", &commands), 1);
        prop_assert!(check_projection_laws(domain(), "application", "resource-workload", &commands) > 0);
        prop_assert_eq!(check_projection_laws(domain(), "application", "department-month", &commands), 1);
    }
}
