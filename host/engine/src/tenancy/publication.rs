//! The part of a tenant's history that may be published, and the rules by which its events are translated for other
//! contexts. `polder_core::translation` defines what a rule does.

use std::sync::Arc;

use polder_core::translation::{LeftOut, Rules, Translation};
use polder_core::{Event, Position};
use tokio::sync::watch;

use super::act::Act;

/// Rules that apply until the next ones do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RuleSet {
    /// The rules apply to events after this position.
    pub(crate) after: Position,
    pub(crate) rules: Rules,
    pub(crate) set: Act,
}

/// The translation rules of one tenant that are in effect.
#[derive(Debug, Default)]
pub(crate) struct Bridge {
    pub(crate) sets: Arc<Vec<RuleSet>>,
    /// The position beyond which nothing is published while new rules are being recorded, because it is not known yet
    /// which rules apply there.
    pub(crate) held_at: Option<Position>,
}

/// The publishable part of a tenant's history, with the translation of its events.
#[derive(Clone)]
pub struct PublishFeed {
    pub(crate) positions: watch::Receiver<Position>,
    pub(crate) bridge: watch::Receiver<Bridge>,
}

impl PublishFeed {
    /// The position up to which all applicable rules are known. It never decreases.
    pub fn newest(&self) -> Position {
        // Read while the bridge is borrowed: rules that are set later apply from a later position on.
        let bridge = self.bridge.borrow();
        bridge.held_at.unwrap_or_else(|| *self.positions.borrow())
    }

    /// Completes once [`newest`](Self::newest) is beyond `position`. Returns `false` if that cannot happen any more.
    pub async fn moved_beyond(&self, position: Position) -> bool {
        let Self { mut positions, mut bridge } = self.clone();
        loop {
            positions.mark_unchanged();
            bridge.mark_unchanged();
            if self.newest() > position {
                return true;
            }
            let moved = tokio::select! {
                moved = positions.changed() => moved,
                moved = bridge.changed() => moved,
            };
            if moved.is_err() {
                return false;
            }
        }
    }

    /// Translates an event by the rules that applied when it was recorded.
    pub fn translate(&self, event: &Event) -> (Vec<Translation>, Vec<LeftOut>) {
        let sets = Arc::clone(&self.bridge.borrow().sets);
        match sets.iter().rev().find(|set| set.after < event.position) {
            Some(set) => set.rules.translate(event),
            None => Default::default(),
        }
    }

    /// Whether a rule was ever set.
    pub fn is_translated(&self) -> bool {
        self.bridge.borrow().sets.iter().any(|set| !set.rules.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u64) -> Event {
        serde_json::from_value(serde_json::json!({
            "id": polder_core::ContentId::from_digest([7; 32]).to_string(), "position": position, "domain": "orders",
            "aggregate": "order", "aggregate_id": "o-1", "sequence": 1, "name": "order-drafted", "version": 1,
            "at_ms": 5, "command_id": "c", "correlation_id": "c", "payload": {}
        }))
        .unwrap()
    }

    fn set(after: u64, to: &str) -> RuleSet {
        let rules = match to {
            "" => Rules::default(),
            to => serde_json::from_value(serde_json::json!([{"from": "orders.>", "to": to}])).unwrap(),
        };
        RuleSet { after: Position(after), rules, set: Act { at_ms: polder_core::TimestampMs(1), actor: None } }
    }

    #[test]
    fn an_event_is_translated_by_the_rules_of_its_time() {
        let sets = vec![set(2, "a.a.a.v1"), set(4, "b.b.b.v1"), set(4, "c.c.c.v1"), set(6, "")];
        let (_positions, positions) = watch::channel(Position(9));
        let (_bridge, bridge) = watch::channel(Bridge { sets: Arc::new(sets), held_at: None });
        let publish_feed = PublishFeed { positions, bridge };
        let made = |position| publish_feed.translate(&event(position)).0.first().map(|made| made.kind.to_string());
        let expected = [None, Some("a.a.a.v1"), Some("a.a.a.v1"), Some("c.c.c.v1"), Some("c.c.c.v1"), None];
        let found: Vec<_> = (2..=7).map(made).collect();
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn nothing_is_published_beyond_rules_that_are_being_set() {
        let (sender, positions) = watch::channel(Position(5));
        let (holding, bridge) = watch::channel(Bridge { sets: Arc::default(), held_at: Some(Position(5)) });
        let publish_feed = PublishFeed { positions, bridge };
        sender.send_replace(Position(8));
        assert_eq!(publish_feed.newest(), Position(5));
        let waiting = publish_feed.clone();
        let waiting = tokio::spawn(async move { waiting.moved_beyond(Position(5)).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        holding.send_modify(|bridge| bridge.held_at = None);
        assert!(waiting.await.unwrap());
        assert_eq!(publish_feed.newest(), Position(8));
        drop(sender);
        assert!(!publish_feed.moved_beyond(Position(8)).await);
    }
}
