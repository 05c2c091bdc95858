//! A log as process-mining tools write it, corner cases, and broken logs.

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
    <int key="size" value="3"><string key="nested" value="kept"/></int>
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
    let case = [("case:concept:name", "case-1"), ("case:size", "3"), ("case:size/nested", "kept")];
    let first = [
        case[0],
        case[1],
        case[2],
        ("concept:name", "R&D <first> é"),
        ("time:timestamp", "2011-10-11T13:45:40.276+02:00"),
    ];
    let wanted = vec![
        Ok(Ok((11, pairs(&first)))),
        Ok(Ok((15, pairs(&[&case[..], &[("many/in", "list")]].concat())))),
        Ok(Ok((18, pairs(&[])))),
    ];
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
fn nested_attributes_and_lists_are_named_by_their_path() {
    let log = r#"<log><string key="of" value="the log"/><trace><list key="tags"><values><string key="tag" value="a"/>
        <string key="tag" value="b"/><int key="rank" value="1"><string key="of" value="b"/></int></values></list>
        <event><container key="cost"><float key="total" value="2.5"/></container><values><string key="no" value="1"/></values></event>
        <event><string key="after" value="x"/></event></trace></log>"#;
    let tags = [("case:tags/tag", "a"), ("case:tags/tag", "b"), ("case:tags/rank", "1"), ("case:tags/rank/of", "b")];
    let first = [&tags[..], &[("cost/total", "2.5")]].concat();
    let second = [&tags[..], &[("after", "x")]].concat();
    let rows: Vec<_> = XesRows::open(log.as_bytes()).map(|row| row.unwrap().unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rows[0].cells("case:tags/*").collect::<Vec<_>>(), ["a", "b", "1"]);
    assert_eq!(rows[0].cells("case:tags/tag").collect::<Vec<_>>(), ["a", "b"]);
    let read: Vec<Cells> = read(log.as_bytes()).into_iter().map(|row| row.unwrap().unwrap().1).collect();
    assert_eq!(read, [pairs(&first), pairs(&second)]);
}

#[test]
fn an_element_an_event_and_its_depth_are_bounded() {
    let ended = |log: &str| read(log.as_bytes()).pop().unwrap();
    let value = "x".repeat(1024 * 1024);
    let attribute = format!("<string key=\"a\" value=\"{value}\"/>");
    let rows = read(format!("<log><trace><event>{}</event><event/></trace></log>", attribute.repeat(5)).as_bytes());
    let (line, refusal) = rows[0].as_ref().unwrap().as_ref().unwrap_err();
    assert!(*line == 1 && refusal.contains("more than 4194304 bytes"), "{refusal}");
    assert!(rows[1].as_ref().unwrap().is_ok());
    let large = format!("<log><trace><event><string key=\"a\" value=\"{value}{value}\"/></event></trace></log>");
    assert!(ended(&large).unwrap_err().contains("more than 2097152 bytes"));
    let text = format!("<log><trace>{value}{value}</trace></log>");
    assert!(ended(&text).unwrap_err().contains("more than 2097152 bytes"));
    let deep = format!("<log><trace><event>{}", "<list key=\"a\">".repeat(70));
    assert!(ended(&deep).unwrap_err().contains("more than 64 elements"));
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
