//! A mistake in the file, in the map or in a rule does not lose rows: it is found before anything is sent, and refused
//! rows can be sent again after a correction. In the end each row is there once.

use std::path::PathBuf;

use polder_tests::{Host, Ran, polder_with_input};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use super::office_log::{OfficeLog, written};
use super::{import, map, tally};

const ORDERS: &str = r#"
domain = "orders"
aggregate = "order"
aggregate_id = "order"
row_key = ["order", "what"]

[[command]]
name = "draft-order"
when = { column = "what", equals = "draft" }
[command.fields]
customer = "who"

[[command]]
name = "add-line"
when = { column = "what", equals = "line" }
[command.fields]
sku = "who"
quantity = { column = "number", type = "integer" }
price = { value = 5 }

[[command]]
name = "submit-order"
"#;

struct Desk {
    host: Host,
    folder: TempDir,
}

impl Desk {
    fn open() -> Self {
        let folder = tempdir().unwrap();
        let host = Host::start(&folder.path().join("data"));
        host.client().deploy("orders");
        Self { host, folder }
    }

    fn written(&self, name: &str, text: &str) -> PathBuf {
        written(self.folder.path(), name, text.as_bytes())
    }

    fn import(&self, map: &str, log: &str, further: &[&str]) -> Ran {
        let (map, log) = (self.written("map.toml", map), self.written("log.csv", log));
        let arguments = ["import", log.to_str().unwrap(), "--map", map.to_str().unwrap(), "--json"];
        self.host.polder(&[&arguments[..], further].concat())
    }

    fn report(&self, map: &str, log: &str, further: &[&str]) -> Value {
        let ran = self.import(map, log, further);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
    }

    /// The id of each command in the history, once per event.
    fn ids(&self) -> Vec<String> {
        let events = self.host.client().get("/v1/main/events").lines();
        events.iter().map(|event| event["command_id"].as_str().unwrap().to_owned()).collect()
    }
}

#[track_caller]
fn reasons(report: &Value) -> Vec<(&str, &Value)> {
    let reasons = report["reasons"].as_array().unwrap_or_else(|| panic!("{report}"));
    reasons.iter().map(|reason| (reason["reason"].as_str().unwrap(), &reason["lines"])).collect()
}

#[test]
fn a_dry_run_finds_what_the_host_would_refuse() {
    let desk = Desk::open();
    let log = "order,what,who,number\no-1,draft,ann,\no-1,line,TEA,2\no-2,line,TEA,0\n";
    let dry = |map: &str| desk.import(map, log, &["--dry-run"]);
    let report =
        |ran: &Ran| serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));

    let wrong_field = dry(&ORDERS.replace("quantity = ", "quantiti = "));
    assert_eq!(wrong_field.code, 1, "{wrong_field}");
    let wrong_field = report(&wrong_field);
    assert_eq!(wrong_field["commands"], json!({ "draft-order": 1 }));
    assert_eq!(reasons(&wrong_field), [("field \"quantity\" of add-line is missing", &json!([3, 4]))]);
    let extra = report(&dry(&ORDERS.replace("customer = \"who\"", "customer = \"who\"\nwhen = \"what\"")));
    assert!(reasons(&extra).contains(&("field \"when\" of draft-order is unknown", &json!([2]))), "{extra}");
    assert!(reasons(&extra).contains(&("field \"quantity\" of add-line is less than 1", &json!([4]))), "{extra}");
    let wrong_type = report(&dry(&ORDERS.replace("{ column = \"number\", type = \"integer\" }", "\"number\"")));
    assert!(
        reasons(&wrong_type)[0].0.starts_with("field \"quantity\" of add-line is not of type integer"),
        "{wrong_type}"
    );
    let no_command = dry(&ORDERS.replace("submit-order", "submitt-order"));
    assert!(no_command.code == 1 && no_command.stderr.contains("command \"submitt-order\""), "{no_command}");
    assert!(no_command.stderr.contains("submit-order"), "{no_command}");
    let no_domain = dry(&ORDERS.replace("\"orders\"", "\"ordres\""));
    assert!(no_domain.code == 3 && no_domain.stderr.contains("ordres"), "{no_domain}");
    assert_eq!(desk.ids(), Vec::<String>::new());
}

#[test]
fn rows_that_a_wrong_map_burned_are_sent_again() {
    let desk = Desk::open();
    let log = "order,what,who,number\no-1,draft,ann,\no-1,line,TEA,2\n";
    let wrong = ORDERS.replace("customer = ", "costumer = ");
    // The field is not there, so the first row is rejected, and the second because of the first.
    assert_eq!(tally(&desk.report(&wrong, log, &[])), (0, 0, 2));
    let again = desk.report(ORDERS, log, &[]);
    assert_eq!((tally(&again), &again["refused_before"]), ((0, 0, 2), &json!(2)), "{again}");
    assert!(reasons(&again).contains(&("refused before, with another content", &json!([2]))), "{again}");
    let mended = desk.report(ORDERS, log, &["--retry-refused"]);
    assert_eq!((tally(&mended), &mended["refused_before"]), ((2, 0, 0), &json!(0)), "{mended}");
    for further in [&[][..], &["--retry-refused"]] {
        assert_eq!(tally(&desk.import(ORDERS, log, further).json()), (0, 2, 0));
    }
    assert_eq!(desk.ids(), ["o-1/draft", "o-1/line"]);
}

