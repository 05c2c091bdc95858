//! The behaviour of an order, as cases. They run natively here, and through the compiled component in the host's tests.

use orders::domain;
use polder_sdk::testing::check;

#[test]
fn a_customer_opens_an_order() {
    check(
        domain(),
        "
        when   draft-order    customer=c-1
        then   order-drafted  customer=c-1
        state  status=draft total=0
        ",
    );
}

#[test]
fn lines_add_up() {
    check(
        domain(),
        "
        given  order-drafted  customer=c-1
        given  line-added     sku=TEA-250 quantity=2 price=450
        when   add-line       sku=POT quantity=1 price=2995
        then   line-added     sku=POT quantity=1 price=2995
        state  total=3895 lines.TEA-250.quantity=2 lines.POT.price=2995
        ",
    );
}

#[test]
fn an_article_stands_on_an_order_once() {
    check(
        domain(),
        "
        given  order-drafted  customer=c-1
        given  line-added     sku=TEA-250 quantity=2 price=450
        when   add-line       sku=TEA-250 quantity=1 price=450
        then   rejected       already-on-order  TEA-250
        state  total=900
        ",
    );
}

#[test]
fn a_line_can_be_taken_off() {
    check(
        domain(),
        "
        given  order-drafted  customer=c-1
        given  line-added     sku=TEA-250 quantity=2 price=450
        when   remove-line    sku=TEA-250
        then   line-removed   sku=TEA-250 quantity=2 price=450
        state  total=0 lines={}
        ",
    );
}

#[test]
fn what_is_not_on_the_order_cannot_be_taken_off() {
    check(
        domain(),
        "
        given  order-drafted  customer=c-1
        when   remove-line    sku=TEA-250
        then   rejected       not-on-order
        ",
    );
}

#[test]
fn an_order_goes_its_way() {
    check(
        domain(),
        "
        given  order-drafted    customer=c-1
        given  line-added       sku=TEA-250 quantity=2 price=450
        when   submit-order
        then   order-submitted  customer=c-1 lines=1 total=900
        state  status=submitted
        ",
    );
    check(
        domain(),
        "
        given  order-drafted    customer=c-1
        given  line-added       sku=TEA-250 quantity=2 price=450
        given  order-submitted  customer=c-1 lines=1 total=900
        when   validate-order
        then   order-validated  customer=c-1 total=900
        ",
    );
    check(
        domain(),
        "
        given  order-drafted    customer=c-1
        given  line-added       sku=TEA-250 quantity=2 price=450
        given  order-submitted  customer=c-1 lines=1 total=900
        given  order-validated  customer=c-1 total=900
        when   fulfil-order
        then   order-fulfilled  customer=c-1 total=900
        state  status=fulfilled
        ",
    );
}

#[test]
fn an_empty_order_cannot_be_submitted() {
    check(
        domain(),
        "
        given  order-drafted  customer=c-1
        when   submit-order
        then   rejected       no-lines
        ",
    );
}

#[test]
fn a_cancellation_may_say_why() {
    check(
        domain(),
        r#"
        given  order-drafted    customer=c-1
        when   cancel-order     reason="found it cheaper"
        then   order-cancelled  customer=c-1 total=0 reason="found it cheaper"
        state  status=cancelled
        "#,
    );
    check(
        domain(),
        "
        given  order-drafted    customer=c-1
        when   cancel-order
        then   order-cancelled  customer=c-1 total=0 reason=null
        ",
    );
}

#[test]
fn the_chart_refuses_impossible_moves_and_lists_the_possible_ones() {
    check(
        domain(),
        "
        when   submit-order
        then   rejected  not-allowed-in-state  while the order is new; possible now: draft-order
        ",
    );
    check(
        domain(),
        "
        given  order-drafted  customer=c-1
        when   draft-order    customer=c-2
        then   rejected       not-allowed-in-state  add-line, remove-line, submit-order, cancel-order
        ",
    );
    check(
        domain(),
        "
        given  order-drafted    customer=c-1
        given  line-added       sku=TEA-250 quantity=2 price=450
        given  order-submitted  customer=c-1 lines=1 total=900
        when   add-line         sku=POT quantity=1 price=2995
        then   rejected         not-allowed-in-state
        ",
    );
    check(
        domain(),
        "
        given  order-drafted    customer=c-1
        given  order-cancelled  customer=c-1 total=0 reason=null
        when   cancel-order
        then   rejected         not-allowed-in-state  nothing is possible any more
        ",
    );
}

