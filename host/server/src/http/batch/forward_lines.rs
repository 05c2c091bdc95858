//! Forwards lines for a journal that another host owns. Groups of lines are sent one after the other, so that they keep
//! their order.

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use http_body_util::BodyExt as _;

use super::lines::Line;
use super::task::{Batch, Source, Stop};
use crate::requests::batch_answers;
use crate::wire::http_status;
use crate::wire::problem::Problem;

/// The most lines of one message to another host. Their answers fit into one message as well.
const GROUP_LINES_MAX: usize = 128;
/// The most bytes of one message, unless a single line is longer.
const GROUP_BYTES_MAX: usize = 256 * 1024;

impl Source {
    /// Whether another host owns the tenant's journal, as far as this host knows.
    pub(super) fn is_owned_elsewhere(&self) -> bool {
        let partition = self.app.partitions.of(&self.tenant);
        partition.shared.is_some() && !partition.host.is_leading()
    }
}

impl Batch {
    /// Forwards this line and the lines that have arrived after it. Returns the number of the last one.
    pub(super) async fn forward(&mut self, first: u64, line: Bytes) -> Result<u64, Stop> {
        self.settle().await?;
        let mut group = BytesMut::new();
        let mut next = Some(line);
        let (mut last, mut count) = (first, 0);
        while let Some(line) = next.take() {
            group.extend_from_slice(&line);
            group.extend_from_slice(b"\n");
            count += 1;
            if count == GROUP_LINES_MAX || group.len() >= GROUP_BYTES_MAX {
                break;
            }
            match self.lines.next().now_or_never() {
                Some(Ok(Some(Line { number, bytes: Some(bytes) }))) => {
                    // The reader skips empty lines. Adds them here, since the owner counts lines by itself.
                    group.extend((last + 1..number).map(|_| b'\n'));
                    (last, next) = (number, Some(bytes));
                }
                Some(other) => self.lines.put_back(other),
                None => {}
            }
        }
        let Source { app, tenant, parts, .. } = &self.source;
        let Some(shared) = &app.partitions.of(tenant).shared else {
            return Err(Problem::new(&http_status::NOT_READY, "no other host is known").into());
        };
        let response = shared.ask_lines(parts, first, group.freeze()).await?;
        let is_answered = response.status().is_success();
        let answer = response.into_body().collect().await.map(|answer| answer.to_bytes()).unwrap_or_default();
        if !is_answered {
            let detail = format!("the journal's owner refused the lines: {}", String::from_utf8_lossy(&answer));
            return Err(Problem::new(&http_status::NOT_READY, detail).into());
        }
        self.append_text(&answer);
        self.flush().await?;
        let last_answer = answer.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if batch_answers::is_early_end(last_answer) { Err(Stop::Reported) } else { Ok(last) }
    }
}
