//! A domain through its native interface: everything that a host may call, and the results.

use polder_sdk::{CommandRef, Domain, EventRef, Fault, NewEvent, Refused, State};
use serde_json::{Value, json};

mod lockers {
    //! Parcel lockers: boxes that tenants rent, and the carriers that fill them.

    use polder_sdk::prelude::*;

    #[value_object(length = 1..=8, chars = "a-z0-9")]
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Code(String);

    #[value_object(range = -5..=60)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Degrees(i8);

    #[value_object(check = is_even, rule = "a box has an even number")]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct BoxNumber(u32);

    fn is_even(number: &u32) -> bool {
        number.is_multiple_of(2)
    }

    /// A person who rents a box.
    pub enum Tenant {}

    /// A box that can be rented.
    #[aggregate("box", chart = door)]
    #[derive(Default)]
    pub struct Locker {
        door: Door,
        rents: Vec<Id<Tenant>>,
    }

    #[data]
    #[derive(Default, StateChart)]
    #[chart(aggregate = Locker)]
    pub enum Door {
        #[default]
        #[on(Rent -> Rented -> Open, Cool, Lie -> Lied -> Open, Jump -> Left -> Closed)]
        Closed,
        #[on(Leave -> Left -> Closed)]
        Open,
    }

    #[derive(Command)]
    pub enum LockerCommand {
        /// Rents the box to a new tenant.
        Rent {
            number: BoxNumber,
            #[serde(default)]
            code: Option<Code>,
        },
        Leave,
        /// Leads to no event.
        Cool {
            to: Degrees,
        },
        /// Records that the door opens, but the state keeps it closed.
        Lie,
        /// Leaves a box that was not rented.
        Jump,
    }

    #[derive(Event)]
    pub enum LockerEvent {
        #[event(name = "box-rented", version = 3, upcast(1 = nameless, 2 = numberless))]
        Rented {
            tenant: Id<Tenant>,
            number: BoxNumber,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<Code>,
        },
        /// The box is free again.
        Left,
        Lied(Lie),
    }

    #[data]
    pub struct Lie {
        pub words: String,
    }

    #[data]
    pub(crate) struct Rented1 {}

    fn nameless(_: Rented1) -> LockerEvent {
        LockerEvent::Rented {
            tenant: "unknown".parse().expect("an id"),
            number: BoxNumber::new(0).expect("even"),
            code: None,
        }
    }

    #[data]
    pub(crate) struct Rented2 {
        tenant: Id<Tenant>,
    }

    fn numberless(old: Rented2) -> LockerEvent {
        LockerEvent::Rented { tenant: old.tenant, number: BoxNumber::new(0).expect("even"), code: None }
    }

    #[derive(Rejection)]
    pub enum LockerRejection {
        #[rejection("box {number} is out of order", code = "out-of-order")]
        Broken { number: BoxNumber },
    }

    impl Aggregate for Locker {
        type Command = LockerCommand;
        type Event = LockerEvent;
        type Rejection = LockerRejection;

        fn handle(&self, command: LockerCommand, cx: &Context) -> Result<Vec<LockerEvent>, LockerRejection> {
            match command {
                LockerCommand::Rent { number, .. } if number.get() == 13 * 2 => Err(LockerRejection::Broken { number }),
                LockerCommand::Rent { number, code } => {
                    Ok(vec![LockerEvent::Rented { tenant: cx.new_id(), number, code }])
                }
                LockerCommand::Leave => Ok(vec![LockerEvent::Left]),
                LockerCommand::Cool { .. } => Ok(Vec::new()),
                LockerCommand::Lie => Ok(vec![LockerEvent::Lied(Lie { words: "the door is open".to_owned() })]),
                LockerCommand::Jump => Ok(vec![LockerEvent::Left, LockerEvent::Left]),
            }
        }

        fn evolve(&mut self, event: &LockerEvent) {
            match event {
                LockerEvent::Rented { tenant, .. } => {
                    self.door = Door::Open;
                    self.rents.push(tenant.clone());
                }
                LockerEvent::Left => self.door = Door::Closed,
                LockerEvent::Lied(_) => {}
            }
        }
    }

