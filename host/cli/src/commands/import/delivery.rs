//! Delivers the commands of one lane, one batch at a time. A batch is sent until the host has decided each of its
//! commands. The ids stay the same, so the host recognizes a repeat.

use std::time::{Duration, Instant};

use bytes::Bytes;
use polder_import::PlannedCommand;
use reqwest::{Method, Response};
use tokio::sync::mpsc;

use super::backoff::Backoff;
use super::batch::{Answer, Row, append, read};
use crate::client::Client;
use crate::failure::Failure;

/// Longest wait for an answer. A host answers commands within milliseconds, so a silent one is asked again.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Bytes after which a request takes no further command.
const BATCH_BYTES_MAX: usize = 512 * 1024;

pub(crate) struct Delivery {
    pub(crate) client: Client,
    pub(crate) retry_refused: bool,
    /// How long to keep trying while no command is decided.
    pub(crate) retry_time_max: Duration,
}

/// The reason why some commands of a request are not decided.
enum Unfinished {
    Later { failure: Failure, retry_after: Option<Duration> },
    Fatal(Failure),
}

impl Delivery {
    /// Sends the commands until each is decided, and sends the outcome of each to `results`.
    ///
    /// # Errors
    /// Fails if no further row can be sent either: the host stays away, or does not know what the map names.
    pub(crate) async fn deliver(
        &self,
        commands: Vec<PlannedCommand>,
        results: &mpsc::Sender<Row>,
    ) -> Result<(), Failure> {
        let mut left = commands;
        let (mut start, mut backoff) = (Instant::now(), Backoff::new(self.retry_time_max));
        while !left.is_empty() {
            let before = left.len();
            let unfinished = self.send(&mut left, results).await;
            if left.len() < before {
                (start, backoff) = (Instant::now(), Backoff::new(self.retry_time_max));
            }
            let (failure, retry_after) = match unfinished {
                Ok(()) => continue,
                Err(Unfinished::Fatal(failure)) => return Err(failure),
                Err(Unfinished::Later { failure, retry_after }) => (failure, retry_after),
            };
            match backoff.next(start.elapsed(), retry_after) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure),
            }
        }
        Ok(())
    }

    /// Sends as many commands as one request takes, and removes the decided ones from `left`.
    async fn send(&self, left: &mut Vec<PlannedCommand>, results: &mpsc::Sender<Row>) -> Result<(), Unfinished> {
        let (mut body, mut count) = (Vec::new(), 0);
        for command in left.iter() {
            append(&mut body, command, self.retry_refused).map_err(Unfinished::Fatal)?;
            count += 1;
            if body.len() >= BATCH_BYTES_MAX {
                break;
            }
        }
        let mut is_decided = vec![false; count];
        let answered = self.answers(body, left, &mut is_decided, results).await;
        let mut decided = is_decided.iter();
        left.retain(|_| !decided.next().copied().unwrap_or_default());
        answered
    }

    async fn answers(
        &self,
        body: Vec<u8>,
        commands: &[PlannedCommand],
        is_decided: &mut [bool],
        results: &mpsc::Sender<Row>,
    ) -> Result<(), Unfinished> {
        let request = self.client.request(Method::POST, &["commands"]).header("content-type", "application/x-ndjson");
        let response = timely(self.client.stream(request.body(body))).await?.map_err(refused)?;
        let mut lines = AnswerLines { client: &self.client, response, buffer: Vec::new() };
        let mut later = None;
        while let Some(line) = lines.next().await? {
            let (line, delivered) = match read(&line).map_err(Unfinished::Fatal)? {
                Answer::Final { line, delivered } => (line, delivered),
                Answer::Later(problem) => {
                    let retry_after = problem.retry_after_s().map(Duration::from_secs);
                    later.get_or_insert((Failure::Problem(Box::new(problem)), retry_after));
                    continue;
                }
            };
            let index = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
            let Some((decided, command)) = index.and_then(|index| Some((is_decided.get_mut(index)?, &commands[index])))
            else {
                let unknown = anyhow::anyhow!("the host answered line {line}, which was not sent");
                return Err(Unfinished::Fatal(unknown.into()));
            };
            if !std::mem::replace(decided, true) {
                // The receiver is gone only after the import has failed elsewhere, and then this task ends too.
                let _ = results.send(Row::Sent { line: command.line, delivered }).await;
            }
        }
        match later {
            Some((failure, retry_after)) => Err(Unfinished::Later { failure, retry_after }),
            None if is_decided.iter().all(|is_decided| *is_decided) => Ok(()),
            None => {
                let failure = anyhow::anyhow!("the host did not answer all commands").into();
                Err(Unfinished::Later { failure, retry_after: None })
            }
        }
    }
}

/// Sorts a refusal of the whole request: it can be sent later, or never.
fn refused(failure: Failure) -> Unfinished {
    match failure {
        Failure::Problem(problem) if !problem.is_temporary() => Unfinished::Fatal(Failure::Problem(problem)),
        Failure::Problem(problem) => {
            let retry_after = problem.retry_after_s().map(Duration::from_secs);
            Unfinished::Later { failure: Failure::Problem(problem), retry_after }
        }
        failure => Unfinished::Later { failure, retry_after: None },
    }
}

async fn timely<T>(answer: impl Future<Output = T>) -> Result<T, Unfinished> {
    tokio::time::timeout(ANSWER_WAIT_MAX, answer).await.map_err(|_| {
        let failure = anyhow::anyhow!("the host took the commands but did not answer in time: is it busy, or stopped?");
        Unfinished::Later { failure: failure.into(), retry_after: None }
    })
}

struct AnswerLines<'a> {
    client: &'a Client,
    response: Response,
    buffer: Vec<u8>,
}

impl AnswerLines<'_> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Unfinished> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.buffer.drain(..=end).collect()));
            }
            let piece: Option<Bytes> =
                timely(self.response.chunk()).await?.map_err(|error| refused(self.client.unreachable(error)))?;
            match piece {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }
}
