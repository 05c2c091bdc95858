//! Checks the content of frames in order: that the chain continues from file to file, that each event's content id
//! follows from its content and the previous event, that sequences and positions have no gap. Uses no index.

use std::collections::{BTreeMap, HashMap};

use polder_core::{ContentId, Position, Sequence, TimestampMs};

use crate::format::frame::{Frame, Link};
use crate::format::opened_frame::{OpenedFrame, Record};
use crate::format::record::{RecordView, check};
use crate::keyring::Keyring;
use crate::lookup_keys::AggregateKey;

/// Called with each readable record, after it was checked.
pub(crate) type Look<'a> = Box<dyn FnMut(&RecordView<'_>) + 'a>;

pub(crate) struct ContentCheck<'a> {
    keys: &'a Keyring,
    look: Look<'a>,
    pub(crate) link: Link,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) commands: u64,
    pub(crate) rejected: u64,
    pub(crate) events: u64,
    /// Number of records whose key is missing or cannot be used, by tenant.
    pub(crate) sealed: BTreeMap<String, u64>,
    pub(crate) last_at_ms: Option<TimestampMs>,
    heads: HashMap<AggregateKey, (Sequence, ContentId)>,
    positions: HashMap<String, Position>,
}

impl<'a> ContentCheck<'a> {
    pub(crate) fn new(keys: &'a Keyring) -> Self {
        Self::looking(keys, Box::new(|_| ()))
    }

    pub(crate) fn looking(keys: &'a Keyring, look: Look<'a>) -> Self {
        Self {
            keys,
            look,
            link: Link::START,
            frames: 0,
            bytes: 0,
            commands: 0,
            rejected: 0,
            events: 0,
            sealed: BTreeMap::new(),
            last_at_ms: None,
            heads: HashMap::new(),
            positions: HashMap::new(),
        }
    }

    pub(crate) fn tenants(&self) -> u64 {
        self.positions.len() as u64
    }

    pub(crate) fn aggregates(&self) -> u64 {
        self.heads.len() as u64
    }

    pub(crate) fn frame(&mut self, frame: &Frame<'_>) -> Result<(), String> {
        let header = &frame.header;
        if !header.continues(&self.link) {
            return Err(format!("frame {} does not continue frame {}", header.number, self.link.number));
        }
        for record in frame.record_offsets() {
            let (offset, length) = record.map_err(|error| error.to_string())?;
            check(&frame.bytes()[offset..offset + length]).map_err(|error| at(offset, &error.to_string()))?;
        }
        let opened = OpenedFrame::new(frame, self.keys).map_err(|error| error.to_string())?;
        for record in opened.records() {
            match record.map_err(|error| error.to_string())? {
                (offset, Record::Readable(view)) => {
                    self.record(&view).map_err(|what| at(offset, &what))?;
                    (self.look)(&view);
                }
                (_, Record::Sealed { tenant }) => *self.sealed.entry(tenant.to_owned()).or_default() += 1,
            }
        }
        self.link = header.link();
        self.frames += 1;
        self.bytes += u64::from(header.length);
        self.last_at_ms = Some(header.at_ms);
        Ok(())
    }

    fn record(&mut self, view: &RecordView<'_>) -> Result<(), String> {
        self.position(view)?;
        if view.event_count() > 0 {
            let head = self.heads.entry(view.aggregate_key()).or_insert((Sequence::ZERO, ContentId::NONE));
            if view.sequence_before() != head.0 {
                return Err(format!(
                    "sequence {} comes directly after sequence {}",
                    view.sequence_before().plus(1),
                    head.0
                ));
            }
            let content = view.check_content(&head.1).map_err(|error| error.to_string())?;
            *head = (view.sequence(), content);
        }
        self.commands += 1;
        self.rejected += u64::from(view.reason().is_some());
        self.events += u64::from(view.event_count());
        Ok(())
    }

    fn position(&mut self, view: &RecordView<'_>) -> Result<(), String> {
        let last = match self.positions.get_mut(view.tenant()) {
            Some(last) => last,
            None => self.positions.entry(view.tenant().to_owned()).or_default(),
        };
        if view.position_before() != *last {
            return Err(format!("position {} comes directly after position {last}", view.position_before().plus(1)));
        }
        *last = view.position();
        Ok(())
    }
}

fn at(offset: usize, what: &str) -> String {
    format!("in the record {offset} bytes into the frame: {what}")
}
