//! Takes the lines of one batch and answers them. Bounds the lines and bytes in flight, the answers that wait for the
//! client, and the time.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::request::Parts;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use http_body_util::BodyExt as _;
use polder_core::{Command, CommandAck, MemoryReservation, TenantName};
use polder_engine::SubmitError;
use tokio::sync::mpsc;

use super::lines::{Line, Lines};
use crate::access::{Caller, Hints as _};
use crate::app::App;
use crate::requests::{batch_answers, batch_line};
use crate::wire::http_status;
use crate::wire::problem::Problem;

/// The size at which answers are passed on to the response, in bytes.
pub(super) const ANSWER_PIECE_BYTES: usize = 16 * 1024;
/// The most lines of one request that are taken and not answered.
pub(super) const LINES_IN_FLIGHT_MAX: usize = 1_024;
/// The most bytes of these lines. A single line is taken in any case.
pub(super) const LINE_BYTES_IN_FLIGHT_MAX: usize = 4 * 1024 * 1024;
/// How long a line is retried while the tenant has too much in flight or sends too often.
const LINE_WAIT_MAX: Duration = Duration::from_secs(10);
/// The longest pause between two such attempts.
const LINE_PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long the client may read nothing while the buffer for answers is full. Then the batch ends.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often the caller's permission is checked again: its token may expire, and its key may be revoked.
const PERMISSION_INTERVAL: Duration = Duration::from_secs(1);
/// How long the rest of the body is read after an early end. Clients that write it to the end would not see the answer
/// otherwise.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);

/// The caller of a batch and its destination.
pub(super) struct Source {
    pub(super) app: Arc<App>,
    pub(super) tenant: TenantName,
    pub(super) caller: Caller,
    pub(super) traceparent: Option<String>,
    /// The head of the request.
    pub(super) parts: Parts,
    /// The memory of the lines in flight and of the answers that wait.
    pub(super) _memory: MemoryReservation,
}

pub(super) struct Batch {
    pub(super) source: Source,
    pub(super) lines: Lines<Body>,
    in_flight: FuturesUnordered<Pending>,
    bytes_in_flight: usize,
    /// The number of the last line that was taken.
    pub(super) taken: u64,
    permitted_at: Instant,
    /// Answers that are not passed on yet.
    text: Vec<u8>,
    answers: mpsc::Sender<Bytes>,
}

type Pending = Pin<Box<dyn Future<Output = Answered> + Send>>;

struct Answered {
    line: u64,
    bytes: usize,
    result: Result<CommandAck, Problem>,
}

/// Why no more lines are taken.
pub(super) enum Stop {
    /// The client still has to get this problem.
    Early(Problem),
    /// The client has got the reason already.
    Reported,
    /// The client has stopped reading answers.
    Gone,
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Early(problem)
    }
}

impl Batch {
    pub(super) fn new(source: Source, lines: Lines<Body>, answers: mpsc::Sender<Bytes>) -> Self {
        let taken = lines.number();
        Self {
            source,
            lines,
            in_flight: FuturesUnordered::new(),
            bytes_in_flight: 0,
            taken,
            permitted_at: Instant::now(),
            text: Vec::new(),
            answers,
        }
    }

    pub(super) async fn run(mut self) {
        let stopped = self.take_lines().await;
        // Every line that was taken gets its answer, even after an early end.
        while let Some(answered) = self.in_flight.next().await {
            self.append(answered);
            if self.text.len() >= ANSWER_PIECE_BYTES && self.flush().await.is_err() {
                return;
            }
        }
        if let Err(Stop::Early(problem)) = &stopped {
            batch_answers::append_early_end(&mut self.text, self.taken, problem);
        }
        if self.flush().await.is_ok() && stopped.is_err() {
            let _ = tokio::time::timeout(DRAIN_WAIT_MAX, read_to_end(self.lines.into_body())).await;
        }
    }

    async fn take_lines(&mut self) -> Result<(), Stop> {
        while let Some(line) = self.next_line().await? {
            let Line { number, bytes } = line;
            let mut last = number;
            match bytes {
                Some(bytes) if self.source.is_owned_elsewhere() => last = self.forward(number, bytes).await?,
                Some(bytes) => self.take(number, &bytes).await?,
                None => {
                    let problem = Problem::new(
                        &http_status::TOO_LARGE,
                        "the line is longer than a command may be (limit command_bytes_max)",
                    );
                    self.refuse(number, &problem.with("limit_name", "command_bytes_max"));
                }
            }
            self.taken = last;
        }
        Ok(())
    }

