//! The context bridge: translations of events for other contexts, right after the recorded event, once and in order,
//! also after kills.

use async_nats::Message;
use polder_tests::Random;
use serde_json::{Value, json as value};

use super::site::{Site, header, json};
use super::streams::MAIN_STREAM;

const DRAFT: &str = r#"{"customer": "ann"}"#;

const RULES: &str = r#"
[[rule]]
from = "orders.order.order-drafted.v1"
to = "audit.entry.recorded.v1"
[rule.fields]
kind = { value = "order" }
who = { pick = "customer" }
which = { pick = "$aggregate_id" }
summary = { text = "{$actor} drafted {$aggregate_id} for {customer}" }

[[rule]]
from = "audit.>"
to = "archive.page.written.v2"
[rule.fields]
line = { pick = "summary" }
"#;

impl Site {
    /// Sets the rules of this file with the command line; returns its output.
    #[track_caller]
    fn set_rules(&self, rules: &str) -> String {
        let file = self.data.path().join("rules.toml");
        std::fs::write(&file, rules).unwrap();
        self.host().polder(&["bridge", "set", file.to_str().unwrap(), "--actor", "Jörg"]).good().to_owned()
    }

    /// The contents of the stream: subjects without the tenant, and the payloads of translations.
    fn contents(&self) -> Vec<String> {
        let shown = |message: &Message| {
            let subject = message.subject.strip_prefix("main.").unwrap_or_default().to_owned();
            match header(message, "Polder-Hops") {
                Some(hops) if header(message, "Polder-Translation").is_some() => {
                    format!("{subject} {hops} {}", json(message))
                }
                _ => subject,
            }
        };
        self.messages(MAIN_STREAM).iter().map(shown).collect()
    }

    /// Checks that the stream has each event of the history, followed by both translations of each draft after this
    /// position. Returns the number of messages.
    #[track_caller]
    fn assert_stream_is_history_translated(&self, after: u64) -> usize {
        let mut expected = Vec::new();
        for event in self.host().client().get("/v1/main/events").lines() {
            let (id, position) = (event["id"].as_str().unwrap(), event["position"].as_u64().unwrap());
            expected.push((position, id.to_owned()));
            if position > after {
                expected.extend((1..=2).map(|number| (position, format!("{id}.{number}"))));
            }
        }
        self.await_messages(expected.len() as u64);
        let found: Vec<(u64, String)> = self
            .messages(MAIN_STREAM)
            .iter()
            .map(|message| {
                let position = header(message, "Polder-Position").unwrap().parse().unwrap();
                (position, header(message, "Nats-Msg-Id").unwrap().to_owned())
            })
            .collect();
        assert!(found == expected, "{} messages, {} expected", found.len(), expected.len());
        expected.len()
    }
}

