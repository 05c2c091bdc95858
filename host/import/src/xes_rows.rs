//! Reads the events of XES, the process-mining standard, as rows, one for each event. The attributes of the trace come
//! first and are named `case:…`, as in a CSV export of such a log. A nested attribute, or a value of a list, is named
//! by its path: `size/unit`. Streams: holds one trace's attributes and one event at a time.
//!
//! Attributes of the log are left out. An attribute that cannot be read, or too many bytes of attributes, spoil the
//! event, or all events of the trace. Broken XML ends the reading.

use std::collections::HashMap;
use std::io::{BufRead, ErrorKind};
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::lines::LineCounter;
use crate::refusal::Refusal;
use crate::rows::{BadRow, ReadError, Row};

const TRACE_PREFIX: &str = "case:";
/// Largest element, or text between two elements, in bytes. A larger one ends the reading.
const ELEMENT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest total of names and values of attributes, for an event and for a trace, in bytes. An event beyond it is
/// refused.
const ATTRIBUTES_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest depth of nested elements.
const ELEMENT_DEPTH_MAX: usize = 64;
/// Number of names that are shared between rows.
const SHARED_NAMES_MAX: usize = 10_000;

pub(crate) struct XesRows<R> {
    reader: quick_xml::Reader<LineCounter<R>>,
    buffer: Vec<u8>,
    /// The elements around the present position.
    inside: Vec<Element>,
    /// The path of the attributes around the present position.
    path: String,
    names: Names,
    trace: Part,
    event: Part,
    event_line: u64,
    event_count: u64,
    seen_log: bool,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Log,
    Trace,
    Event,
    /// An attribute. `path_bytes` is the length of the path before it.
    Attribute {
        path_bytes: usize,
    },
    /// The element around the values of a list.
    Values,
    /// An ignored element; its content is ignored too.
    Other,
}

/// The attributes read so far, or the first problem with one.
#[derive(Debug, Default)]
struct Part {
    cells: Vec<(Arc<str>, String)>,
    bytes: usize,
    trouble: Option<Refusal>,
}

impl Part {
    fn add(&mut self, name: Arc<str>, value: String) {
        self.bytes += name.len() + value.len();
        if self.bytes <= ATTRIBUTES_BYTES_MAX {
            self.cells.push((name, value));
        } else {
            let reason = format!("the attributes of an event have more than {ATTRIBUTES_BYTES_MAX} bytes");
            self.spoil(Refusal::new(reason, format!("from {name:?} on")));
        }
    }

    fn spoil(&mut self, refusal: Refusal) {
        self.trouble.get_or_insert(refusal);
    }
}

impl<R: BufRead> XesRows<R> {
    pub(crate) fn open(input: R) -> Self {
        Self {
            reader: quick_xml::Reader::from_reader(LineCounter::new(input)),
            buffer: Vec::new(),
            inside: Vec::new(),
            path: String::new(),
            names: Names::default(),
            trace: Part::default(),
            event: Part::default(),
            event_line: 0,
            event_count: 0,
            seen_log: false,
            is_over: false,
        }
    }

    /// Reads to the end of the next event; `None` at the end of the log.
    fn next_row(&mut self) -> Result<Option<Result<Row, BadRow>>, ReadError> {
        loop {
            self.buffer.clear();
            let mut buffer = std::mem::take(&mut self.buffer);
            self.reader.get_mut().allow(ELEMENT_BYTES_MAX);
            let event = self.reader.read_event_into(&mut buffer);
            let line = self.reader.get_ref().line();
            let row = match event {
                Ok(Event::Start(start)) => {
                    self.enter(&start, line)?;
                    None
                }
                Ok(Event::Empty(start)) => {
                    self.enter(&start, line)?;
                    self.leave()
                }
                Ok(Event::End(_)) => self.leave(),
                Ok(Event::Eof) => return self.at_end(line),
                Ok(_) => None,
                Err(quick_xml::Error::Io(source)) if source.kind() == ErrorKind::FileTooLarge => {
                    let problem = format!("{source}: more than {ELEMENT_BYTES_MAX} bytes");
                    return Err(ReadError::Malformed { line, problem });
                }
                Err(quick_xml::Error::Io(source)) => {
                    return Err(ReadError::Io { line, source: std::io::Error::new(source.kind(), source) });
                }
                Err(error) => return Err(ReadError::Malformed { line, problem: error.to_string() }),
            };
            self.buffer = buffer;
            if row.is_some() {
                return Ok(row);
            }
        }
    }