#[test]
fn a_payload_that_makes_no_sense_is_refused_with_its_place() {
    for (payload, message) in [
        ("sku=TEA-250 quantity=2", "missing field `price`"),
        (
            "sku=TEA-250 quantity=2 price=450 colour=green",
            "unknown field `colour`, expected one of `sku`, `quantity`, `price`",
        ),
        ("sku=TEA-250 quantity=two price=450", "`quantity`: invalid type: string \"two\", expected u32"),
        ("sku=TEA-250 quantity=0 price=450", "`quantity`: 0 is no Quantity: it is 1 to 10000"),
        ("sku=tea quantity=2 price=450", "`sku`: \"tea\" is no Sku: it has 1 to 32 characters of A-Z0-9-"),
        ("sku=TEA-250 quantity=2 price=4.50", "`price`: invalid type: floating point `4.5`, expected u64"),
    ] {
        check(
            domain(),
            &format!(
                "
                given  order-drafted  customer=c-1
                when   add-line       {payload}
                then   rejected       invalid-payload  {message}
                "
            ),
        );
    }
}

#[test]
fn the_first_version_of_a_line_was_one_piece() {
    check(
        domain(),
        "
        given  order-drafted    customer=c-1
        given  line-added@1     sku=TEA-250 price=450
        when   submit-order
        then   order-submitted  customer=c-1 lines=1 total=450
        state  lines.TEA-250.quantity=1
        ",
    );
}

#[test]
fn a_summary_follows_its_order() {
    check(
        domain(),
        "
        projection  order-summary
        at     2026-03-01T09:00:00Z
        given  order/o-1  order-drafted  customer=c-1
        given  order/o-2  order-drafted  customer=c-1
        at     2026-03-01T10:00:00Z
        given  order/o-1  line-added     sku=TEA-250 quantity=2 price=450
        given  order/o-1  line-added     sku=POT quantity=1 price=2995
        given  order/o-1  line-removed   sku=POT quantity=1 price=2995
        then   document o-1  customer=c-1 status=draft lines=1 pieces=2 total=900 drafted_at=2026-03-01T09:00:00Z changed_at=2026-03-01T10:00:00Z
        then   document o-2  status=draft lines=0 changed_at=2026-03-01T09:00:00Z
        ",
    );
}

#[test]
fn a_customer_is_notified_when_the_goods_have_left() {
    check(
        domain(),
        "
        projection  order-summary
        given  order/o-1  order-drafted    customer=c-1
        given  order/o-1  line-added       sku=TEA-250 quantity=2 price=450
        given  order/o-1  order-submitted  customer=c-1 lines=1 total=900
        given  order/o-1  order-validated  customer=c-1 total=900
        given  order/o-1  order-fulfilled  customer=c-1 total=900
        then   document o-1  status=fulfilled
        then   effect notify c-1 fulfilled:o-1  order=o-1 total=900
        ",
    );
}

#[test]
fn totals_are_kept_per_customer() {
    check(
        domain(),
        "
        projection  customer-totals
        given  order/o-1  order-drafted    customer=c-1
        given  order/o-1  order-submitted  customer=c-1 lines=1 total=900
        given  order/o-2  order-submitted  customer=c-1 lines=1 total=100
        given  order/o-3  order-submitted  customer=c-2 lines=1 total=50
        given  order/o-1  order-fulfilled  customer=c-1 total=900
        given  order/o-2  order-cancelled  customer=c-1 total=100 reason=null
        then   document c-1  submitted.orders=2 submitted.total=1000 fulfilled.orders=1 fulfilled.total=900 cancelled.orders=1
        then   document c-2  submitted.orders=1 submitted.total=50 fulfilled.orders=0
        ",
    );
}
