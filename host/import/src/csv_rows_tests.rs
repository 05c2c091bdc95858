//! Ugly but lawful CSV, and unlawful CSV between good rows.

use proptest::prelude::*;

use super::*;

/// Line and cells, or line and refusal.
type ReadRow = Result<(u64, Vec<String>), (u64, String)>;

fn read_with(input: &[u8], delimiter: Option<u8>) -> Vec<ReadRow> {
    let rows = CsvRows::open(input, delimiter).unwrap();
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
    CsvRows::open(input, None).unwrap().header().iter().map(|name| name.to_string()).collect()
}

#[test]
fn quotes_and_embedded_line_ends_keep_cells_and_line_numbers_right() {
    let input = b"a,b\n\"x,\"\"y\"\"\",\"two\nlines\"\nlast,\"\"\n";
    assert_eq!(read(input), [good(2, ["x,\"y\"", "two\nlines"]), good(4, ["last", ""])]);
}

#[test]
fn other_line_ends_and_a_byte_order_mark_change_nothing() {
    for input in [
        &b"a,b\r\n1,2\r\n3,4\r\n"[..],
        b"\xEF\xBB\xBFa,b\n1,2\n3,4\n",
        b"\xEF\xBB\xBFa,b\r\n1,2\r\n3,4",
        b"\xEF\xBB\xBF\"a\",b\n1,2\n3,4",
    ] {
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
fn the_delimiter_is_found_or_told() {
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
fn a_bad_row_is_told_and_the_rest_goes_on() {
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
fn an_unclosed_quote_is_told_with_the_line_it_opens_on() {
    let rows = read(b"a,b\n1,2\n\"3,4\n5,6\n");
    assert_eq!(rows[0], good(2, ["1", "2"]));
    assert_eq!(rows[1].as_ref().unwrap_err().0, 3);
}

#[test]
fn an_empty_file_is_refused_and_a_header_alone_has_no_rows() {
    for input in [&b""[..], b"\n", b"\xEF\xBB\xBF"] {
        assert!(matches!(CsvRows::open(input, None), Err(HeaderError::Empty)), "{input:?}");
    }
    assert!(matches!(CsvRows::open(&b"\xFF\xFEa\0"[..], None), Err(HeaderError::NotText)));
    assert_eq!(read(b"a,b\n"), []);
    assert_eq!(read(b"a,b"), []);
}

#[test]
fn a_failing_disk_ends_the_rows() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let input = std::io::BufReader::new((&b"a,b\n1,2\n"[..]).chain(Failing));
    let mut rows = CsvRows::open(input, None).unwrap();
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
    fn any_bytes_are_read_to_their_end(input in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(rows) = CsvRows::open(&input[..], None) {
            prop_assert!(rows.count() <= input.len());
        }
    }
}
