//! Every exported function, failing in every way: it never returns, it takes all memory, or it lies. The caller gets
//! the reason, the tenant's next good call works, a neighbour goes on, and the tenant is removed in time. Functions
//! that run before a domain is accepted are in [`loading`](super::loading).

use polder_core::{CommandStatus, Limits};
use polder_engine::{MAIN_TENANT, ParkedFilter, ReadError, SubmitError};

use super::yard::{LIMITS, Yard, tenant};

const WAIT_MS: u64 = 60_000;
/// Other aggregates that are used so that a state leaves the guest's memory, whichever worker has it.
const OTHERS: u64 = 16;

const LOOPS: &str = "used up its fuel of 20000000 per call (limit fuel_per_call_max)";
const HOARDS: &str = "wanted more than 33554432 bytes of memory (limit memory_bytes_max)";
const UNKNOWN_HANDLE: &str = "broke the interface: unknown handle index";
const WRONG_HANDLE: &str = "used with the wrong type";

/// The call of a caller that runs into the failure.
#[derive(Debug, Clone, Copy)]
enum Met {
    /// This command meets it.
    InCommand(&'static str),
    /// A query of the state, after one event.
    InState,
    /// A query of the state, after it was saved and has left the guest's memory.
    AfterSaving,
}

use Met::{AfterSaving, InCommand, InState};

/// For each function its failures: the aggregate's id, the call that meets the failure, and the reason.
type Failures = (&'static str, &'static [(&'static str, Met, &'static str)]);

const WRITE_SIDE: [Failures; 5] = [
    (
        "start",
        &[
            ("start-loops", InCommand("do"), LOOPS),
            ("start-hoards", InCommand("do"), HOARDS),
            ("start-dropped", InCommand("do"), UNKNOWN_HANDLE),
            ("start-made-up", InCommand("do"), UNKNOWN_HANDLE),
            ("start-foreign", InCommand("do"), WRONG_HANDLE),
        ],
    ),
    (
        "load",
        &[
            ("load-loops", AfterSaving, LOOPS),
            ("load-hoards", AfterSaving, HOARDS),
            ("load-faults", AfterSaving, "reported a fault: it will not be loaded"),
            ("load-dropped", AfterSaving, UNKNOWN_HANDLE),
            ("load-made-up", AfterSaving, UNKNOWN_HANDLE),
            ("load-foreign", AfterSaving, WRONG_HANDLE),
        ],
    ),
    (
        "evolve",
        &[
            ("evolve-loops", InState, LOOPS),
            ("evolve-hoards", InState, HOARDS),
            ("evolve-dropped", InState, UNKNOWN_HANDLE),
            ("evolve-made-up", InState, UNKNOWN_HANDLE),
            ("evolve-foreign", InState, WRONG_HANDLE),
        ],
    ),
    (
        "handle",
        &[
            ("t-2", InCommand("loop"), LOOPS),
            ("t-2", InCommand("grow"), HOARDS),
            ("t-2", InCommand("dropped"), UNKNOWN_HANDLE),
            ("t-2", InCommand("made-up"), UNKNOWN_HANDLE),
            ("t-2", InCommand("foreign"), WRONG_HANDLE),
        ],
    ),
    (
        "inspect",
        &[
            ("inspect-loops", InState, LOOPS),
            ("inspect-hoards", InState, HOARDS),
            ("inspect-text", InState, "the inspected state is not JSON"),
        ],
    ),
];

/// Their events are set aside, with the reason.
const READ_SIDE: [(&str, &[(&str, &str)]); 4] = [
    (
        "route",
        &[
            ("route-loops", LOOPS),
            ("route-hoards", HOARDS),
            ("route-faults", "reported a fault: it reports a fault in route"),
            ("route-few", "it routed 0 events of 1"),
            ("route-more", "it routed 2 events of 1"),
            ("route-long", "it routed to a document key of 513 bytes"),
        ],
    ),
    (
        "open",
        &[
            ("open-loops", LOOPS),
            ("open-hoards", HOARDS),
            ("open-faults", "reported a fault: it reports a fault in open"),
            ("open-dropped", UNKNOWN_HANDLE),
            ("open-made-up", UNKNOWN_HANDLE),
            ("open-foreign", WRONG_HANDLE),
        ],
    ),
    (
        "apply",
        &[
            ("apply-loops", LOOPS),
            ("apply-hoards", HOARDS),
            ("apply-place", "where no event of this call is"),
            ("apply-dropped", UNKNOWN_HANDLE),
            ("apply-made-up", UNKNOWN_HANDLE),
            ("apply-foreign", WRONG_HANDLE),
        ],
    ),
    (
        "document.save",
        &[
            ("document-loops", LOOPS),
            ("document-hoards", HOARDS),
            ("document-faults", "reported a fault: it reports a fault in document"),
            ("document-text", "the document is not JSON"),
        ],
    ),
];

/// A state that is not in use leaves memory at once, so that it is saved and loaded.
const ONE_STATE: Limits = Limits { warm_states_max: 1, ..LIMITS };

async fn good_call(yard: &Yard, name: &str, id: &str) -> u64 {
    let acknowledgement = yard.send_as(name, id, "do").await.unwrap_or_else(|error| panic!("{name} {id}: {error}"));
    assert_eq!(acknowledgement.status, CommandStatus::Accepted, "{name} {id}");
    acknowledgement.sequence.0
}

/// Makes the host save an aggregate's state: the aggregate gets many events, and then others are used.
async fn save(yard: &Yard, name: &str, id: &str) {
    yard.send_as(name, id, "many").await.unwrap();
    for number in 0..OTHERS {
        good_call(yard, name, &format!("other-{number}")).await;
    }
}

/// The reason that the caller gets.
async fn reason_of(yard: &Yard, name: &str, id: &str, met: Met) -> String {
    match met {
        InCommand(command) => match yard.send_as(name, id, command).await {
            Err(SubmitError::GuestFault { reason, .. }) => return reason,
            other => panic!("{id} {command}: {other:?}"),
        },
        InState => assert_eq!(good_call(yard, name, id).await, 1),
        AfterSaving => save(yard, name, id).await,
    }
    match yard.state_as(name, id).await {
        Err(ReadError::GuestFault { reason, .. }) => reason,
        other => panic!("{id}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_of_the_write_side_fails_alone_in_every_way() {
    let _alone = polder_tests::heavy_async().await;
    let (mut yard, mut wrong) = (Yard::with(ONE_STATE).await, Vec::new());
    for (function, failures) in WRITE_SIDE {
        let name = format!("{function}-tenant");
        yard.add(&name).await;
        for (turn, (id, met, reason)) in (1..).zip(failures) {
            let found = reason_of(&yard, &name, id, *met).await;
            wrong.extend((!found.contains(reason)).then(|| format!("{function}, {id} {met:?}: {found}")));
            assert_eq!(good_call(&yard, &name, "t-1").await, turn, "after {id}");
            yard.neighbour_goes_on().await;
        }
        yard.remove_in_time(&name).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    yard.shut_down_in_time().await;
}

/// The host saves a state for itself only, so no caller meets a failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_whose_saving_fails_in_any_way_goes_on() {
    let _alone = polder_tests::heavy_async().await;
    let mut yard = Yard::with(ONE_STATE).await;
    for id in ["save-loops", "save-hoards", "save-faults", "save-grows"] {
        save(&yard, MAIN_TENANT, id).await;
        assert_eq!(good_call(&yard, MAIN_TENANT, id).await, 41);
        assert_eq!(yard.state(id).await.unwrap(), "{\"done\":41}", "{id}");
        yard.neighbour_goes_on().await;
    }
    yard.add("second").await;
    yard.send_as("second", "save-loops", "many").await.unwrap();
    yard.remove_in_time("second").await;
    yard.shut_down_in_time().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_of_the_read_side_fails_alone_in_every_way() {
    let _alone = polder_tests::heavy_async().await;
    let (mut yard, mut wrong) = (Yard::open().await, Vec::new());
    for (function, failures) in READ_SIDE {
        let name = format!("{}-tenant", function.replace('.', "-"));
        yard.add(&name).await;
        for (id, _) in failures {
            good_call(&yard, &name, id).await;
            yard.neighbour_goes_on().await;
        }
        let last = yard.send_as(&name, "t-1", "do").await.unwrap().position;
        let documents = yard.documents(&name, "board", last, WAIT_MS).await.unwrap();
        assert_eq!(documents, [("t-1".to_owned(), "{\"seen\":1}".to_owned())], "{function}");
        let page = yard.host.views().parked(&tenant(&name), ParkedFilter::default(), 1_000).await.unwrap();
        let parked: Vec<_> = page.parked.iter().map(|event| (event.position.0, event.reason.as_str())).collect();
        assert_eq!(parked.len(), failures.len(), "{function}: {parked:?}");
        for (position, ((id, reason), (at, found))) in (1..).zip(failures.iter().zip(parked)) {
            assert_eq!(at, position, "{function}, {id}");
            wrong.extend((!found.contains(reason)).then(|| format!("{function}, {id}: {found}")));
        }
        yard.remove_in_time(&name).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    yard.shut_down_in_time().await;
}

/// The host cannot know what a document should hold. Only the documents of this key are wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_returns_another_document_spoils_only_that_key() {
    let _alone = polder_tests::heavy_async().await;
    let mut yard = Yard::open().await;
    let mut last = yard.good_call("t-1").await.position;
    for id in ["apply-other", "t-2", "apply-other", "t-1"] {
        last = yard.good_call(id).await.position;
    }
    let documents = yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    let seen = |key: &str, seen: u64| (key.to_owned(), format!("{{\"seen\":{seen}}}"));
    assert_eq!(documents, [seen("apply-other", 1_000_000), seen("t-1", 2), seen("t-2", 1)]);
    yard.neighbour_goes_on().await;
}
