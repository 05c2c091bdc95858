//! Reads the whole stream and checks it as `polder verify` checks files: hashes, chain, content.

use polder_journal::{FrameCheck, Keyring, RecordView, VerifyReport};

use super::error::JournalError;
use super::link::JournalLink;
use super::message::Message;
use super::reading::other;
use super::retry::QUESTION_WAIT_MAX;
use super::sound::{self, LostFrame};

/// Reads and checks the whole stream. Blocks.
///
/// # Errors
/// [`JournalError::Lost`] names the first frame that was changed or lost.
pub fn verify_stream(link: &JournalLink) -> Result<VerifyReport, JournalError> {
    verify_stream_with(link, |_| ()).map(|(report, _)| report)
}

/// Like [`verify_stream`], and calls `look` with each readable record. Also returns the tenants' keys, as they are at
/// NATS.
///
/// # Errors
/// Like [`verify_stream`].
pub fn verify_stream_with(
    link: &JournalLink,
    look: impl FnMut(&RecordView<'_>),
) -> Result<(VerifyReport, Keyring), JournalError> {
    let keys = link.keyring()?;
    let mut check = FrameCheck::looking(&keys, look);
    link.block_on(async {
        let extent = link.extent().await?;
        sound::check(&extent, 0).map_err(|lost| link.lost(lost))?;
        let (mut frames, mut last) = (link.messages_after(0).await?, 0);
        for _ in 1..=extent.last {
            let came = frames.next(QUESTION_WAIT_MAX).await?;
            let came = came.ok_or_else(|| JournalError::unavailable("give all frames", "no more came"))?;
            match came.message {
                Message::Frame { number, content } if number == last + 1 => {
                    let frame = link.whole(number, content).await?;
                    check.frame(&frame).map_err(|what| link.lost(LostFrame { frame: number, what }))?;
                    last = number;
                }
                Message::Frame { number, .. } if number > last + 1 => return Err(link.lost(other(last + 1, number))),
                Message::Frame { .. } | Message::Foreign => link.log_foreign(came.sequence),
            }
        }
        Ok::<_, JournalError>(())
    })?;
    let report = check.report();
    Ok((report, keys))
}
