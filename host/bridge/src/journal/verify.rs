//! Reads the whole stream and checks it as `polder verify` checks files: hashes, chain, content.

use polder_journal::{FrameCheck, VerifyReport};

use super::error::JournalError;
use super::link::{JournalLink, QUESTION_WAIT_MAX};
use super::sound::{self, LostFrame};

/// Blocks.
///
/// # Errors
/// [`JournalError::Lost`] names the first frame that is not what it was.
pub fn verify_stream(link: &JournalLink) -> Result<VerifyReport, JournalError> {
    let keys = link.keyring()?;
    let mut check = FrameCheck::new(&keys);
    link.block_on(async {
        let extent = link.extent().await?;
        sound::check(&extent, 0).map_err(|lost| link.lost(lost))?;
        let mut frames = link.frames_after(0).await?;
        for number in 1..=extent.last {
            let frame = frames.next(QUESTION_WAIT_MAX).await?;
            let frame = frame.ok_or_else(|| JournalError::unavailable("give all frames", "no more came"))?;
            check.frame(&frame).map_err(|what| link.lost(LostFrame { frame: number, what }))?;
        }
        Ok::<_, JournalError>(())
    })?;
    Ok(check.report())
}
