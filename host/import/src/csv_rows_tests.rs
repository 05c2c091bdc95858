//! Unusual but valid CSV, and invalid CSV between good rows.

use proptest::prelude::*;

use super::*;

/// Line and cells, or line and refusal.
type ReadRow = Result<(u64, Vec<String>), (u64, String)>;

fn read_with(input: &[u8], delimiter: Option<u8>) -> Vec<ReadRow> {
    let rows = CsvRows::open(input, delimiter, 0).unwrap();
    rows.map(|row| match row.unwrap() {
        Ok(row) => Ok((row.line, row.cells.into_iter().map(|(_, cell)| cell).collect())),
        Err(bad) => Err((bad.line, bad.refusal.to_string())),
    })
    .collect()
}

fn read(input: &[u8]) -> Vec<ReadRow> {
    read_with(input, None)
}

fn good(line: u64, cells: [&str; 2]) -> ReadRow {
    Ok((line, cells.map(str::to_owned).to_vec()))
}

fn header(input: &[u8]) -> Vec<String> {
    CsvRows::open(input, None, 0).unwrap().header().iter().map(|name| name.to_string()).collect()
}

#[test]
fn quotes_and_embedded_line_ends_keep_cells_and_line_numbers_right() {
    let input = b"a,b\n\"x,\"\"y\"\"\",\"two\nlines\"\nlast,\"\"\n";
    assert_eq!(read(input), [good(2, ["x,\"y\"", "two\nlines"]), good(4, ["last", ""])]);
}

#[test]
fn other_line_ends_change_nothing() {
    for input in [&b"a,b\r\n1,2\r\n3,4\r\n"[..], b"a,b\r1,2\r3,4", b"\"a\",b\n1,2\n3,4"] {
        assert_eq!(header(input), ["a", "b"]);
        assert_eq!(read(input), [good(2, ["1", "2"]), good(3, ["3", "4"])]);
    }
}

#[test]
fn empty_lines_are_no_rows_but_count_as_lines() {
    let lines: Vec<u64> = read(b"a,b\n\n1,2\n\r\n\n3,4\n").into_iter().map(|row| row.unwrap().0).collect();
    assert_eq!(lines, [3, 6]);
}

#[test]
fn the_delimiter_is_found_or_given() {
    for (input, delimiter) in [
        (&b"a;b\n1,5;2\n"[..], None),
        (b"a\tb\n1,5\t2\n", None),
        (b"a|b\n1,5|2\n", None),
        (b"\"a,,,\";b\n1,5;2\n", None),
        (b"a^b\n1,5^2\n", Some(b'^')),
    ] {
        assert_eq!(read_with(input, delimiter), [good(2, ["1,5", "2"])], "{}", String::from_utf8_lossy(input));
    }
    assert_eq!(header(b"only\n1\n"), ["only"]);
}

#[test]
fn a_bad_row_is_reported_and_the_rest_is_read() {
    let rows = read(b"a,b\n1\n1,2,3\n\xFF,2\n5,6\n");
    assert_eq!(rows.len(), 4);
    for (row, line, wanted) in
        [(&rows[0], 2, "1 instead of 2"), (&rows[1], 3, "3 instead of 2"), (&rows[2], 4, "\"a\": ")]
    {
        let (at, refusal) = row.as_ref().unwrap_err();
        assert!(*at == line && refusal.contains(wanted), "{at}: {refusal}");
    }
    assert_eq!(rows[3], good(5, ["5", "6"]));
}

#[test]
fn an_unclosed_quote_is_a_bad_row_by_its_line_and_swallows_nothing() {
    let rows = read(b"case,activity,note\nA1,open,\"5 inch\nA2,open,b\nA3,open,c\n");
    assert_eq!(rows.len(), 3, "{rows:?}");
    let (line, refusal) = rows[0].as_ref().unwrap_err();
    assert!(*line == 2 && refusal.contains("nothing closes it (cell 3, on line 2, "), "{line}: {refusal}");
    let cells = |row: &ReadRow| row.as_ref().unwrap().clone();
    assert_eq!(cells(&rows[1]), (3, ["A2", "open", "b"].map(str::to_owned).to_vec()));
    assert_eq!(cells(&rows[2]), (4, ["A3", "open", "c"].map(str::to_owned).to_vec()));
}

#[test]
fn anything_but_a_delimiter_after_a_closing_quote_is_a_bad_row() {
    let rows = read(b"a,b\n\"12\" pipe\",x\n3,4\n\"5\n6\"7,8\n9,10\n\"11\" ,12\n");
    let refused = |row: &ReadRow| row.as_ref().unwrap_err().clone();
    let (line, refusal) = refused(&rows[0]);
    assert!(line == 2 && refusal.contains("cell 1 is followed by \" pipe"), "{line}: {refusal}");
    assert_eq!(rows[1], good(3, ["3", "4"]));
    let (line, refusal) = refused(&rows[2]);
    assert!(line == 4 && refusal.contains("from line 4 to 5"), "{line}: {refusal}");
    assert_eq!(rows[3], good(6, ["9", "10"]));
    assert_eq!(refused(&rows[4]).0, 7);
    assert_eq!(rows.len(), 5);
}

