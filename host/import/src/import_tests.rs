//! Whole files: kinds, compression and misfits. CSV and XES of one log must give the same commands.

use std::io::Write;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

const MAP: &str = r#"
domain = "permits"
aggregate = "application"
aggregate_id = "case:concept:name"
row_key = "concept:instance"
[[command]]
name = "record-task"
[command.fields]
at = { column = "time:timestamp", type = "time" }
channel = "case:channel"
"#;

const CSV: &str = "case:channel,case:concept:name,concept:instance,time:timestamp\n\
    Desk,case-1,t1,2011-10-11 13:45:40.276000+02:00\nDesk,case-1,t2,2011-10-12 08:00:00+02:00\nDesk,case-2,t3,soon\n\
    Desk,case-2,t4,2011-10-13 08:00:00+02:00\n";

const XES: &str = r#"<log><trace><string key="concept:name" value="case-1"/><string key="channel" value="Desk"/>
<event><string key="concept:instance" value="t1"/><date key="time:timestamp" value="2011-10-11T13:45:40.276+02:00"/></event>
<event><string key="concept:instance" value="t2"/><date key="time:timestamp" value="2011-10-12T08:00:00.000+02:00"/></event></trace>
<trace><string key="concept:name" value="case-2"/><string key="channel" value="Desk"/>
<event><string key="concept:instance" value="t3"/><date key="time:timestamp" value="soon"/></event>
<event><string key="concept:instance" value="t4"/><date key="time:timestamp" value="2011-10-13T08:00:00.000+02:00"/></event></trace></log>"#;

fn write(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The steps without their lines, which differ between the kinds of log.
fn steps(path: &Path) -> Vec<Result<(String, String, String), String>> {
    let steps = Import::open(path, Map::parse(MAP).unwrap()).unwrap();
    steps
        .map(|step| match step.unwrap() {
            Step::Command(command) => {
                Ok((command.aggregate_id.to_string(), command.id.to_string(), command.payload.clone()))
            }
            Step::Refused { refusal, .. } => Err(refusal.reason),
            Step::Skipped => Err(String::from("skipped")),
        })
        .collect()
}

fn open_error(name: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, name, content);
    Import::open(&path, Map::parse(MAP).unwrap()).err().expect("refused").to_string()
}

#[test]
fn every_kind_of_log_gives_the_same_commands_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let first = steps(&write(&folder, "a.csv", CSV.as_bytes()));
    assert_eq!(first.len(), 4);
    let payload = r#"{"at":"2011-10-11T13:45:40.276+02:00","channel":"Desk"}"#;
    assert_eq!(first[0], Ok((String::from("case-1"), String::from("t1"), String::from(payload))));
    assert_eq!(first[2], Err(String::from("column \"time:timestamp\" is not a time")));
    for (name, content) in [
        ("a.csv.gz", gzip(CSV)),
        ("B.TSV", CSV.replace(',', "\t").into_bytes()),
        ("packed-but-not-named-so.csv", gzip(CSV)),
        ("a.xes", XES.as_bytes().to_vec()),
        ("a.xes.gz", gzip(XES)),
        ("two-members.xes.gz", [gzip(&XES[..100]), gzip(&XES[100..])].concat()),
    ] {
        assert_eq!(steps(&write(&folder, name, &content)), first, "{name}");
    }
}

#[test]
fn progress_reaches_the_file_size() {
    let folder = tempfile::tempdir().unwrap();
    let content = gzip(CSV);
    let mut import = Import::open(&write(&folder, "a.csv.gz", &content), Map::parse(MAP).unwrap()).unwrap();
    let progress = import.progress();
    assert_eq!(import.by_ref().count(), 4);
    assert_eq!((progress.bytes_read(), progress.bytes_total()), (content.len() as u64, content.len() as u64));
}

#[test]
fn a_compressed_log_cut_short_gives_its_rows_and_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let content = gzip(&(CSV.to_owned() + &"Desk,case-3,t5,2011-10-13 08:00:00+02:00\n".repeat(50_000)));
    let path = write(&folder, "a.csv.gz", &content[..content.len() / 2]);
    let steps: Vec<_> = Import::open(&path, Map::parse(MAP).unwrap()).unwrap().collect();
    assert!(steps.len() > 4);
    assert!(matches!(steps.last(), Some(Err(ReadError::Io { .. }))), "{:?}", steps.last());
    assert_eq!(steps.iter().filter(|step| step.is_err()).count(), 1);
}

#[test]
fn a_log_that_does_not_fit_is_refused_before_the_first_row() {
    assert!(open_error("a.txt", CSV.as_bytes()).contains("must end in .csv, .tsv or .xes"));
    assert!(open_error("a.csv", b"").contains("it is empty"));
    assert!(open_error("a.csv", b"\x00\xFF\xFE").contains("not UTF-8"));
    let missing = open_error("a.csv", b"case:channel,other\n");
    assert!(
        missing.contains("the map names column \"case:concept:name\"") && missing.contains("\"other\""),
        "{missing}"
    );
    let twice = open_error("a.csv", CSV.replacen("case:channel,", "concept:instance,", 1).as_bytes());
    assert!(twice.contains("\"case:channel\"") || twice.contains("2 times"), "{twice}");
    let map = Map::parse(MAP).unwrap();
    let nowhere = Import::open(Path::new("nowhere.csv"), map).err().expect("refused").to_string();
    assert!(nowhere.contains("nowhere.csv"), "{nowhere}");
}
