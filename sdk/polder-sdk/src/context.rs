//! What a decision may know besides state and command. It uses no clock and no randomness.

use std::cell::Cell;

use uuid::Uuid;

use crate::id::Id;
use crate::messages::CommandRef;
use crate::timestamp::Timestamp;

/// The namespace of all ids that Polder derives: the UUIDv5 of `polder.derived-id` in the namespace of the nil UUID.
const NAMESPACE: Uuid = Uuid::from_u128(0xda95_9c51_311c_5883_8034_0f72_d594_fa35);

/// The circumstances of one command: its actor, its time and its aggregate.
#[derive(Debug)]
pub struct Context {
    aggregate: &'static str,
    aggregate_id: String,
    command_id: String,
    at_ms: u64,
    actor: Option<String>,
    ids_given: Cell<u32>,
}

impl Context {
    pub(crate) fn new(aggregate: &'static str, aggregate_id: &str) -> Self {
        Self {
            aggregate,
            aggregate_id: aggregate_id.to_owned(),
            command_id: String::new(),
            at_ms: 0,
            actor: None,
            ids_given: Cell::new(0),
        }
    }

    /// Makes this the context of `command`. It reuses the buffers, so that a warm aggregate allocates nothing here.
    pub(crate) fn turn_to(&mut self, command: &CommandRef<'_>) {
        self.command_id.clear();
        self.command_id.push_str(command.id);
        self.at_ms = command.at_ms;
        match (&mut self.actor, command.actor) {
            (Some(kept), Some(actor)) => {
                kept.clear();
                kept.push_str(actor);
            }
            (kept, actor) => *kept = actor.map(str::to_owned),
        }
        self.ids_given.set(0);
    }

    /// The id of the aggregate that receives the command.
    pub fn aggregate_id(&self) -> &str {
        &self.aggregate_id
    }

    /// The id of the command: unique among the commands of this aggregate, and the same when the command is repeated.
    pub fn command_id(&self) -> &str {
        &self.command_id
    }

    /// The time at which the host accepted the command. A decision knows no other time, and it is the same on every
    /// replay.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.at_ms)
    }

    /// [`at`](Self::at) in milliseconds since 1970-01-01T00:00:00Z.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// The actor who sent the command, if the host knows it.
    pub fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// A new id: each call returns a different one, and handling the command again returns the same ids in the same
    /// order.
    ///
    /// It is a version 5 UUID (RFC 9562, section 5.5: the first 128 bits of a SHA-1 over namespace and name) of the
    /// aggregate's kind and id, the command's id and the number of the call. It is therefore as unique as the command's
    /// id. It is not a secret.
    pub fn new_id<T>(&self) -> Id<T> {
        let number = self.ids_given.get();
        self.ids_given.set(number + 1);
        // No part can hold a NUL, so no two lists of parts give the same name.
        let name = format!("{}\0{}\0{}\0{number}", self.aggregate, self.aggregate_id, self.command_id);
        Id::from_uuid(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command<'a>(id: &'a str, actor: Option<&'a str>) -> CommandRef<'a> {
        CommandRef { id, name: "open-box", payload: b"{}", at_ms: 1_317_040_000_123, actor }
    }

    #[test]
    fn the_namespace_is_the_one_it_says() {
        assert_eq!(NAMESPACE, Uuid::new_v5(&Uuid::nil(), b"polder.derived-id"));
    }

    #[test]
    fn ids_differ_between_calls_and_repeat_with_the_command() {
        let mut cx = Context::new("locker", "l-1");
        cx.turn_to(&command("c-1", None));
        let first: [Id<()>; 2] = [cx.new_id(), cx.new_id()];
        assert_ne!(first[0], first[1]);
        // Any other implementation of RFC 9562 gives the same UUID.
        assert_eq!(first[0].as_str(), "11796f93-0511-5adb-a602-568b04c04f06");
        cx.turn_to(&command("c-1", Some("clerk")));
        assert_eq!([cx.new_id(), cx.new_id()], first);
        cx.turn_to(&command("c-2", None));
        assert_ne!(cx.new_id::<()>(), first[0]);
        let mut other = Context::new("locker", "l-2");
        other.turn_to(&command("c-1", None));
        assert_ne!(other.new_id::<()>(), first[0]);
    }

    #[test]
    fn each_command_brings_its_own_circumstances() {
        let mut cx = Context::new("locker", "l-1");
        cx.turn_to(&command("c-1", Some("clerk")));
        assert_eq!((cx.command_id(), cx.actor(), cx.aggregate_id()), ("c-1", Some("clerk"), "l-1"));
        assert_eq!((cx.at_ms(), cx.at().to_string()), (1_317_040_000_123, "2011-09-26T12:26:40.123Z".to_owned()));
        cx.turn_to(&command("c-2", None));
        assert_eq!((cx.command_id(), cx.actor()), ("c-2", None));
    }
}