#[test]
fn a_cell_and_a_row_are_bounded() {
    let cell = "x".repeat(CELL_BYTES_MAX);
    let wide = [cell.as_str(); ROW_BYTES_MAX / CELL_BYTES_MAX + 1].join(",");
    // A cell as large as allowed; a larger one; a larger one within quotes, whose lines then become rows; a row that is
    // too large.
    let input = format!("a,b\n{cell},1\n{cell}y,2\n\"{cell}\ny\",3\n{wide}\n4,5\n");
    let rows = read(input.as_bytes());
    assert_eq!(rows[0].as_ref().map(|(line, cells)| (*line, cells[0].len())), Ok((2, CELL_BYTES_MAX)));
    let refused = |index: usize, wanted: &str| {
        let (line, refusal) = rows[index].as_ref().unwrap_err();
        assert!(refusal.contains(wanted), "{line}: {refusal}");
        *line
    };
    assert_eq!(refused(1, "a cell has more than 1048576 bytes"), 3);
    assert_eq!(refused(2, "nothing closes it"), 4);
    // The rest of that cell is a line of its own, and not a good row either.
    assert_eq!(rows[3], good(5, ["y\"", "3"]));
    assert_eq!(refused(4, "a row has more than 4194304 bytes"), 6);
    assert_eq!(rows[5], good(7, ["4", "5"]));
}

#[test]
fn lines_before_the_header_are_passed_over_and_sep_names_the_delimiter() {
    let rows = |input: &[u8], skip| {
        let rows = CsvRows::open(input, None, skip).unwrap();
        rows.map(|row| row.unwrap().unwrap()).map(|row| (row.line, row.cells[1].1.clone())).collect::<Vec<_>>()
    };
    let two = || String::from("2");
    assert_eq!(rows(b"sep=^\r\na^b\r\n1^2\r\n", 0), [(3, two())]);
    assert_eq!(rows(b"\"SEP=;\"\na;b\n1;2\n", 0), [(3, two())]);
    assert_eq!(rows(b"An export, of \"today\n\nsep=;\na;b\n1;2\n", 2), [(5, two())]);
    assert_eq!(rows(b"sep=,b\n1,2\n", 0), [(2, two())]);
    assert!(matches!(CsvRows::open(&b"a,b\n"[..], None, 2), Err(HeaderError::Empty)));
}

#[test]
fn an_empty_file_is_refused_and_a_header_alone_has_no_rows() {
    for input in [&b""[..], b"\n"] {
        assert!(matches!(CsvRows::open(input, None, 0), Err(HeaderError::Empty)), "{input:?}");
    }
    assert!(matches!(CsvRows::open(&b"\xFF\xFEa\0"[..], None, 0), Err(HeaderError::NotText)));
    assert_eq!(read(b"a,b\n"), []);
    assert_eq!(read(b"a,b"), []);
}

#[test]
fn a_failing_disk_ends_the_rows() {
    use std::io::Read as _;

    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let input = std::io::BufReader::new((&b"a,b\n1,2\n"[..]).chain(Failing));
    let mut rows = CsvRows::open(input, None, 0).unwrap();
    let ended = rows.find_map(Result::err);
    assert!(matches!(ended, Some(ReadError::Io { .. })), "{ended:?}");
    assert!(rows.next().is_none());
}

proptest! {
    #[test]
    fn what_was_written_is_read(cells in prop::collection::vec(prop::array::uniform2("[a-z\",;\n\r\té ]{0,8}"), 0..8)) {
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        writer.write_record(["a", "b"]).unwrap();
        for row in &cells {
            writer.write_record(row).unwrap();
        }
        let read: Vec<_> = read(&writer.into_inner().unwrap()).into_iter().map(|row| row.unwrap().1).collect();
        prop_assert_eq!(read, cells.iter().map(|row| row.to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_lenient_reader_and_this_one_both_take_is_the_same(input in "[ab\",;\n\r]{0,40}") {
        let text = format!("h,i\n{input}");
        let mut lenient = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let lenient: Vec<Vec<String>> =
            lenient.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        let strict = read(text.as_bytes());
        let has_bad_quotes = strict.iter().any(|row| row.as_ref().is_err_and(|(_, refusal)| refusal.contains("quote")));
        if !has_bad_quotes {
            let cells = strict.iter().map(|row| row.as_ref().ok().map(|(_, cells)| cells.clone()));
            let lenient = lenient.into_iter().map(|cells| Some(cells).filter(|cells| cells.len() == 2));
            prop_assert_eq!(cells.collect::<Vec<_>>(), lenient.collect::<Vec<_>>());
        }
    }

    #[test]
    fn any_bytes_are_read_to_their_end(input in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(rows) = CsvRows::open(&input[..], None, 0) {
            prop_assert!(rows.count() <= input.len());
        }
    }
}
