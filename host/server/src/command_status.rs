//! The HTTP status of an acknowledgement. A rejection is the answer of the domain, with the rule that the command
//! breaks. A refusal is the answer of the host, before any rule was asked: [`refusals`](crate::refusals) has its
//! status.

use axum::http::StatusCode;
use polder_core::CommandStatus;

pub(crate) fn http_status(status: CommandStatus) -> StatusCode {
    match status {
        CommandStatus::Accepted => StatusCode::OK,
        CommandStatus::Pending => StatusCode::ACCEPTED,
        CommandStatus::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
