//! Sends messages to one reader with flow control: nothing more is sent until the reader has confirmed. So a slow
//! reader loses nothing, and no messages pile up for it, neither here nor in a server's buffers.

use std::time::Duration;

use async_nats::{HeaderMap, HeaderValue, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;

use crate::connection::{Connection, NotSent};
use crate::reply_to::ReplyTo;

/// Payload by which a reader ends the delivery.
const STOP: &[u8] = b"stop";

pub struct Delivery {
    connection: Connection,
    to: ReplyTo,
    inbox: String,
    answers: Subscriber,
    /// Number of messages sent.
    count: u64,
    /// Reconnects at the start. A new connection may have lost messages in flight.
    reconnects: u64,
}

/// Outcome of a message that asked for a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    GoOn,
    /// The reader wants no more messages.
    Stop,
    /// No reader listens, or the reader does not answer.
    Gone,
    /// The connection broke, and messages may be lost.
    Lost,
}

impl Delivery {
    pub async fn open(connection: &Connection, to: ReplyTo) -> Result<Self, NotSent> {
        let inbox = connection.client().new_inbox();
        let answers = connection.client().subscribe(format!("{inbox}.*")).await.map_err(NotSent::new)?;
        let reconnects = connection.reconnects();
        Ok(Self { connection: connection.clone(), to, inbox, answers, count: 0, reconnects })
    }

    /// Sends a message under its number, counted from 1. If `asks` is set, it has a reply subject, and
    /// [`taken`](Self::taken) waits for the answer there.
    pub async fn send(
        &mut self,
        number_header: &'static str,
        header: Option<(&'static str, &'static str)>,
        payload: Bytes,
        asks: bool,
    ) -> Result<(), NotSent> {
        self.count += 1;
        let mut headers = HeaderMap::new();
        headers.insert(number_header, HeaderValue::from(self.count));
        if let Some((name, value)) = header {
            headers.insert(name, value);
        }
        let reply = asks.then(|| format!("{}.{}", self.inbox, self.count));
        self.connection.answer_and_ask(self.to.clone(), reply, headers, payload).await
    }

    /// Waits for the answer to the last message.
    pub async fn taken(&mut self, wait_max: Duration) -> Taken {
        let reply_subject = format!("{}.{}", self.inbox, self.count);
        let answered = async {
            while let Some(answer) = self.answers.next().await {
                if answer.payload.as_ref() == STOP {
                    return Taken::Stop;
                }
                // An answer to an earlier message is late, and does not confirm this one.
                if answer.subject.as_str() == reply_subject {
                    let is_gone = answer.status == Some(StatusCode::NO_RESPONDERS);
                    return if is_gone { Taken::Gone } else { Taken::GoOn };
                }
            }
            Taken::Gone
        };
        let taken = tokio::time::timeout(wait_max, answered).await.unwrap_or(Taken::Gone);
        match self.connection.reconnects() == self.reconnects {
            true => taken,
            false => Taken::Lost,
        }
    }
}
