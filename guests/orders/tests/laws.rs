//! Laws that hold for every history of an order, checked on random ones.

use orders::domain;
use polder_sdk::testing::{check_laws, check_projection_laws};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// Few articles and customers, so that commands concern the same lines; mostly commands that an order accepts.
fn command() -> impl Strategy<Value = (String, Value)> {
    let sku = || select(vec!["TEA-250", "POT", "CUP"]);
    prop_oneof![
        1 => select(vec!["c-1", "c-2"]).prop_map(|customer| ("draft-order", json!({ "customer": customer }))),
        6 => (sku(), 0..4_u32, 0..500_u64)
            .prop_map(|(sku, quantity, price)| ("add-line", json!({ "sku": sku, "quantity": quantity, "price": price }))),
        2 => sku().prop_map(|sku| ("remove-line", json!({ "sku": sku }))),
        1 => select(vec!["submit-order", "validate-order", "fulfil-order", "cancel-order", "no-such-command"])
            .prop_map(|name| (name, json!({}))),
    ]
    .prop_map(|(name, payload)| (name.to_owned(), payload))
}

fn commands() -> impl Strategy<Value = Vec<(String, Value)>> {
    proptest::collection::vec(command(), 0..24).prop_map(|mut commands| {
        commands.insert(0, ("draft-order".to_owned(), json!({ "customer": "c-1" })));
        commands
    })
}

proptest! {
    #[test]
    fn an_order_is_the_fold_of_its_events(commands in commands()) {
        prop_assert!(check_laws(domain(), "order", &commands) > 0);
    }

    #[test]
    fn views_are_the_fold_of_the_events(commands in commands()) {
        prop_assert_eq!(check_projection_laws(domain(), "order", "order-summary", &commands), 1);
        check_projection_laws(domain(), "order", "customer-totals", &commands);
    }
}
