//! The authenticated caller.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use polder_access::VerifiedToken;
use polder_core::access::{Grant, Pattern};
use polder_core::subject;

use super::permission::Permission;
use super::visible_events::VisibleEvents;
use crate::wire::headers::{self, Headers};
use crate::wire::http_status;
use crate::wire::problem::Problem;

#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// The host has no keys: every caller may do everything, under any name.
    Anyone,
    Known(Arc<VerifiedToken>),
}

impl Caller {
    /// The caller's grant. `None` means that everything is permitted.
    pub(crate) fn grant(&self) -> Option<&Arc<Grant>> {
        match self {
            Self::Anyone => None,
            Self::Known(token) => Some(&token.grant),
        }
    }

    /// Refuses the request unless the caller has the permission.
    pub(crate) fn check(&self, permission: &Permission) -> Result<(), Problem> {
        let Some(grant) = self.grant() else { return Ok(()) };
        let is_allowed = match permission {
            Permission::Publish(subject) => grant.may_publish(subject),
            Permission::PublishWithin(space) => grant.may_publish_within(space),
            Permission::SubscribeWithin(space) => grant.may_subscribe_within(space),
        };
        if is_allowed { Ok(()) } else { Err(not_permitted(permission)) }
    }

    /// Whether the caller may publish to `subject`. Filters answers that list several resources.
    pub(crate) fn may_publish(&self, subject: &str) -> bool {
        self.grant().is_none_or(|grant| grant.may_publish(subject))
    }

    /// Returns which events of `space` the caller may see. Refused when it may see none.
    pub(crate) fn visible_events(&self, space: Pattern) -> Result<VisibleEvents, Problem> {
        match self.grant() {
            Some(grant) if !grant.may_subscribe_to_all(&space) => {
                self.check(&Permission::SubscribeWithin(space))?;
                Ok(VisibleEvents::Some(Arc::clone(grant)))
            }
            _ => Ok(VisibleEvents::All),
        }
    }

    /// Returns the actor in whose name the request is recorded: the token's, or the one in the headers if the caller
    /// may act for others. `realm` is the tenant of the request, or [`subject::HOST`].
    pub(crate) fn actor(&self, headers: &impl Headers, realm: &str) -> Result<Option<String>, Problem> {
        let named = headers::actor(headers)?;
        let Some(grant) = self.grant() else { return Ok(named) };
        match named {
            Some(named) if named != grant.actor => {
                self.check(&Permission::Publish(subject::act_for_others(realm)))?;
                Ok(Some(named))
            }
            _ => Ok(Some(grant.actor.clone())),
        }
    }
}

fn not_permitted(permission: &Permission) -> Problem {
    let (verb, subject) = match permission {
        Permission::Publish(subject) => ("publish", subject.as_str()),
        Permission::PublishWithin(space) => ("publish", space.as_str()),
        Permission::SubscribeWithin(space) => ("subscribe", space.as_str()),
    };
    let detail = format!("the token does not permit this: it would have to {verb} on {subject}");
    Problem::new(&http_status::NOT_PERMITTED, detail).with("verb", verb).with("subject", subject)
}

/// Taken from the request, where [`permitted`](super::permitted) puts it. A route without that layer refuses every
/// caller.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(&http_status::NOT_PERMITTED, "this route authenticates no callers"))
    }
}