#[test]
fn rows_that_a_rule_refused_are_sent_again() {
    let desk = Desk::open();
    // An order without lines cannot be submitted.
    let log = "order,what,who,number\no-1,draft,ann,\no-1,submit,,\n";
    let first = desk.report(ORDERS, log, &[]);
    assert_eq!((tally(&first), &first["refused_before"]), ((1, 0, 1), &json!(0)));
    let client = desk.host.client();
    client.post("/v1/main/orders/order/o-1/add-line", r#"{"sku":"TEA","quantity":1,"price":5}"#).json(200);
    let second = desk.import(ORDERS, log, &[]);
    assert_eq!(second.code, 1, "{second}");
    let second: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!((tally(&second), &second["refused_before"]), ((0, 1, 1), &json!(1)));
    assert_eq!(tally(&desk.import(ORDERS, log, &["--retry-refused"]).json()), (1, 1, 0));
    assert_eq!(tally(&desk.import(ORDERS, log, &["--retry-refused"]).json()), (0, 2, 0));
}

#[test]
fn a_row_that_was_accepted_with_another_content_stays_as_it_is() {
    let desk = Desk::open();
    assert_eq!(tally(&desk.report(ORDERS, "order,what,who,number\no-1,draft,ann,\n", &[])), (1, 0, 0));
    let changed = desk.report(ORDERS, "order,what,who,number\no-1,draft,bob,\n", &["--retry-refused"]);
    assert_eq!((tally(&changed), &changed["refused_before"]), ((0, 0, 1), &json!(0)));
    assert_eq!(reasons(&changed), [("accepted before, with another content", &json!([2]))]);
    assert_eq!(desk.ids(), ["o-1/draft"]);
}

#[test]
fn identical_rows_are_reported_and_distinguished_by_their_occurrence() {
    let desk = Desk::open();
    let log = "order,what,who,number\no-1,draft,ann,\no-1,line,TEA,1\no-1,line,TEA,1\no-1,submit,,\n";
    let lines = "row_key = [\"order\", \"what\"]";
    let first = desk.report(ORDERS, log, &[]);
    assert_eq!(tally(&first), (3, 0, 1), "{first}");
    assert_eq!(reasons(&first), [("an earlier row of this file has the same key", &json!([4]))]);
    // The first of them keeps its key, so it is not sent a second time. The other one comes too late here, and the
    // domain refuses it.
    let mended = ORDERS.replace(lines, "row_key = [\"order\", \"what\", \"$occurrence\"]");
    let second = desk.report(&mended, log, &[]);
    assert_eq!(tally(&second), (0, 3, 1), "{second}");
    let by_row = ORDERS
        .replace(lines, "row_key = [\"order\", \"$row\"]")
        .replace("\"order\"\nrow", "{ column = \"order\", prefix = \"r-\" }\nrow");
    assert_eq!(
        reasons(&desk.report(&by_row, log, &[])).iter().filter(|(reason, _)| reason.contains("same key")).count(),
        0
    );
    assert!(desk.ids().contains(&String::from("o-1/2")), "{:?}", desk.ids());
}

#[test]
fn an_unclosed_quote_is_reported_and_corrected_and_each_row_is_there_once() {
    let folder = tempdir().unwrap();
    let log = OfficeLog::generated(5, 12);
    let csv = String::from_utf8(log.csv()).unwrap();
    let mut lines: Vec<String> = csv.lines().map(str::to_owned).collect();
    let last = lines.len() - 1;
    lines[last] = lines[last].replacen("complete", "\"complete", 1);
    let file = written(folder.path(), "log.csv", lines.join("\n").as_bytes());
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("permits");
    let rows = log.rows.len() as u64;
    let report: Value = serde_json::from_str(&import(&host, &file, &[]).stdout).unwrap();
    assert_eq!(tally(&report), (rows - 1, 0, 1), "{report}");
    assert_eq!(reasons(&report), [("a quote opens a cell and nothing closes it", &json!([last + 1]))]);
    let mended = written(folder.path(), "log.csv", csv.as_bytes());
    assert_eq!(tally(&import(&host, &mended, &[]).json()), (1, rows - 1, 0));
    assert_eq!(host.client().position(), rows);
}

#[test]
fn a_log_may_come_through_a_pipe() {
    let folder = tempdir().unwrap();
    let log = OfficeLog::generated(6, 10);
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("permits");
    let (map, rows) = (map(), log.rows.len() as u64);
    let arguments = ["import", "-", "--map", map.to_str().unwrap(), "--json", "--host", host.address()];
    assert_eq!(tally(&polder_with_input(&arguments, &log.csv()).json()), (rows, 0, 0));
    assert_eq!(tally(&polder_with_input(&arguments, &log.xes()).json()), (0, rows, 0));
}
