//! The HTTP status of every answer but a plain success, in one table: of a command's outcome, and of each kind of
//! problem. The names of the kinds are part of the interface: clients branch on them.

use axum::http::StatusCode;
use polder_core::CommandStatus;

/// The status of a command's acknowledgement. A rejection is the answer of the domain, with the rule that the command
/// breaks. A refusal is the answer of the host, before any rule was asked: the kinds below have its status, and
/// [`refusals`](super::refusals) selects the kind.
pub(crate) fn of_command(status: CommandStatus) -> StatusCode {
    match status {
        CommandStatus::Accepted => StatusCode::OK,
        CommandStatus::Pending => StatusCode::ACCEPTED,
        CommandStatus::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// A kind of problem.
pub(crate) struct Kind {
    /// The last part of the problem's `type`, after `urn:polder:problem:`.
    pub(crate) name: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
}

const fn kind(status: StatusCode, name: &'static str, title: &'static str) -> Kind {
    Kind { name, status, title }
}

// The caller fixes the request.
pub(crate) const BAD_NAME: Kind = kind(StatusCode::BAD_REQUEST, "bad-name", "A name or id cannot be used");
pub(crate) const BAD_SUBJECT: Kind = kind(StatusCode::BAD_REQUEST, "bad-subject", "The subject cannot be read");
pub(crate) const BAD_PATH: Kind = kind(StatusCode::BAD_REQUEST, "bad-path", "The path cannot be read");
pub(crate) const BAD_QUERY: Kind = kind(StatusCode::BAD_REQUEST, "bad-query", "A query parameter cannot be used");
pub(crate) const BAD_HEADER: Kind = kind(StatusCode::BAD_REQUEST, "bad-header", "A header cannot be used");
pub(crate) const BAD_BODY: Kind = kind(StatusCode::BAD_REQUEST, "bad-body", "The body cannot be read");
pub(crate) const BAD_LINE: Kind = kind(StatusCode::BAD_REQUEST, "bad-line", "A line of the batch cannot be read");
pub(crate) const NOT_JSON: Kind = kind(StatusCode::BAD_REQUEST, "not-json", "The payload is not JSON");
pub(crate) const JSON_LIMIT: Kind = kind(StatusCode::UNPROCESSABLE_ENTITY, "json-limit", "The JSON is beyond a limit");
pub(crate) const WRONG_CONTENT_TYPE: Kind =
    kind(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-content-type", "The body has another type than this path takes");
pub(crate) const URI_TOO_LONG: Kind = kind(StatusCode::URI_TOO_LONG, "uri-too-long", "The path is too long");
pub(crate) const HEAD_TOO_LARGE: Kind =
    kind(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The headers are too large");
pub(crate) const TOO_SLOW: Kind = kind(StatusCode::REQUEST_TIMEOUT, "too-slow", "The body took too long to arrive");
pub(crate) const TOO_LARGE: Kind = kind(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large");
pub(crate) const OVER_LIMIT: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "over-limit", "The request leads to more than a limit allows");
pub(crate) const METHOD_NOT_ALLOWED: Kind =
    kind(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This path takes other methods");
pub(crate) const ID_REUSED: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "id-reused", "The idempotency key belongs to another command");
pub(crate) const COMPONENT_REFUSED: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "component-refused", "The component cannot be deployed");
pub(crate) const REVISION_REFUSED: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "revision-refused", "The revision cannot take the domain over");
pub(crate) const QUESTION_TOO_SLOW: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "question-too-slow", "The query reads too many documents");
pub(crate) const QUARANTINED: Kind = kind(StatusCode::CONFLICT, "quarantined", "The revision is in quarantine");
pub(crate) const NOTHING_BEFORE: Kind =
    kind(StatusCode::CONFLICT, "nothing-before", "There is no revision to go back to");
pub(crate) const OTHER_DOMAIN: Kind =
    kind(StatusCode::UNPROCESSABLE_ENTITY, "other-domain", "The component describes another domain");
pub(crate) const RESERVED_NAME: Kind = kind(StatusCode::BAD_REQUEST, "reserved-name", "The name is the host's own");
pub(crate) const TENANT_REMOVED: Kind =
    kind(StatusCode::CONFLICT, "tenant-removed", "A tenant of this name was removed");
pub(crate) const UNCONFIRMED: Kind = kind(StatusCode::CONFLICT, "unconfirmed", "The removal was not confirmed");
pub(crate) const BAD_LIMIT: Kind = kind(StatusCode::UNPROCESSABLE_ENTITY, "bad-limit", "A limit cannot be set so");
pub(crate) const BAD_RULES: Kind = kind(StatusCode::UNPROCESSABLE_ENTITY, "bad-rules", "These rules cannot be set");
pub(crate) const TENANT_SUSPENDED: Kind = kind(StatusCode::FORBIDDEN, "tenant-suspended", "The tenant is suspended");
pub(crate) const SYSTEM_TENANT: Kind =
    kind(StatusCode::FORBIDDEN, "system-tenant", "This tenant is the host's own history");

// The caller is a web page or was led here by one, or must prove that it can read the data folder.
pub(crate) const FOREIGN_HOST: Kind =
    kind(StatusCode::MISDIRECTED_REQUEST, "foreign-host", "The request names another host");
pub(crate) const FOREIGN_ORIGIN: Kind =
    kind(StatusCode::FORBIDDEN, "foreign-origin", "The request comes from another web page");
pub(crate) const FIRST_KEY: Kind =
    kind(StatusCode::FORBIDDEN, "first-key", "The first key needs proof of access to the data folder");

// The caller needs a token, or one that permits more.
pub(crate) const NOT_AUTHENTICATED: Kind =
    kind(StatusCode::UNAUTHORIZED, "not-authenticated", "The caller is not authenticated");
pub(crate) const NOT_PERMITTED: Kind = kind(StatusCode::FORBIDDEN, "not-permitted", "The token does not permit this");

// The caller names something that does not exist.
pub(crate) const UNKNOWN_ROUTE: Kind = kind(StatusCode::NOT_FOUND, "unknown-route", "No route matches this path");
pub(crate) const UNKNOWN_TENANT: Kind = kind(StatusCode::NOT_FOUND, "unknown-tenant", "Unknown tenant");
pub(crate) const UNKNOWN_DOMAIN: Kind = kind(StatusCode::NOT_FOUND, "unknown-domain", "Unknown domain");
pub(crate) const UNKNOWN_AGGREGATE: Kind = kind(StatusCode::NOT_FOUND, "unknown-aggregate", "Unknown aggregate");
pub(crate) const UNKNOWN_COMMAND: Kind = kind(StatusCode::NOT_FOUND, "unknown-command", "Unknown command");
pub(crate) const UNKNOWN_PROJECTION: Kind = kind(StatusCode::NOT_FOUND, "unknown-projection", "Unknown projection");
pub(crate) const UNKNOWN_REVISION: Kind = kind(StatusCode::NOT_FOUND, "unknown-revision", "Unknown revision");
pub(crate) const UNKNOWN_KEY: Kind = kind(StatusCode::NOT_FOUND, "unknown-key", "Unknown key");
pub(crate) const NO_SUCH_AGGREGATE: Kind =
    kind(StatusCode::NOT_FOUND, "no-such-aggregate", "Nothing has happened to this aggregate");
pub(crate) const NO_SUCH_SEQUENCE: Kind =
    kind(StatusCode::NOT_FOUND, "no-such-sequence", "The aggregate has no such sequence yet");
pub(crate) const NOTHING_PARKED: Kind = kind(StatusCode::NOT_FOUND, "nothing-parked", "Nothing is set aside there");
pub(crate) const NO_SUCH_DOCUMENT: Kind = kind(StatusCode::NOT_FOUND, "no-such-document", "No such document");

// The caller reads the state again and decides again, or waits.
pub(crate) const SEQUENCE_CONFLICT: Kind =
    kind(StatusCode::CONFLICT, "sequence-conflict", "The aggregate is at another sequence");
pub(crate) const KEY_KNOWN: Kind = kind(StatusCode::CONFLICT, "key-known", "The key is known already");
pub(crate) const BUSY: Kind = kind(StatusCode::TOO_MANY_REQUESTS, "busy", "The tenant has too much in flight");
pub(crate) const HOST_BUSY: Kind =
    kind(StatusCode::SERVICE_UNAVAILABLE, "host-busy", "The host has no room for this now");
pub(crate) const READ_TOO_LONG: Kind =
    kind(StatusCode::SERVICE_UNAVAILABLE, "read-too-long", "The read takes more time than a read may");
pub(crate) const VIEW_BEHIND: Kind = kind(StatusCode::SERVICE_UNAVAILABLE, "view-behind", "The view is not there yet");

pub(crate) const VIEW_BEING_BUILT: Kind =
    kind(StatusCode::SERVICE_UNAVAILABLE, "view-being-built", "The view is being built");

pub(crate) const DISK_FULL: Kind = kind(StatusCode::INSUFFICIENT_STORAGE, "disk-full", "The host's disk has no room");
pub(crate) const STORAGE_FULL: Kind =
    kind(StatusCode::INSUFFICIENT_STORAGE, "storage-full", "The tenant has used up its storage");

// The author of the domain, or the operator, has to act.
pub(crate) const OUT_OF_SERVICE: Kind =
    kind(StatusCode::SERVICE_UNAVAILABLE, "out-of-service", "The domain is out of service");
pub(crate) const TENANT_UNAVAILABLE: Kind =
    kind(StatusCode::SERVICE_UNAVAILABLE, "tenant-unavailable", "The tenant is out of service");
pub(crate) const GUEST_FAULT: Kind =
    kind(StatusCode::INTERNAL_SERVER_ERROR, "guest-fault", "The domain failed while it decided");
pub(crate) const STORAGE_FAILED: Kind =
    kind(StatusCode::INTERNAL_SERVER_ERROR, "storage-failed", "The host cannot use its data");
pub(crate) const READ_ONLY: Kind = kind(StatusCode::SERVICE_UNAVAILABLE, "read-only", "The host takes no changes");
// The outcome is unknown. Sending the command again with the same id is safe and returns the outcome.
pub(crate) const OUTCOME_UNKNOWN: Kind =
    kind(StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", "It is not known whether the command was recorded");
pub(crate) const SHUTTING_DOWN: Kind =
    kind(StatusCode::SERVICE_UNAVAILABLE, "shutting-down", "The host is shutting down");
pub(crate) const NOT_READY: Kind = kind(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "The host takes no commands");