#[test]
fn an_event_appears_in_other_contexts_words() {
    let site = Site::open_shop();
    site.order("o-1", "draft-order", DRAFT);
    assert_eq!(site.set_rules(RULES).trim(), "for events after position 1: 2 rules");
    let headers = [("Actor", "ann"), ("Correlation-Id", "corr-1"), ("Causation-Id", "cause-1")];
    site.request("main.cmd.orders.order.o-2.draft-order", &headers, DRAFT);
    site.order("o-2", "add-line", r#"{"sku": "TEA", "quantity": 2, "price": 100}"#);
    site.await_messages(5);
    assert_eq!(
        site.contents(),
        [
            "orders.order.order-drafted.v1",
            "orders.order.order-drafted.v1",
            r#"audit.entry.recorded.v1 1 {"kind":"order","summary":"ann drafted o-2 for ann","which":"o-2","who":"ann"}"#,
            r#"archive.page.written.v2 2 {"line":"ann drafted o-2 for ann"}"#,
            "orders.order.line-added.v2",
        ]
    );
    let messages = site.messages(MAIN_STREAM);
    let [_, event, entry, page, _] = &messages[..] else { panic!("five") };
    let id = header(event, "Nats-Msg-Id").unwrap();
    for (number, translation) in [entry, page].into_iter().enumerate() {
        for kept in ["Polder-Position", "Polder-Aggregate-Id", "Polder-Sequence", "Polder-Time-Ms", "Actor"] {
            assert_eq!(header(translation, kept), header(event, kept), "{kept}");
        }
        assert_eq!(header(translation, "Correlation-Id"), Some("corr-1"));
        assert_eq!(header(translation, "Causation-Id"), Some(id));
        assert_eq!(header(translation, "Nats-Msg-Id"), Some(&*format!("{id}.{}", number + 1)));
    }
    assert_eq!(header(event, "Causation-Id"), Some("cause-1"));
}

#[test]
fn rules_hold_for_what_is_recorded_after_them() {
    let mut site = Site::open_shop();
    let draft = |site: &Site, id: &str| drop(site.order(id, "draft-order", DRAFT));
    let to = |kind: &str| format!("[[rule]]\nfrom = \"orders.>\"\nto = \"{kind}\"\nfields = {{}}\n");
    draft(&site, "o-1");
    site.set_rules(&to("audit.entry.recorded.v1"));
    draft(&site, "o-2");
    assert_eq!(site.set_rules(&to("audit.entry.recorded.v1")).trim(), "these rules were in force before");
    site.set_rules(&to("audit.entry.recorded.v2"));
    draft(&site, "o-3");
    site.set_rules("");
    draft(&site, "o-4");
    site.set_rules(&to("notices.notice.sent.v1"));
    draft(&site, "o-5");
    let drafted = "orders.order.order-drafted.v1";
    let expected = [
        drafted,
        drafted,
        "audit.entry.recorded.v1 1 {}",
        drafted,
        "audit.entry.recorded.v2 1 {}",
        drafted,
        drafted,
        "notices.notice.sent.v1 1 {}",
    ];
    site.await_messages(8);
    assert_eq!(site.contents(), expected);
    // Everything is in the host's own history, where the next run finds it: a refilled stream has the same contents.
    site.kill_host();
    site.start_host();
    let shown = site.host().polder(&["bridge", "show"]).good().to_owned();
    assert!(shown.contains("orders.> becomes notices.notice.sent.v1") && shown.contains("by Jörg"), "{shown}");
    let facts = site.host().client().get("/v1/system/bridges/bridge/main/events").lines();
    assert_eq!(facts.len(), 4, "{facts:?}");
    assert_eq!((&facts[1]["actor"], &facts[1]["payload"]["after"]), (&value!("Jörg"), &value!(2)), "{facts:?}");
    site.runtime.block_on(site.jetstream().delete_stream(MAIN_STREAM)).unwrap();
    site.order("o-6", "draft-order", DRAFT);
    site.await_messages(10);
    assert_eq!(site.contents()[..8], expected);
}

/// The state after a crash between an event and its last translation.
#[test]
fn a_stream_that_ends_within_an_event_is_completed() {
    let mut site = Site::open_shop();
    site.set_rules(RULES);
    site.order("o-1", "draft-order", DRAFT);
    site.order("o-2", "draft-order", DRAFT);
    site.await_messages(6);
    for lost in 1..=2 {
        let whole = site.contents();
        site.stop_host();
        site.lose_last(lost);
        site.start_host();
        site.await_messages(6);
        assert_eq!(site.contents(), whole, "{lost} lost");
    }
    assert_eq!(site.assert_stream_is_history_translated(0), 6);
}

/// A program that turns messages into commands, whose events become messages again.
#[test]
fn a_loop_by_way_of_commands_ends() {
    let site = Site::open_shop();
    site.set_rules("[[rule]]\nfrom = \"orders.>\"\nto = \"audit.entry.recorded.v1\"\nfields = {}");
    let send = |id: &str, hops: &str| {
        let subject = format!("main.cmd.orders.order.{id}.draft-order");
        site.request(&subject, &[("Polder-Hops", hops)], DRAFT)
    };
    for (id, hops) in [("o-1", "0"), ("o-2", "7"), ("o-3", "8")] {
        assert_eq!(json(&send(id, hops))["status"], "accepted");
    }
    let document = super::site::problem(&send("o-4", "9"), 400, "bad-header");
    assert!(document["detail"].as_str().unwrap().contains("goes round in a loop"), "{document}");
    site.await_messages(5);
    let hops: Vec<_> = site
        .messages(MAIN_STREAM)
        .iter()
        .map(|message| {
            (header(message, "Polder-Hops").map(str::to_owned), header(message, "Polder-Translation").is_some())
        })
        .collect();
    let hop = |count: &str| Some(count.to_owned());
    let expected = [(None, false), (hop("1"), true), (hop("7"), false), (hop("8"), true), (hop("8"), false)];
    assert_eq!(hops, expected);
    assert!(site.host().log().contains("it goes round in a loop"), "{}", site.host().log());
}

/// `POLDER_NATS_BRIDGE_ROUNDS` sets the rounds, `POLDER_NATS_KILL_SEED` the seed.
#[test]
fn kills_lose_and_double_nothing_between_an_event_and_its_translations() {
    const COMMANDS: u64 = 400;
    let setting = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (rounds, seed) = (setting("POLDER_NATS_BRIDGE_ROUNDS", 4), setting("POLDER_NATS_KILL_SEED", 1));
    println!("{rounds} rounds, seed {seed}");
    let mut random = Random::seeded(seed);
    let mut site = Site::open_shop();
    site.set_rules(RULES);
    for round in 0..rounds {
        site.runtime.block_on(async {
            for number in 0..COMMANDS {
                let subject = format!("main.cmd.orders.order.r{round}-{number}.draft-order");
                site.client.publish(subject, DRAFT.into()).await.unwrap();
            }
            site.client.flush().await.unwrap();
        });
        // Somewhere in the middle, by the number of messages in the stream.
        let held = site.stream(MAIN_STREAM).map_or(0, |stream| stream.cached_info().state.messages);
        site.await_messages(held + 1 + random.below(COMMANDS));
        match round % 3 {
            0 => {
                site.kill_host();
                site.start_host();
            }
            1 => {
                site.server.kill();
                site.server.start_again();
            }
            _ => {
                site.server.kill();
                site.kill_host();
                site.server.start_again();
                site.start_host();
            }
        }
        site.await_host();
    }
    let count = site.assert_stream_is_history_translated(0);
    println!("{count} messages");
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let site = Site::open_shop();
    let client = site.host().client();
    let rule = |from: &str, to: &str| value!({ "from": from, "to": to });
    let field = |field: Value| value!({ "from": "orders.>", "to": "a.b.c.v1", "fields": { "x": field } });
    for (rules, status, kind, expected) in [
        (value!([rule("*.*.*.*", "audit.entry.recorded.v1")]), 422, "bad-rules", "rule 1 takes what rule 1 makes"),
        (value!([rule("a.>", "b.b.b.v1"), rule("b.>", "a.a.a.v1")]), 422, "bad-rules", "go round in a loop"),
        (value!([rule("orders", "a.b.c.v1")]), 422, "bad-rules", "matches no kind of event"),
        (value!(vec![rule("orders.>", "a.b.c.v1"); 33]), 422, "bad-rules", "33 rules, and 32 are allowed"),
        (value!([rule("orders.>", "audit.entry.recorded")]), 400, "bad-body", "audit.entry.recorded.v1"),
        (value!([rule("orders.>", "audit.*.recorded.v1")]), 400, "bad-body", "a name has 1 to 63"),
        (value!([rule("orders..x", "a.b.c.v1")]), 400, "bad-body", "has an empty token"),
        (value!([field(value!({"pick": "$payload"}))]), 400, "bad-body", "$aggregate_id"),
        (value!([field(value!({"text": "{open"}))]), 400, "bad-body", "without its counterpart"),
        (value!([field(value!({"copy": "a"}))]), 400, "bad-body", "unknown variant `copy`"),
        (value!([field(value!({"value": "x".repeat(5_000)}))]), 422, "bad-rules", "5002, and 4096 are allowed"),
        (value!([{"from": "orders.>"}]), 400, "bad-body", "missing field `to`"),
        (value!("none"), 400, "bad-body", "would be right"),
    ] {
        let body = value!({ "rules": rules }).to_string();
        let problem = client.put("/v1/main/bridge", body).problem(status, kind);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(expected) && detail.len() < 1_000, "{detail}");
    }
    client.put("/v1/none/bridge", r#"{"rules": []}"#).problem(404, "unknown-tenant");
    client.put("/v1/system/bridge", r#"{"rules": []}"#).problem(404, "unknown-tenant");
    client.put("/v1/main/bridge", vec![b' '; 300_000]).problem(413, "too-large");
    assert_eq!(
        client.get("/v1/main/bridge").json(200),
        value!({"tenant": "main", "rules": [], "after": 0, "set": null})
    );
    assert_eq!(site.host().polder(&["bridge", "show"]).good().trim(), "no rules were set");
    let file = site.data.path().join("rules.toml");
    std::fs::write(&file, "[[rule]]\nfrom = \"orders.>\"\nto = 3\n").unwrap();
    let message = site.host().polder(&["bridge", "set", file.to_str().unwrap()]).refused().to_owned();
    assert!(message.contains("rules.toml holds no rules") && message.contains("line 3"), "{message}");
}

#[test]
fn a_payload_that_grows_too_large_is_left_out_and_reported() {
    let mut site = Site::open_shop();
    let field = |number| format!("f{number} = {{ text = \"{}\" }}\n", "{customer}".repeat(100));
    let fields: String = (0..30).map(field).collect();
    site.set_rules(&format!("[[rule]]\nfrom = \"orders.>\"\nto = \"a.b.c.v1\"\n[rule.fields]\n{fields}"));
    site.order("o-1", "draft-order", &value!({ "customer": "a".repeat(128) }).to_string());
    site.order("o-2", "draft-order", DRAFT);
    site.await_messages(3);
    let contents = site.contents();
    let subjects: Vec<&str> = contents.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(subjects, ["orders.order.order-drafted.v1", "orders.order.order-drafted.v1", "a.b.c.v1"]);
    let log = site.stop_host();
    assert!(log.contains("is not translated to a.b.c.v1: the payload would have more than 262144 bytes"), "{log}");
}
