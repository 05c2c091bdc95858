//! The layer that makes a domain a component: it converts interface types to and from the native form, and does nothing
//! else.

use std::marker::PhantomData;
use std::sync::Once;

use crate::domain::{Document, Domain, State};
use crate::messages::{CommandRef, EventRef, Refused};

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "what the binding generator writes is not ours to style"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "domain",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "polder_sdk::__private::glue::bindings",
        runtime_path: "polder_sdk::__private::glue::runtime",
    });
}

pub use wit_bindgen::rt as runtime;

use bindings::exports::polder::domain::{aggregates, catalog, projections};
use bindings::polder::domain::types;

/// The root of a component: it names the component's domain.
pub trait Root: 'static {
    fn domain() -> &'static Domain;
}

/// The component of the domain that `R` names.
pub struct Component<R>(PhantomData<R>);

pub(crate) fn note(level: u8, message: &str) {
    bindings::polder::domain::diagnostics::note(level, message);
}

/// The domain, with panics sent to the host's log from now on. Every export calls this first, before a state or
/// document exists.
fn domain<R: Root>() -> &'static Domain {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| note(1, &panic.to_string()))));
    R::domain()
}

fn fault(fault: crate::messages::Fault) -> types::Fault {
    types::Fault { message: fault.message }
}

fn borrowed(events: &[types::Event]) -> Vec<EventRef<'_>> {
    events
        .iter()
        .map(|event| EventRef {
            position: event.position,
            aggregate: &event.aggregate,
            aggregate_id: &event.aggregate_id,
            sequence: event.sequence,
            name: &event.name,
            version: event.version,
            payload: &event.payload,
            at_ms: event.at,
        })
        .collect()
}

impl<R: Root> catalog::Guest for Component<R> {
    fn describe() -> String {
        domain::<R>().describe().to_owned()
    }
}

impl<R: Root> aggregates::Guest for Component<R> {
    type State = State;

    fn start(aggregate: String, id: String) -> Result<aggregates::State, types::Fault> {
        domain::<R>().start(&aggregate, &id).map(aggregates::State::new).map_err(fault)
    }

    fn load(aggregate: String, id: String, saved: Vec<u8>) -> Result<aggregates::State, types::Fault> {
        domain::<R>().load(&aggregate, &id, &saved).map(aggregates::State::new).map_err(fault)
    }

    fn evolve(mut state: aggregates::State, events: Vec<types::Event>) -> Result<aggregates::State, types::Fault> {
        // In place, and the same handle is returned: nothing is moved or copied.
        state.get_mut::<State>().evolve(&borrowed(&events)).map_err(fault)?;
        Ok(state)
    }

    fn handle(
        mut state: aggregates::State,
        command: types::Command,
    ) -> Result<(aggregates::State, Result<Vec<types::NewEvent>, types::Rejection>), types::Fault> {
        let handled = state.get_mut::<State>().handle(&CommandRef {
            id: &command.id,
            name: &command.name,
            payload: &command.payload,
            at_ms: command.at,
            actor: command.actor.as_deref(),
        });
        let answer = match handled {
            Ok(events) => Ok(events
                .into_iter()
                .map(|event| types::NewEvent {
                    name: event.name.to_owned(),
                    version: event.version,
                    payload: event.payload,
                })
                .collect()),
            Err(Refused::Rejected(rejected)) => {
                Err(types::Rejection { code: rejected.code.into_owned(), message: rejected.message })
            }
            // The broken state is dropped together with the handle.
            Err(Refused::Fault(problem)) => return Err(fault(problem)),
        };
        Ok((state, answer))
    }
}

impl aggregates::GuestState for State {
    fn save(&self) -> Result<Vec<u8>, types::Fault> {
        State::save(self).map_err(fault)
    }

    fn inspect(&self) -> Result<String, types::Fault> {
        State::inspect(self).map_err(fault)
    }
}

impl<R: Root> projections::Guest for Component<R> {
    type Document = Document;

    fn route(projection: String, events: Vec<types::Event>) -> Result<Vec<Vec<String>>, types::Fault> {
        domain::<R>().route(&projection, &borrowed(&events)).map_err(fault)
    }

    fn open(projection: String, key: String, saved: Option<Vec<u8>>) -> Result<projections::Document, types::Fault> {
        domain::<R>().open(&projection, &key, saved.as_deref()).map(projections::Document::new).map_err(fault)
    }

    fn apply(
        mut document: projections::Document,
        events: Vec<types::Event>,
    ) -> Result<(projections::Document, Vec<projections::Effect>), types::Fault> {
        let at_hand = document.get_mut::<Document>();
        let mut effects = Vec::new();
        for event in borrowed(&events) {
            let asked = at_hand.apply(&[event]).map_err(fault)?;
            effects.extend(asked.into_iter().map(|effect| projections::Effect {
                position: event.position,
                payload: effect.payload().into_bytes(),
                kind: effect.kind,
                target: effect.target,
                key: effect.key,
            }));
        }
        Ok((document, effects))
    }
}

impl projections::GuestDocument for Document {
    fn save(&self) -> Result<Option<Vec<u8>>, types::Fault> {
        Document::save(self).map_err(fault)
    }
}
