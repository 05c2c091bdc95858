//! The subjects that a caller may publish to and subscribe to. A subject is allowed if some pattern allows it and no
//! pattern denies it.

use super::Pattern;

/// Maximum number of patterns in all three lists together.
pub const PATTERNS_MAX: usize = 100;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    pub publish: Vec<Pattern>,
    pub subscribe: Vec<Pattern>,
    /// Patterns that are denied for publishing and for subscribing.
    pub deny: Vec<Pattern>,
}

impl Permissions {
    pub fn may_publish(&self, subject: &str) -> bool {
        allows(&self.publish, subject) && !allows(&self.deny, subject)
    }

    pub fn may_subscribe(&self, subject: &str) -> bool {
        allows(&self.subscribe, subject) && !allows(&self.deny, subject)
    }

    /// Whether any subject of `space` may be published to. There is one inexact case: if only several denials together
    /// cover all that is allowed, this returns true, though each subject is refused.
    pub fn may_publish_within(&self, space: &Pattern) -> bool {
        self.allows_within(&self.publish, space)
    }

    /// Does the same as [`may_publish_within`](Self::may_publish_within), for subscribing.
    pub fn may_subscribe_within(&self, space: &Pattern) -> bool {
        self.allows_within(&self.subscribe, space)
    }

    /// Whether every subject of `space` may be subscribed to.
    pub fn may_subscribe_to_all(&self, space: &Pattern) -> bool {
        self.subscribe.iter().any(|allow| allow.contains(space))
            && !self.deny.iter().any(|deny| deny.intersection(space).is_some())
    }

    fn allows_within(&self, allowed: &[Pattern], space: &Pattern) -> bool {
        let is_left = |common: Pattern| !self.deny.iter().any(|deny| deny.contains(&common));
        allowed.iter().filter_map(|allow| allow.intersection(space)).any(is_left)
    }
}

fn allows(patterns: &[Pattern], subject: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(subject))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses permissions written as `publish acme.cmd.> subscribe acme.orders.> deny …`.
    fn permissions(text: &str) -> Permissions {
        let mut permissions = Permissions::default();
        let mut list = &mut permissions.publish;
        for word in text.split_whitespace() {
            match word {
                "publish" => list = &mut permissions.publish,
                "subscribe" => list = &mut permissions.subscribe,
                "deny" => list = &mut permissions.deny,
                pattern => list.push(pattern.parse().unwrap()),
            }
        }
        permissions
    }

    #[test]
    fn deny_wins_and_nothing_is_allowed_by_itself() {
        const SUBJECT: &str = "acme.cmd.orders.order.o-1.submit-order";
        for (text, publish, subscribe) in [
            ("", false, false),
            ("publish acme.cmd.>", true, false),
            ("subscribe acme.cmd.>", false, true),
            ("publish acme.cmd.orders.*.*.submit-order", true, false),
            ("publish acme.cmd.orders.*.submit-order", false, false),
            ("publish other.> subscribe acme.query.>", false, false),
            ("publish > subscribe > deny acme.cmd.orders.>", false, false),
            ("publish > subscribe > deny acme.cmd.*.*.*.cancel-order", true, true),
            ("publish acme.cmd.orders.order.o-1.submit-order deny >", false, false),
        ] {
            let permissions = permissions(text);
            assert_eq!(
                (permissions.may_publish(SUBJECT), permissions.may_subscribe(SUBJECT)),
                (publish, subscribe),
                "{text}"
            );
        }
    }

    #[test]
    fn a_space_is_seen_in_part_or_whole() {
        let space: Pattern = "acme.*.*.*.*".parse().unwrap();
        for (text, some, all) in [
            ("", false, false),
            ("publish >", false, false),
            ("subscribe acme.>", true, true),
            ("subscribe >", true, true),
            ("subscribe acme.orders.>", true, false),
            ("subscribe *.*.*.order-submitted.*", true, false),
            ("subscribe other.>", false, false),
            ("subscribe acme.*", false, false),
            ("subscribe > deny acme.>", false, false),
            ("subscribe > deny acme.orders.>", true, false),
            ("subscribe acme.orders.> deny acme.orders.*.*.*", false, false),
            ("subscribe > deny other.>", true, true),
        ] {
            let permissions = permissions(text);
            let found = (permissions.may_subscribe_within(&space), permissions.may_subscribe_to_all(&space));
            assert_eq!(found, (some, all), "{text}");
        }
    }
}