    /// Returns the next line once there is room for one more. Passes on answers meanwhile.
    async fn next_line(&mut self) -> Result<Option<Line>, Stop> {
        let mut closing = self.source.app.closing.clone();
        loop {
            if *closing.borrow() {
                let problem =
                    Problem::new(&http_status::SHUTTING_DOWN, "the host is shutting down; send the rest again");
                return Err(Stop::Early(problem));
            }
            self.append_ready();
            if self.text.len() >= ANSWER_PIECE_BYTES {
                self.flush().await?;
            }
            let has_room = self.in_flight.is_empty()
                || (self.in_flight.len() < LINES_IN_FLIGHT_MAX && self.bytes_in_flight < LINE_BYTES_IN_FLIGHT_MAX);
            if has_room && let Some(next) = self.lines.next().now_or_never() {
                return next.map_err(broken_off);
            }
            self.flush().await?;
            tokio::select! {
                next = self.lines.next(), if has_room => return next.map_err(broken_off),
                Some(answered) = self.in_flight.next() => self.append(answered),
                () = self.answers.closed() => return Err(Stop::Gone),
                _ = closing.wait_for(|closing| *closing) => {}
            }
        }
    }

    async fn take(&mut self, number: u64, line: &Bytes) -> Result<(), Stop> {
        self.check_permission()?;
        let Source { tenant, caller, traceparent, .. } = &self.source;
        let command = match batch_line::read(line, tenant, caller, traceparent.as_deref()) {
            Ok(command) => command,
            Err(problem) => {
                self.refuse(number, &problem);
                return Ok(());
            }
        };
        let start = Instant::now();
        loop {
            let mut pending = self.submit(number, line.len(), &command);
            let Some(answered) = (&mut pending).now_or_never() else {
                self.bytes_in_flight += line.len();
                self.in_flight.push(pending);
                return Ok(());
            };
            match answered.result {
                Err(problem) if problem.is_temporary() => self.hold_back(problem, start).await?,
                _ => {
                    // The line never was in flight.
                    self.bytes_in_flight += answered.bytes;
                    self.append(answered);
                    return Ok(());
                }
            }
        }
    }

    /// Waits until the line can be tried again. Fails at once unless a limit of the tenant is the cause, since only
    /// such a limit passes soon.
    async fn hold_back(&mut self, problem: Problem, start: Instant) -> Result<(), Stop> {
        if !problem.is_of(&http_status::BUSY) || start.elapsed() >= LINE_WAIT_MAX {
            return Err(Stop::Early(problem));
        }
        self.flush().await?;
        let pause = tokio::time::sleep(LINE_PAUSE_MAX.min(problem.wait().unwrap_or(LINE_PAUSE_MAX)));
        tokio::select! {
            () = pause => {}
            Some(answered) = self.in_flight.next() => self.append(answered),
        }
        Ok(())
    }

    fn submit(&self, line: u64, bytes: usize, command: &Command) -> Pending {
        let Source { app, tenant, caller, .. } = &self.source;
        let (caller, tenant, domain) = (caller.clone(), tenant.clone(), command.domain.clone());
        // The command is under way when this returns, so that lines are decided in order.
        let submitted = match app.partitions.of(&tenant).submit(command.clone()) {
            Ok(submitted) => submitted,
            Err(problem) => return Box::pin(ready(Answered { line, bytes, result: Err(problem) })),
        };
        let problem_of = move |error: SubmitError| Problem::from(error.for_caller(&caller, &tenant, &domain));
        Box::pin(submitted.map(move |result| {
            let result = result.and_then(|decided| decided.map_err(problem_of));
            Answered { line, bytes, result }
        }))
    }

    fn check_permission(&mut self) -> Result<(), Problem> {
        if self.permitted_at.elapsed() >= PERMISSION_INTERVAL {
            self.source.caller = self.source.app.authenticator.caller(&self.source.parts.headers)?;
            self.permitted_at = Instant::now();
        }
        Ok(())
    }

    /// Appends the answers that are there already, up to the size of a piece.
    fn append_ready(&mut self) {
        while self.text.len() < ANSWER_PIECE_BYTES
            && let Some(Some(answered)) = self.in_flight.next().now_or_never()
        {
            self.append(answered);
        }
    }

    /// Appends the answer to one line, which is not in flight any more.
    fn append(&mut self, answered: Answered) {
        self.bytes_in_flight -= answered.bytes;
        match answered.result {
            Ok(acknowledgement) => batch_answers::append_ack(&mut self.text, answered.line, &acknowledgement),
            Err(problem) => self.refuse(answered.line, &problem),
        }
    }

    fn refuse(&mut self, line: u64, problem: &Problem) {
        batch_answers::append_problem(&mut self.text, line, problem);
    }

    /// Waits for all lines in flight. Called before lines are forwarded to another host, so that lines are decided in
    /// order.
    pub(super) async fn settle(&mut self) -> Result<(), Stop> {
        while let Some(answered) = self.in_flight.next().await {
            self.append(answered);
        }
        self.flush().await
    }

    /// Appends answers of another host.
    pub(super) fn append_text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    pub(super) async fn flush(&mut self) -> Result<(), Stop> {
        if self.text.is_empty() {
            return Ok(());
        }
        let sent = self.answers.send_timeout(batch_answers::taken(&mut self.text), ANSWER_WAIT_MAX).await;
        sent.map_err(|_| Stop::Gone)
    }
}

fn broken_off(problem: String) -> Stop {
    Stop::Early(Problem::new(&http_status::BAD_BODY, format!("the body ended too early: {problem}")))
}

async fn read_to_end(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}
