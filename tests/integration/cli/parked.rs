//! `polder parked`: events that a projection could not apply are listed and shown with their reasons, tried again,
//! discarded, and applied by a mended revision. The view says before that it is not whole.

use std::time::{Duration, Instant};

use polder_tests::Host;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hostile::guests::{good, rogue};

/// The longest wait for a view that is built anew, or for events that are tried again.
const WAIT_MAX: Duration = Duration::from_secs(60);

struct Broken {
    host: Host,
    _folder: TempDir,
}

impl Broken {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { host: Host::start(&folder.path().join("data")), _folder: folder }
    }

    fn send(&self, place: &str, commands: &[(&str, &str)]) {
        for (id, command) in commands {
            self.host.polder(&["send", &format!("{place}/{id}"), command, "{}"]).good();
        }
    }

    /// Position and kind of all events that are set aside.
    fn parked(&self) -> Vec<(u64, String)> {
        let page = self.host.polder(&["parked", "list", "--json"]).json();
        let parked = page["parked"].as_array().expect("a list").iter();
        parked.map(|event| (event["position"].as_u64().unwrap(), event["kind"].as_str().unwrap().to_owned())).collect()
    }

    #[track_caller]
    fn until_parked(&self, wanted: &[(u64, &str)]) {
        let (began, wanted) = (Instant::now(), wanted.iter().map(|(position, kind)| (*position, (*kind).to_owned())));
        let wanted: Vec<_> = wanted.collect();
        while self.parked() != wanted {
            assert!(began.elapsed() < WAIT_MAX, "{:?}", self.parked());
        }
    }

    fn view(&self, arguments: &[&str]) -> polder_tests::Ran {
        self.host.polder(&[&["view"], arguments, &["--timeout-ms", "60000"]].concat())
    }
}

#[test]
fn a_mended_revision_applies_what_was_set_aside() {
    let broken = Broken::open();
    let deploy = |component: Vec<u8>| broken.host.client().put("/v1/main/domains/rogue", component).json(200);
    deploy(rogue("apply-breaks"));
    broken.send("rogue/thing", &[("t-1", "do"), ("t-1", "do"), ("t-2", "do")]);
    let page = broken.view(&["rogue/board", "--after", "3"]);
    let said = "0 documents, as of position 3\nset aside: 3 events, from position 1 on; see `polder parked list`";
    assert_eq!(page.good(), said);
    let one = broken.view(&["rogue/board", "t-1", "--after", "3"]);
    let said =
        "projection \"board\" has no document \"t-1\", as of position 3; from position 1 on events are set aside";
    assert!(one.refused().contains(said), "{one}");

    let list = broken.host.polder(&["parked", "list"]);
    let lines: Vec<&str> = list.good().lines().collect();
    assert_eq!((lines.len(), lines[3]), (4, "3 events set aside"), "{list}");
    let first = "1  rogue/board  document t-1  thing/t-1 thing-done@2  the domain's code trapped: ";
    assert!(lines[0].trim_start().starts_with(first), "{list}");
    assert!(lines[1].ends_with("an earlier event of this document is set aside"), "{list}");
    let page = broken.host.polder(&["parked", "list", "--limit", "2"]);
    assert!(page.good().ends_with("2 events set aside, there are more: go on with --after 2"), "{page}");
    let of_one = broken.host.polder(&["parked", "list", "--key", "t-2", "--json"]).json();
    assert_eq!((of_one["parked"].as_array().unwrap().len(), &of_one["parked"][0]["position"]), (1, &json!(3)));
    let shown = broken.host.polder(&["parked", "show", "3"]);
    let (line, event) = shown.good().split_once('\n').expect("a line and the event");
    let event: Value = serde_json::from_str(event).unwrap();
    assert!(line.contains("document t-2") && line.contains("the domain's code trapped: "), "{shown}");
    assert_eq!(
        (&event["position"], &event["aggregate_id"], &event["name"]),
        (&3.into(), &json!("t-2"), &json!("thing-done"))
    );

    deploy(good("rogue"));
    broken.until_parked(&[]);
    assert_eq!(broken.host.polder(&["parked", "list"]).good(), "0 events set aside");
    let whole = broken.view(&["rogue/board", "--after", "3"]);
    assert_eq!(whole.good(), "t-1  {\"seen\":2}\nt-2  {\"seen\":1}\n2 documents, as of position 3");
    let one = broken.view(&["rogue/board", "t-1", "--after", "3"]);
    assert_eq!((one.code, one.stderr.trim_end()), (0, "as of position 3"), "{one}");
}

#[test]
fn events_are_tried_again_and_discarded() {
    let broken = Broken::open();
    broken.host.client().deploy("saboteur");
    let commands = [("m-1", "turn"), ("m-1", "curse"), ("m-1", "turn"), ("m-2", "turn"), ("m-2", "curse")];
    broken.send("saboteur/machine", &commands);
    let page = broken.view(&["saboteur/ledger", "--after", "5"]);
    assert_eq!(
        page.good(),
        "m-1  {\"turns\":1}  (not whole)\nm-2  {\"turns\":1}  (not whole)\n2 documents, as of position 5\n\
         set aside: 3 events, from position 2 on; see `polder parked list`"
    );
    let one = broken.view(&["saboteur/ledger", "m-1", "--after", "5"]);
    let not_whole =
        "as of position 5\nnot whole: it lacks 2 events, set aside from position 2 on; see `polder parked list`";
    assert_eq!((one.code, one.stderr.trim_end()), (0, not_whole), "{one}");
    let all = [(2, "failed"), (3, "behind"), (5, "failed")];
    broken.until_parked(&all);

    // The projection is as it was, so it fails again.
    let retried = broken.host.polder(&["parked", "retry", "--all"]);
    assert_eq!(retried.good(), "tried 3 events again; 3 are still set aside");
    broken.until_parked(&all);

    // What waits behind the discarded event is applied.
    assert_eq!(broken.host.polder(&["parked", "discard", "2", "--json"]).json(), json!({ "events": 1 }));
    broken.until_parked(&[(5, "failed")]);
    let one = broken.view(&["saboteur/ledger", "m-1", "--after", "5"]);
    assert_eq!((one.code, one.stderr.trim_end()), (0, "as of position 5"), "{one}");
    assert_eq!(serde_json::from_str::<Value>(&one.stdout).unwrap(), json!({ "turns": 2 }));
    let projection = ["parked", "discard", "--domain", "saboteur", "--projection", "ledger", "--json"];
    assert_eq!(broken.host.polder(&projection).json(), json!({ "events": 1 }));
    broken.until_parked(&[]);
    let page = broken.view(&["saboteur/ledger", "--after", "5"]);
    assert_eq!(page.good(), "m-1  {\"turns\":2}\nm-2  {\"turns\":1}\n2 documents, as of position 5");
}