    fn enter(&mut self, start: &BytesStart<'_>, line: u64) -> Result<(), ReadError> {
        if self.inside.len() == ELEMENT_DEPTH_MAX {
            let problem = format!("more than {ELEMENT_DEPTH_MAX} elements stand inside each other");
            return Err(ReadError::Malformed { line, problem });
        }
        let element = match (start.local_name().as_ref(), self.inside.last()) {
            ("log", None) => {
                self.seen_log = true;
                Element::Log
            }
            ("trace", Some(Element::Log)) => {
                self.trace = Part::default();
                Element::Trace
            }
            ("event", Some(Element::Log | Element::Trace)) => {
                self.event = Part::default();
                self.event_line = line;
                self.event_count += 1;
                Element::Event
            }
            ("values", Some(Element::Attribute { .. })) => Element::Values,
            (kind, Some(Element::Trace | Element::Event | Element::Attribute { .. } | Element::Values)) => {
                self.attribute(kind, start)
            }
            _ => Element::Other,
        };
        self.inside.push(element);
        Ok(())
    }

    fn attribute(&mut self, kind: &str, start: &BytesStart<'_>) -> Element {
        let has_value = match kind {
            "string" | "date" | "int" | "float" | "boolean" | "id" => true,
            "list" | "container" => false,
            _ => return Element::Other,
        };
        let is_of_event = self.inside.contains(&Element::Event);
        let (part, prefix) = if is_of_event { (&mut self.event, "") } else { (&mut self.trace, TRACE_PREFIX) };
        let read = key_and_value(start).and_then(|(key, value)| match value {
            None if has_value => Err(format!("{key:?} has no value")),
            value => Ok((key, value)),
        });
        let (key, value) = match read {
            Ok(read) => read,
            Err(detail) => {
                part.spoil(Refusal::new("an attribute of the event cannot be read", detail));
                return Element::Other;
            }
        };
        let path_bytes = self.path.len();
        self.path.push_str(if self.path.is_empty() { prefix } else { "/" });
        self.path.push_str(&key);
        if let Some(value) = value.filter(|_| has_value) {
            part.add(self.names.shared(&self.path), value);
        }
        Element::Attribute { path_bytes }
    }

    fn leave(&mut self) -> Option<Result<Row, BadRow>> {
        match self.inside.pop() {
            Some(Element::Event) => Some(self.finish_event()),
            Some(Element::Trace) => {
                self.trace = Part::default();
                None
            }
            Some(Element::Attribute { path_bytes }) => {
                self.path.truncate(path_bytes);
                None
            }
            _ => None,
        }
    }

    fn finish_event(&mut self) -> Result<Row, BadRow> {
        let event = std::mem::take(&mut self.event);
        let line = self.event_line;
        if let Some(refusal) = event.trouble.or_else(|| self.trace.trouble.clone()) {
            return Err(BadRow { line, refusal });
        }
        let mut cells = self.trace.cells.clone();
        cells.extend(event.cells);
        Ok(Row { line, number: self.event_count, cells })
    }

    fn at_end(&self, line: u64) -> Result<Option<Result<Row, BadRow>>, ReadError> {
        let problem = if !self.seen_log {
            "it has no element <log>, so it is no XES"
        } else if !self.inside.is_empty() {
            "it ends before its elements do; was it cut?"
        } else {
            return Ok(None);
        };
        Err(ReadError::Malformed { line, problem: String::from(problem) })
    }
}

impl<R: BufRead> Iterator for XesRows<R> {
    type Item = Result<Result<Row, BadRow>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.next_row();
        self.is_over = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// Column names, each stored once however many rows have it.
#[derive(Debug, Default)]
struct Names(HashMap<String, Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(name) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = Arc::from(name);
        if self.0.len() < SHARED_NAMES_MAX {
            self.0.insert(name.to_owned(), Arc::clone(&shared));
        }
        shared
    }
}

fn key_and_value(start: &BytesStart<'_>) -> Result<(String, Option<String>), String> {
    let (mut key, mut value) = (None, None);
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let text = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        match attribute.key.local_name().as_ref() {
            "key" => key = Some(text.into_owned()),
            "value" => value = Some(text.into_owned()),
            _ => {}
        }
    }
    key.map(|key| (key, value)).ok_or_else(|| String::from("it has no key"))
}

#[cfg(test)]
#[path = "xes_rows_tests.rs"]
mod tests;
