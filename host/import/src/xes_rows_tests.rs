//! A log as process-mining tools write it, its corners, and broken ones.

use proptest::prelude::*;

use super::*;

const LOG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- as tools write it -->
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
  <global scope="event"><string key="concept:name" value="__INVALID__"/></global>
  <classifier name="Activity" keys="concept:name"/>
  <string key="concept:name" value="the log"/>
  <trace>
    <string key="concept:name" value="case-1"/>
    <int key="size" value="3"><string key="nested" value="left out"/></int>
    <event>
      <string key="concept:name" value="R&amp;D &lt;first&gt; &#233;"/>
      <date key="time:timestamp" value="2011-10-11T13:45:40.276+02:00"/>
    </event>
    <event><list key="many"><values><string key="in" value="list"/></values></list></event>
  </trace>
  <trace>
    <event/>
  </trace>
</log>
"#;

type Cells = Vec<(String, String)>;
/// Line and cells, or line and refusal.
type ReadRow = Result<(u64, Cells), (u64, String)>;

fn read(input: &[u8]) -> Vec<Result<ReadRow, String>> {
    let cells = |row: Row| row.cells.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    XesRows::open(input)
        .map(|row| match row {
            Ok(Ok(row)) => Ok(Ok((row.line, cells(row)))),
            Ok(Err(bad)) => Ok(Err((bad.line, bad.refusal.to_string()))),
            Err(error) => Err(error.to_string()),
        })
        .collect()
}

fn pairs(cells: &[(&str, &str)]) -> Cells {
    cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn events_become_rows_with_their_trace_in_front() {
    let case = [("case:concept:name", "case-1"), ("case:size", "3")];
    let first =
        [case[0], case[1], ("concept:name", "R&D <first> é"), ("time:timestamp", "2011-10-11T13:45:40.276+02:00")];
    let wanted = vec![Ok(Ok((11, pairs(&first)))), Ok(Ok((15, pairs(&case)))), Ok(Ok((18, pairs(&[]))))];
    assert_eq!(read(LOG.as_bytes()), wanted);
}

#[test]
fn an_attribute_that_cannot_be_read_spoils_its_event_only() {
    let log = "<log><trace><event><string key=\"a\" value=\"&unknown;\"/></event>\n\
        <event><string key=\"a\"/></event>\n<event><string value=\"a\"/></event>\n\
        <event><string key=\"a\" value=\"b\"/></event></trace></log>";
    let rows = read(log.as_bytes());
    for (row, line, wanted) in
        [(&rows[0], 1, "unknown"), (&rows[1], 2, "\"a\" has no value"), (&rows[2], 3, "it has no key")]
    {
        let (at, refusal) = row.as_ref().unwrap().as_ref().unwrap_err();
        assert!(*at == line && refusal.contains(wanted), "{at}: {refusal}");
    }
    assert_eq!(rows[3], Ok(Ok((4, pairs(&[("a", "b")])))));
}

#[test]
fn a_trace_that_cannot_be_read_spoils_its_events_only() {
    let log = "<log><trace><int value=\"1\"/><event/><event/></trace><trace><event/></trace></log>";
    let is_good: Vec<bool> = read(log.as_bytes()).into_iter().map(|row| row.unwrap().is_ok()).collect();
    assert_eq!(is_good, [false, false, true]);
}

#[test]
fn broken_xml_ends_the_rows_after_the_good_ones() {
    for (log, wanted) in [
        ("<log><trace><event/>\n</log>", "line 2"),
        ("<log><trace><event/>\n<event", "line 2"),
        ("<log><trace><event/>\n", "ends before its elements do"),
    ] {
        let rows = read(log.as_bytes());
        assert!(rows[0].as_ref().unwrap().is_ok() && rows.len() == 2, "{log}: {rows:?}");
        assert!(rows[1].as_ref().unwrap_err().contains(wanted), "{log}: {rows:?}");
    }
    for log in ["", "no xml at all", "<html></html>"] {
        assert!(read(log.as_bytes())[0].as_ref().unwrap_err().contains("no element <log>"), "{log}");
    }
}

#[test]
fn bytes_that_are_no_text_end_the_rows() {
    let rows = read(b"<log><trace><event/>\n<event><string key=\"a\" value=\"\xFF\"/></event></trace></log>");
    assert!(rows.last().unwrap().is_err(), "{rows:?}");
}

proptest! {
    #[test]
    fn a_log_cut_anywhere_gives_only_rows_of_the_whole_one(cut in 0..LOG.len()) {
        let whole = read(LOG.as_bytes());
        let rows = read(&LOG.as_bytes()[..cut]);
        let good: Vec<_> = rows.iter().filter(|row| row.is_ok()).cloned().collect();
        prop_assert_eq!(&good[..], &whole[..good.len()]);
        prop_assert!(rows.len() - good.len() <= 1);
    }
}