    #[aggregate("carrier")]
    #[derive(Default)]
    pub struct Carrier;

    #[derive(Command)]
    pub enum CarrierCommand {
        Call,
    }

    #[derive(Event)]
    pub enum CarrierEvent {
        /// A carrier came for two boxes at once, or twice for the same box.
        CarrierCame { first: String, second: String },
    }

    impl Aggregate for Carrier {
        type Command = CarrierCommand;
        type Event = CarrierEvent;
        type Rejection = std::convert::Infallible;

        fn handle(&self, _: CarrierCommand, _: &Context) -> Result<Vec<CarrierEvent>, Self::Rejection> {
            Ok(vec![CarrierEvent::CarrierCame { first: "a".to_owned(), second: "b".to_owned() }])
        }

        fn evolve(&mut self, _: &CarrierEvent) {}
    }

    #[derive(Source)]
    pub(crate) enum Seen {
        Locker(LockerEvent),
        Carrier(CarrierEvent),
    }

    /// The facts about a box while it is rented.
    #[projection("box-use")]
    pub(crate) struct BoxUse {
        tenant: Id<Tenant>,
        visits: u32,
    }

    impl Projection for BoxUse {
        type Event = Seen;

        fn project(event: &Recorded<Seen>, documents: &mut Documents<Self>) {
            match &event.data {
                Seen::Locker(LockerEvent::Rented { tenant, .. }) => {
                    documents.put(&event.aggregate_id, BoxUse { tenant: tenant.clone(), visits: 0 });
                }
                Seen::Locker(LockerEvent::Left) => documents.delete(&event.aggregate_id),
                Seen::Locker(LockerEvent::Lied(_)) => {}
                Seen::Carrier(CarrierEvent::CarrierCame { first, second }) => {
                    for key in [first, second] {
                        documents.change(key, |used| {
                            used.visits += 1;
                            (used.visits == 2).then(|| {
                                Effect::new("praise", &event.aggregate_id, format!("{key}:{}", used.visits))
                                    .with("visits", 2)
                            })
                        });
                    }
                }
            }
        }
    }

    /// The number of times that a carrier came.
    #[projection("visits", per_aggregate)]
    #[derive(Default)]
    pub(crate) struct Visits {
        times: u32,
    }

    impl Projection for Visits {
        type Event = CarrierEvent;

        fn project(event: &Recorded<CarrierEvent>, documents: &mut Documents<Self>) {
            let CarrierEvent::CarrierCame { first, .. } = &event.data;
            // Most of the time the box is not a carrier.
            let carrier = if first == "elsewhere" { first } else { &event.aggregate_id };
            documents.upsert(carrier, |visits| visits.times += 1);
        }
    }

    domain! { name: "lockers", aggregates: [Locker, Carrier], projections: [BoxUse, Visits] }
}

fn lockers() -> &'static Domain {
    lockers::domain()
}

fn ask(state: &mut State, id: &str, name: &str, payload: &str) -> Result<Vec<NewEvent>, Refused> {
    state.handle(&CommandRef { id, name, payload: payload.as_bytes(), at_ms: 1, actor: None })
}

fn rejected(state: &mut State, name: &str, payload: &str) -> (String, String) {
    let before = state.inspect().unwrap();
    let refused = ask(state, "c-1", name, payload).unwrap_err();
    assert_eq!(state.inspect().unwrap(), before);
    match refused {
        Refused::Rejected(rejected) => (rejected.code.into_owned(), rejected.message),
        Refused::Fault(fault) => panic!("a fault: {fault}"),
    }
}

fn fault(state: &mut State, name: &str) -> String {
    match ask(state, "c-1", name, "{}") {
        Err(Refused::Fault(fault)) => fault.message,
        other => panic!("{other:?}"),
    }
}

fn event<'a>(aggregate: &'a str, id: &'a str, name: &'a str, version: u32, payload: &'a str) -> EventRef<'a> {
    EventRef {
        position: 1,
        aggregate,
        aggregate_id: id,
        sequence: 1,
        name,
        version,
        payload: payload.as_bytes(),
        at_ms: 1,
    }
}

