//! The messages of one event in the stream: the event, then its translations.

use async_nats::HeaderMap;
use bytes::Bytes;
use polder_core::translation::{EventKind, Translation};
use polder_core::{DomainName, Event, TenantName};

use super::History;
use super::headers::{self, InBatch};

pub(super) struct Messages {
    event: Event,
    translations: Vec<Translation>,
}

impl Messages {
    /// `event` must be at or before [`History::newest`].
    pub(super) fn of(event: Event, history: &impl History, stream: &str) -> Self {
        let (translations, left_out) = history.translations(&event);
        for left_out in left_out {
            let (position, event) = (event.position, EventKind::of(&event));
            tracing::error!(stream, %position, %event, "an event is not translated {left_out}");
        }
        Self { event, translations }
    }

    /// Number of messages, at least one.
    pub(super) fn count(&self) -> usize {
        1 + self.translations.len()
    }

    /// The messages after the first `held` ones, each with its number.
    pub(super) fn from(&self, held: usize) -> impl Iterator<Item = (&Self, usize)> {
        (held..self.count()).map(move |number| (self, number))
    }

    /// Bytes of all payloads.
    pub(super) fn bytes(&self) -> usize {
        self.event.payload.get().len() + self.translations.iter().map(|made| made.payload.len()).sum::<usize>()
    }

    pub(super) fn event(&self) -> &Event {
        &self.event
    }

    /// Id of message `number`; 0 is the event.
    pub(super) fn id(&self, number: usize) -> String {
        match number {
            0 => self.event.id.to_string(),
            number => format!("{}.{number}", self.event.id),
        }
    }

    pub(super) fn domain(&self, number: usize) -> &DomainName {
        match self.translation(number) {
            Some(translation) => &translation.kind.domain,
            None => &self.event.domain,
        }
    }

    pub(super) fn subject(&self, number: usize, tenant: &TenantName) -> String {
        match self.translation(number) {
            Some(translation) => translation.kind.subject(tenant),
            None => EventKind::of(&self.event).subject(tenant),
        }
    }

    pub(super) fn headers(&self, number: usize, batch: InBatch<'_>) -> HeaderMap {
        let id = self.id(number);
        let mut headers = match self.translation(number) {
            Some(translation) => headers::of_translation(&self.event, &id, (number, translation.hops)),
            None => headers::of(&self.event, &id),
        };
        headers::put_in_batch(&mut headers, batch);
        headers
    }

    pub(super) fn payload(&self, number: usize) -> Bytes {
        let json = self.translation(number).map_or(self.event.payload.get(), |translation| &translation.payload);
        Bytes::copy_from_slice(json.as_bytes())
    }

    fn translation(&self, number: usize) -> Option<&Translation> {
        self.translations.get(number.checked_sub(1)?)
    }
}
