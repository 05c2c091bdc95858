//! Finds or makes streams, and checks their settings.

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{Context, ErrorCode};

use super::error::JournalError;
use super::retry::ask;
use super::settings;

/// An existing stream, with whatever settings it has. `None` if the servers say that it does not exist.
pub(super) async fn existing(context: &Context, name: &str) -> Result<Option<Stream>, JournalError> {
    ask(&format!("give stream {name}"), || async {
        match context.get_stream(name).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                _ => Err(error),
            },
        }
    })
    .await
}

/// The same as [`existing`], for a stream that must exist.
pub(super) async fn required(context: &Context, name: &str) -> Result<Stream, JournalError> {
    let missing = || JournalError::unavailable(format!("give stream {name}"), "stream not found");
    existing(context, name).await?.ok_or_else(missing)
}

/// Makes the stream unless it exists, and refuses one with wrong settings.
pub(super) async fn get_or_make(context: &Context, wanted: Config) -> Result<Stream, JournalError> {
    let what = format!("give stream {}", wanted.name);
    let stream = ask(&what, || context.get_or_create_stream(wanted.clone())).await?;
    match settings::difference(&stream.cached_info().config, &wanted) {
        None => Ok(stream),
        Some(problem) => Err(JournalError::OtherSettings { stream: wanted.name, problem }),
    }
}