fn inspected(state: &State) -> Value {
    serde_json::from_str(&state.inspect().unwrap()).unwrap()
}

#[test]
fn a_command_gives_events_and_the_next_state() {
    let mut state = lockers().start("box", "b-1").unwrap();
    let events = ask(&mut state, "c-1", "rent", r#"{ "number": 4, "code": "k7" }"#).unwrap();
    let [rented] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((rented.name, rented.version), ("box-rented", 3));
    let payload: Value = serde_json::from_slice(&rented.payload).unwrap();
    assert_eq!((&payload["number"], &payload["code"]), (&json!(4), &json!("k7")));
    assert_eq!(inspected(&state), json!({ "door": "open", "rents": [payload["tenant"]] }));

    // The same command leads to the same decision again, new ids included.
    let mut again = lockers().start("box", "b-1").unwrap();
    assert_eq!(ask(&mut again, "c-1", "rent", r#"{ "number": 4, "code": "k7" }"#).unwrap(), events);
    let mut other = lockers().start("box", "b-1").unwrap();
    assert_ne!(ask(&mut other, "c-2", "rent", r#"{ "number": 4, "code": "k7" }"#).unwrap(), events);
}

#[test]
fn an_empty_field_may_be_left_out_of_what_is_recorded() {
    let mut state = lockers().start("box", "b-1").unwrap();
    let events = ask(&mut state, "c-1", "rent", r#"{ "number": 4 }"#).unwrap();
    let payload: Value = serde_json::from_slice(&events[0].payload).unwrap();
    assert!(payload.get("code").is_none(), "{payload}");
}

#[test]
fn rejections_have_codes_and_leave_the_state_alone() {
    let mut state = lockers().start("box", "b-1").unwrap();
    assert_eq!(
        rejected(&mut state, "rent", r#"{ "number": 26 }"#),
        ("out-of-order".to_owned(), "box 26 is out of order".to_owned())
    );
    assert_eq!(
        rejected(&mut state, "leave", ""),
        (
            "not-allowed-in-state".to_owned(),
            "leave is not possible while the box is closed; possible now: rent, cool, lie, jump".to_owned()
        )
    );
    assert_eq!(
        rejected(&mut state, "burn", "{}"),
        (
            "unknown-command".to_owned(),
            "there is no command \"burn\"; there are rent, leave, cool, lie, jump".to_owned()
        )
    );
    for (name, payload, message) in [
        ("rent", r#"{ "number": 3 }"#, "`number`: 3 is no BoxNumber: a box has an even number"),
        ("rent", r#"{ "number": -2 }"#, "`number`: invalid value: integer `-2`, expected u32"),
        ("rent", r#"{ "number": 2, "code": "K7" }"#, "`code`: \"K7\" is no Code: it has 1 to 8 characters of a-z0-9"),
        ("cool", r#"{ "to": 61 }"#, "`to`: 61 is no Degrees: it is -5 to 60"),
        ("leave", r#"{ "now": true }"#, "unknown field `now`, there are no fields"),
    ] {
        assert_eq!(rejected(&mut state, name, payload), ("invalid-payload".to_owned(), message.to_owned()));
    }
}

#[test]
fn a_command_may_have_nothing_to_do() {
    let mut state = lockers().start("box", "b-1").unwrap();
    assert_eq!(ask(&mut state, "c-1", "cool", r#"{ "to": -5 }"#).unwrap(), []);
}

#[test]
fn a_decision_that_breaks_the_chart_is_a_fault() {
    let mut state = lockers().start("box", "b-1").unwrap();
    assert_eq!(
        fault(&mut state, "lie"),
        "by the chart of box lied leads from closed to open, but evolve led to closed"
    );
    let mut state = lockers().start("box", "b-1").unwrap();
    state.evolve(&[event("box", "b-1", "box-rented", 3, r#"{"tenant":"t-1","number":2}"#)]).unwrap();
    state.evolve(&[event("box", "b-1", "left", 1, "{}")]).unwrap();
    assert_eq!(ask(&mut state, "c-1", "jump", "").unwrap().len(), 2);
}

#[test]
fn every_recorded_version_is_read() {
    let mut state = lockers().start("box", "b-1").unwrap();
    state
        .evolve(&[
            event("box", "b-1", "box-rented", 1, "{}"),
            event("box", "b-1", "box-rented", 2, r#"{"tenant":"t-2"}"#),
            event("box", "b-1", "box-rented", 3, r#"{"tenant":"t-3","number":2,"a_later_field":1}"#),
        ])
        .unwrap();
    assert_eq!(inspected(&state)["rents"], json!(["unknown", "t-2", "t-3"]));
}

#[test]
fn an_unreadable_event_or_state_is_a_fault_with_its_reason() {
    let message_of = |fault: Result<(), Fault>| fault.unwrap_err().message;
    let mut state = lockers().start("box", "b-1").unwrap();
    assert_eq!(
        message_of(state.evolve(&[event("box", "b-1", "box-rented", 4, "{}")])),
        "event box-rented of version 4 cannot be read: this revision reads versions 1 to 3"
    );
    assert_eq!(
        message_of(state.evolve(&[event("box", "b-1", "rented", 1, "{}")])),
        "there is no event \"rented\"; there are box-rented, left, lied"
    );
    assert_eq!(
        message_of(state.evolve(&[event("box", "b-1", "box-rented", 2, "{}")])),
        "event box-rented of version 2 cannot be read: missing field `tenant`"
    );
    let message_of = |message: Option<Fault>| message.unwrap().message;
    assert_eq!(
        message_of(lockers().start("flat", "b-1").err()),
        "lockers has no aggregate \"flat\"; it has box, carrier"
    );
    assert_eq!(
        message_of(lockers().open("flat", "b-1", None).err()),
        "lockers has no projection \"flat\"; it has box-use, visits"
    );
    assert!(message_of(lockers().load("box", "b-1", b"{").err()).starts_with("these bytes are no saved box: "));
    assert!(
        message_of(lockers().open("box-use", "k", Some(b"[]")).err()).starts_with("these bytes are no document \"k\"")
    );
    assert!(
        message_of(lockers().route("box-use", &[event("box", "b-1", "burnt", 1, "{}")]).err()).contains("\"burnt\"")
    );
}

#[test]
fn a_saved_state_goes_on_where_it_was() {
    let mut state = lockers().start("box", "b-1").unwrap();
    ask(&mut state, "c-1", "rent", r#"{ "number": 4 }"#).unwrap();
    let mut loaded = lockers().load("box", "b-1", &state.save().unwrap()).unwrap();
    assert_eq!(loaded.inspect().unwrap(), state.inspect().unwrap());
    assert_eq!(ask(&mut loaded, "c-2", "leave", "").unwrap(), ask(&mut state, "c-2", "leave", "").unwrap());
}

const RENTED_A: &str = r#"{"tenant":"t-a","number":2}"#;

#[test]
fn events_find_their_documents() {
    let routes = lockers()
        .route(
            "box-use",
            &[
                event("box", "a", "box-rented", 3, RENTED_A),
                event("carrier", "dhl", "carrier-came", 1, r#"{"first":"a","second":"b"}"#),
                event("carrier", "dhl", "carrier-came", 1, r#"{"first":"a","second":"a"}"#),
                event("box", "a", "lied", 1, r#"{"words":"…"}"#),
                event("ship", "s", "sunk", 1, "{}"),
            ],
        )
        .unwrap();
    assert_eq!(routes, [vec!["a"], vec!["a", "b"], vec!["a"], vec![], vec![]]);
}

#[test]
fn a_document_is_put_changed_and_deleted() {
    let came = r#"{"first":"a","second":"a"}"#;
    let mut document = lockers().open("box-use", "a", None).unwrap();
    assert_eq!(document.save().unwrap(), None);
    let effects = document
        .apply(&[event("box", "a", "box-rented", 3, RENTED_A), event("carrier", "dhl", "carrier-came", 1, came)])
        .unwrap();
    let [praise] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((praise.kind.as_str(), praise.target.as_str(), praise.key.as_str()), ("praise", "dhl", "a:2"));
    assert_eq!(praise.payload(), r#"{"visits":2}"#);

    let saved = document.save().unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&saved).unwrap(), json!({ "tenant": "t-a", "visits": 2 }));
    let mut opened = lockers().open("box-use", "a", Some(&saved)).unwrap();
    assert_eq!(opened.apply(&[event("box", "a", "left", 1, "{}")]).unwrap(), []);
    assert_eq!(opened.save().unwrap(), None);
}

#[test]
fn a_document_that_is_not_there_cannot_be_changed() {
    let mut document = lockers().open("box-use", "a", None).unwrap();
    let came = event("carrier", "dhl", "carrier-came", 1, r#"{"first":"a","second":"b"}"#);
    assert_eq!(
        document.apply(&[came]).unwrap_err().message,
        "document \"a\" of box-use: there is no such document to change"
    );
}

#[test]
fn a_document_per_aggregate_has_the_aggregates_id() {
    let came = |first: &'static str| event("carrier", "dhl", "carrier-came", 1, first);
    let (here, elsewhere) = (r#"{"first":"a","second":"b"}"#, r#"{"first":"elsewhere","second":"b"}"#);
    assert_eq!(lockers().route("visits", &[came(here), came(elsewhere)]).unwrap(), [["dhl"], ["dhl"]]);
    assert_eq!(lockers().route("visits", &[event("box", "a", "left", 1, "{}")]).unwrap(), [[""; 0]]);
    let mut document = lockers().open("visits", "dhl", None).unwrap();
    document.apply(&[came(here), came(here)]).unwrap();
    assert_eq!(document.save().unwrap().unwrap(), br#"{"times":2}"#);
    assert_eq!(
        document.apply(&[came(elsewhere)]).unwrap_err().message,
        "document \"elsewhere\" of visits: the projection says `per_aggregate`, and this is not the event's"
    );
    let description: Value = serde_json::from_str(lockers().describe()).unwrap();
    assert_eq!(description["projections"]["visits"]["per_aggregate"], json!(["carrier"]));
    assert!(description["projections"]["box-use"].get("per_aggregate").is_none());
}

#[test]
fn the_description_says_all_of_it() {
    let description: Value = serde_json::from_str(lockers().describe()).unwrap();
    assert_eq!((&description["format"], &description["domain"]), (&json!(1), &json!("lockers")));
    let locker = &description["aggregates"]["box"];
    assert_eq!(locker["doc"], "A box that can be rented.");
    let rent = &locker["commands"]["rent"];
    assert_eq!(rent["doc"], "Rents the box to a new tenant.");
    assert_eq!(rent["schema"]["additionalProperties"], false);
    assert_eq!(rent["schema"]["required"], json!(["number"]));
    assert_eq!(rent["schema"]["properties"]["number"]["description"], "a box has an even number");
    let degrees = &locker["commands"]["cool"]["schema"]["properties"]["to"];
    assert_eq!((&degrees["minimum"], &degrees["maximum"]), (&json!(-5), &json!(60)));
    let rented = &locker["events"]["box-rented"];
    assert_eq!((&rented["version"], &rented["reads"]), (&json!(3), &json!([1, 2, 3])));
    assert_eq!(locker["events"]["left"]["doc"], "The box is free again.");
    assert_eq!(locker["events"]["lied"]["schema"]["properties"]["words"]["type"], "string");
    assert_eq!(
        locker["chart"],
        json!({
            "field": "door",
            "initial": "closed",
            "states": ["closed", "open"],
            "transitions": [
                { "from": "closed", "event": "box-rented", "to": "open" },
                { "from": "closed", "event": "lied", "to": "open" },
                { "from": "closed", "event": "left", "to": "closed" },
                { "from": "open", "event": "left", "to": "closed" },
            ],
        })
    );
    assert!(description["aggregates"]["carrier"].get("chart").is_none());
    let view = &description["projections"]["box-use"];
    assert_eq!(view["doc"], "The facts about a box while it is rented.");
    assert_eq!(view["schema"]["properties"]["visits"]["type"], "integer");
}
