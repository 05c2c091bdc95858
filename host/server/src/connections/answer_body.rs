//! The body of a response. Dropping it ends the request, and the connection is free for the next one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::connection_state::ConnectionState;

pub(crate) struct AnswerBody {
    body: Body,
    state: Arc<ConnectionState>,
}

impl AnswerBody {
    pub(crate) fn wrap(response: Response, state: Arc<ConnectionState>) -> Response<Self> {
        response.map(|body| Self { body, state })
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.state.end();
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
