//! Reads the events of XES, the process-mining standard, as rows: one per event, the attributes of its trace before its own and
//! named `case:…`, as the CSV export of such a log names them. Streams: holds one trace's attributes and one event at a time.
//!
//! Leaves out attributes of the log, of attributes, and lists. An attribute that cannot be read spoils its event (or all events of its
//! trace); XML that is broken ends the reading.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::Refusal;
use crate::lines::LineCounter;
use crate::rows::{BadRow, ReadError, Row};

const TRACE_PREFIX: &str = "case:";

pub(crate) struct XesRows<R> {
    reader: quick_xml::Reader<LineCounter<R>>,
    buffer: Vec<u8>,
    /// The elements we are inside of.
    inside: Vec<Element>,
    names: Names,
    trace: Part,
    event: Part,
    event_line: u64,
    seen_log: bool,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Log,
    Trace,
    Event,
    /// An attribute, or what is of no interest; so is all in it.
    Other,
}

/// Attributes gathered so far, or the first trouble with one.
#[derive(Debug, Default)]
struct Part {
    cells: Vec<(Arc<str>, String)>,
    trouble: Option<Refusal>,
}

impl<R: BufRead> XesRows<R> {
    pub(crate) fn open(input: R) -> Self {
        Self {
            reader: quick_xml::Reader::from_reader(LineCounter::new(input)),
            buffer: Vec::new(),
            inside: Vec::new(),
            names: Names::default(),
            trace: Part::default(),
            event: Part::default(),
            event_line: 0,
            seen_log: false,
            is_over: false,
        }
    }

    /// Reads on to the end of the next event; `None` at the end of the log.
    fn next_row(&mut self) -> Result<Option<Result<Row, BadRow>>, ReadError> {
        loop {
            self.buffer.clear();
            let mut buffer = std::mem::take(&mut self.buffer);
            let event = self.reader.read_event_into(&mut buffer);
            let line = self.reader.get_ref().line();
            let row = match event {
                Ok(Event::Start(start)) => {
                    self.enter(&start, line);
                    None
                }
                Ok(Event::Empty(start)) => {
                    self.enter(&start, line);
                    self.leave()
                }
                Ok(Event::End(_)) => self.leave(),
                Ok(Event::Eof) => return self.at_end(line),
                Ok(_) => None,
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

    fn enter(&mut self, start: &BytesStart<'_>, line: u64) {
        let element = match (start.local_name().as_ref(), self.inside.last()) {
            ("log", None) => Element::Log,
            ("trace", Some(Element::Log)) => Element::Trace,
            ("event", Some(Element::Log | Element::Trace)) => Element::Event,
            _ => Element::Other,
        };
        match element {
            Element::Log => self.seen_log = true,
            Element::Trace => self.trace = Part::default(),
            Element::Event => {
                self.event = Part::default();
                self.event_line = line;
            }
            Element::Other => self.attribute(start),
        }
        self.inside.push(element);
    }

    fn attribute(&mut self, start: &BytesStart<'_>) {
        let (part, prefix) = match self.inside.last() {
            Some(Element::Trace) => (&mut self.trace, TRACE_PREFIX),
            Some(Element::Event) => (&mut self.event, ""),
            _ => return,
        };
        if !matches!(start.local_name().as_ref(), "string" | "date" | "int" | "float" | "boolean" | "id") {
            return;
        }
        match key_and_value(start) {
            Ok((key, value)) => part.cells.push((self.names.shared(prefix, key), value)),
            Err(detail) => {
                part.trouble.get_or_insert_with(|| Refusal::new("an attribute of the event cannot be read", detail));
            }
        }
    }

    fn leave(&mut self) -> Option<Result<Row, BadRow>> {
        match self.inside.pop() {
            Some(Element::Event) => Some(self.finish_event()),
            Some(Element::Trace) => {
                self.trace = Part::default();
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
        Ok(Row { line, cells })
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

/// Column names, each kept once however many rows have it.
#[derive(Debug, Default)]
struct Names(HashMap<String, Arc<str>>);

impl Names {
    fn shared(&mut self, prefix: &str, key: String) -> Arc<str> {
        let name = if prefix.is_empty() { key } else { format!("{prefix}{key}") };
        if let Some(shared) = self.0.get(&name) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = Arc::from(name.as_str());
        self.0.insert(name, Arc::clone(&shared));
        shared
    }
}

fn key_and_value(start: &BytesStart<'_>) -> Result<(String, String), String> {
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
    match (key, value) {
        (Some(key), Some(value)) => Ok((key, value)),
        (Some(key), None) => Err(format!("{key:?} has no value")),
        (None, _) => Err(String::from("it has no key")),
    }
}

#[cfg(test)]
#[path = "xes_rows_tests.rs"]
mod tests;
