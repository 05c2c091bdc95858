//! Reads the usual notations of a moment and writes it in RFC 3339, with its original offset: local time decides on
//! which day and in which month something happened. It never guesses the order of day and month; the map's `format`
//! decides.

use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter, Pieces};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use serde::Deserialize;

use crate::number::{Decimal, integer};
use crate::refusal::shown;

static PARSER: DateTimeParser = DateTimeParser::new();
static PRINTER: DateTimePrinter = DateTimePrinter::new();

/// Days from the first day of Excel's calendar to 1970-01-01.
const EXCEL_DAYS_TO_1970: f64 = 25_569.0;
/// 1900-03-01. Excel has a 29th of February 1900 before it, so earlier days are wrong.
const EXCEL_DAYS_MIN: f64 = 61.0;
/// The first day after 9999-12-31.
const EXCEL_DAYS_END: f64 = 2_958_466.0;
const DAY_MS: f64 = 86_400_000.0;
/// The largest offset that RFC 3339 can write, 23:59, in seconds.
const OFFSET_S_MAX: i32 = 23 * 3_600 + 59 * 60;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeForm {
    format: Format,
    /// Zone of moments that are written without an offset.
    zone: Option<TimeZone>,
    /// Choice for local times that exist twice in the zone.
    twice: Option<Twice>,
}

#[derive(Debug, Clone, PartialEq)]
enum Format {
    /// ISO 8601 and similar notations, with `T` or a space.
    Standard,
    /// A format for strptime.
    Strptime(String),
    EpochMs,
    EpochS,
    ExcelDays,
}

/// Which of two moments a local time means in the hour that daylight saving repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Twice {
    Earlier,
    Later,
}

impl Format {
    /// The error describes the problem with the format.
    fn new(written: Option<String>) -> Result<Self, String> {
        let Some(format) = written else { return Ok(Self::Standard) };
        match format.as_str() {
            "epoch-ms" => return Ok(Self::EpochMs),
            "epoch-s" => return Ok(Self::EpochS),
            "excel-days" => return Ok(Self::ExcelDays),
            _ => {}
        }
        let any_moment = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        jiff::fmt::strtime::format(&format, &any_moment).map_err(|error| {
            let others = "epoch-ms, epoch-s and excel-days are the others";
            format!("format {} is not one of strptime's: {error}; {others}", shown(&format))
        })?;
        Ok(Self::Strptime(format))
    }

    fn read(&self, text: &str) -> Result<Written, String> {
        match self {
            Self::Standard => by_standard(text).map_err(|error| error.to_string()),
            Self::Strptime(format) => by_format(format, text),
            Self::EpochMs => epoch(text, "milliseconds", jiff::Timestamp::from_millisecond),
            Self::EpochS => epoch(text, "seconds", jiff::Timestamp::from_second),
            Self::ExcelDays => excel_days(text),
        }
    }
}

impl TimeForm {
    /// The error describes the problem with the format.
    pub(crate) fn new(format: Option<String>, zone: Option<TimeZone>, twice: Option<Twice>) -> Result<Self, String> {
        Ok(Self { format: Format::new(format)?, zone, twice })
    }

    /// The error describes the problem with `text`, and the remedy.
    pub(crate) fn read(&self, text: &str) -> Result<String, String> {
        let wrong = |problem: String| format!("{}: {problem}", shown(text));
        let (timestamp, offset) = match self.format.read(text).map_err(wrong)? {
            Written::Moment(timestamp) => {
                let offset = self.zone.as_ref().map_or(Offset::UTC, |zone| zone.to_offset(timestamp));
                (timestamp, offset)
            }
            Written::WithOffset(local, offset) => (timestamp(local, offset).map_err(wrong)?, offset),
            Written::Local(local) => {
                let offset = self.offset_of(local).map_err(wrong)?;
                (timestamp(local, offset).map_err(wrong)?, offset)
            }
        };
        if offset.to_datetime(timestamp).year() < 0 {
            return Err(format!("{} lies before the year 0", shown(text)));
        }
        if !(-OFFSET_S_MAX..=OFFSET_S_MAX).contains(&offset.seconds()) {
            return Err(format!("{} has offset {offset}: at most 23:59 can be written", shown(text)));
        }
        Ok(PRINTER.timestamp_with_offset_to_string(&timestamp, offset))
    }

    fn offset_of(&self, local: DateTime) -> Result<Offset, String> {
        let Some(zone) = &self.zone else {
            return Err(String::from(
                "it has no offset: put zone = \"+01:00\" or zone = \"Europe/Amsterdam\" into the map",
            ));
        };
        match (zone.to_ambiguous_zoned(local).offset(), self.twice) {
            (AmbiguousOffset::Unambiguous { offset }, _) => Ok(offset),
            (AmbiguousOffset::Fold { before, .. }, Some(Twice::Earlier)) => Ok(before),
            (AmbiguousOffset::Fold { after, .. }, Some(Twice::Later)) => Ok(after),
            (AmbiguousOffset::Fold { before, after }, None) => Err(format!(
                "the zone has this time twice, at offset {before} and at {after}: write the offset into the file, \
                 or twice = \"earlier\" or twice = \"later\" into the map"
            )),
            (AmbiguousOffset::Gap { before, after }, _) => Err(format!(
                "the zone does not have this time, as its clocks go from offset {before} to {after} there: \
                 correct it, or write a zone into the map that has it, such as zone = \"{before}\""
            )),
        }
    }
}

fn timestamp(local: DateTime, offset: Offset) -> Result<jiff::Timestamp, String> {
    offset.to_timestamp(local).map_err(|error| error.to_string())
}

/// Parses `+01:00`, or a name such as `Europe/Amsterdam`.
pub(crate) fn zone(text: &str) -> Result<TimeZone, String> {
    PARSER.parse_time_zone(text).map_err(|error| {
        format!(
            "{} is no time zone ({error}): write an offset such as +01:00 or a name such as Europe/Amsterdam",
            shown(text)
        )
    })
}

enum Written {
    Moment(jiff::Timestamp),
    WithOffset(DateTime, Offset),
    /// Local time of an unknown zone.
    Local(DateTime),
}

impl Written {
    fn new(local: DateTime, offset: Option<Offset>) -> Self {
        offset.map_or(Self::Local(local), |offset| Self::WithOffset(local, offset))
    }
}

fn by_standard(text: &str) -> Result<Written, jiff::Error> {
    let pieces = Pieces::parse(text.trim())?;
    let time = pieces.time().unwrap_or_else(Time::midnight);
    Ok(Written::new(pieces.date().to_datetime(time), pieces.to_numeric_offset()))
}

fn by_format(format: &str, text: &str) -> Result<Written, String> {
    let text = text.trim();
    let parsed = BrokenDownTime::parse(format, text).or_else(|error| {
        // strptime's %z accepts digits only, but many programs write a Z for UTC.
        let digits = if format.contains("%:z") { "+00:00" } else { "+0000" };
        match text.rsplit_once(['Z', 'z']) {
            Some((before, after)) if format.contains("%z") || format.contains("%:z") => {
                BrokenDownTime::parse(format, format!("{before}{digits}{after}"))
            }
            _ => Err(error),
        }
    });
    let read = |parsed: BrokenDownTime| -> Result<Written, jiff::Error> {
        if let Some(timestamp) = parsed.timestamp() {
            return Ok(Written::Moment(timestamp));
        }
        let time = if parsed.hour().is_some() { parsed.to_time()? } else { Time::midnight() };
        Ok(Written::new(parsed.to_date()?.to_datetime(time), parsed.offset()))
    };
    parsed.and_then(read).map_err(|error| error.to_string())
}

fn epoch(
    text: &str,
    unit: &str,
    moment: impl Fn(i64) -> Result<jiff::Timestamp, jiff::Error>,
) -> Result<Written, String> {
    let number = integer(text.trim(), Decimal::Point).and_then(|number| number.as_i64());
    let number = number.ok_or_else(|| format!("a whole number of {unit} since 1970 is needed"))?;
    moment(number).map(Written::Moment).map_err(|error| error.to_string())
}

fn excel_days(text: &str) -> Result<Written, String> {
    let days: Option<f64> = text.trim().parse().ok();
    match days.filter(|days| (EXCEL_DAYS_MIN..EXCEL_DAYS_END).contains(days)) {
        Some(days) => {
            let since_1970_ms = ((days - EXCEL_DAYS_TO_1970) * DAY_MS).round() as i64;
            let moment = jiff::Timestamp::from_millisecond(since_1970_ms).map_err(|error| error.to_string())?;
            Ok(Written::Local(Offset::UTC.to_datetime(moment)))
        }
        None => Err(format!("a number of days from {EXCEL_DAYS_MIN}, which is 1900-03-01, is needed")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(format: Option<&str>, zone_name: Option<&str>) -> TimeForm {
        TimeForm::new(format.map(str::to_owned), zone_name.map(|name| zone(name).unwrap()), None).unwrap()
    }

    #[test]
    fn usual_forms_are_read_and_keep_their_offset() {
        for (written, read) in [
            ("2011-10-11T13:45:40.276+02:00", "2011-10-11T13:45:40.276+02:00"),
            ("2011-10-11 13:45:40.276000+02:00", "2011-10-11T13:45:40.276+02:00"),
            ("2011-10-11 13:45:40+0200", "2011-10-11T13:45:40+02:00"),
            ("2011-10-11T13:45:40Z", "2011-10-11T13:45:40+00:00"),
            ("20111011T134540Z", "2011-10-11T13:45:40+00:00"),
            (" 2011-11-01 00:30:00-03:30 ", "2011-11-01T00:30:00-03:30"),
        ] {
            assert_eq!(form(None, None).read(written).as_deref(), Ok(read), "{written}");
        }
    }

    #[test]
    fn a_zone_stands_in_for_a_missing_offset_only() {
        assert_eq!(form(None, Some("+01:00")).read("2011-10-11 13:45").unwrap(), "2011-10-11T13:45:00+01:00");
        assert_eq!(form(None, Some("+01:00")).read("2011-10-11").unwrap(), "2011-10-11T00:00:00+01:00");
        assert_eq!(form(None, Some("+01:00")).read("2011-10-11T13:45Z").unwrap(), "2011-10-11T13:45:00+00:00");
        let amsterdam = form(None, Some("Europe/Amsterdam"));
        assert_eq!(amsterdam.read("2011-10-11 13:45").unwrap(), "2011-10-11T13:45:00+02:00");
        assert_eq!(amsterdam.read("2011-12-11 13:45").unwrap(), "2011-12-11T13:45:00+01:00");
        let error = form(None, None).read("2011-10-11 13:45").unwrap_err();
        assert!(error.contains("has no offset") && error.contains("zone = "), "{error}");
    }

    #[test]
    fn a_format_distinguishes_day_and_month() {
        let dutch = form(Some("%d-%m-%Y %H:%M"), Some("+01:00"));
        assert_eq!(dutch.read("03-02-2011 09:05").unwrap(), "2011-02-03T09:05:00+01:00");
        assert!(dutch.read("2011-02-03 09:05").is_err());
        assert_eq!(form(Some("%d/%m/%Y"), Some("UTC")).read("03/02/2011").unwrap(), "2011-02-03T00:00:00+00:00");
        assert_eq!(form(Some("%s"), None).read("1318333540").unwrap(), "2011-10-11T11:45:40+00:00");
        assert_eq!(form(Some("%FT%T%z"), None).read("2011-02-03T09:05:01+0100").unwrap(), "2011-02-03T09:05:01+01:00");
    }

    #[test]
    fn a_local_time_that_is_not_there_or_there_twice_is_refused_with_the_remedy() {
        let amsterdam = form(None, Some("Europe/Amsterdam"));
        let error = amsterdam.read("2011-03-27 02:30").unwrap_err();
        assert!(error.contains("does not have this time") && error.contains("zone = \"+01\""), "{error}");
        let error = amsterdam.read("2011-10-30 02:30").unwrap_err();
        assert!(error.contains("has this time twice, at offset +02 and at +01"), "{error}");
        assert!(error.contains("twice = \"earlier\""), "{error}");
        for (twice, wanted) in [(Twice::Earlier, "+02:00"), (Twice::Later, "+01:00")] {
            let form = TimeForm { twice: Some(twice), ..amsterdam.clone() };
            assert_eq!(form.read("2011-10-30 02:30").unwrap(), format!("2011-10-30T02:30:00{wanted}"));
            // `twice` does not apply to a time that does not exist.
            assert!(form.read("2011-03-27 02:30").is_err());
        }
        // With an offset the time is unambiguous, and so are the times an hour before and after.
        assert_eq!(amsterdam.read("2011-10-30 02:30+01:00").unwrap(), "2011-10-30T02:30:00+01:00");
        assert_eq!(amsterdam.read("2011-03-27 03:00").unwrap(), "2011-03-27T03:00:00+02:00");
        assert_eq!(amsterdam.read("2011-10-30 01:59:59").unwrap(), "2011-10-30T01:59:59+02:00");
        // The zone that the message suggests is valid.
        assert_eq!(form(None, Some("+01")).read("2011-03-27 02:30").unwrap(), "2011-03-27T02:30:00+01:00");
    }

    #[test]
    fn numbers_are_moments_where_the_map_says_so() {
        for (format, zone, text, wanted) in [
            ("epoch-ms", None, "1318333540276", "2011-10-11T11:45:40.276+00:00"),
            ("epoch-ms", Some("Europe/Amsterdam"), " 1318333540276.0 ", "2011-10-11T13:45:40.276+02:00"),
            ("epoch-s", None, "-1", "1969-12-31T23:59:59+00:00"),
            ("excel-days", Some("UTC"), "40827.5", "2011-10-11T12:00:00+00:00"),
            ("excel-days", Some("Europe/Amsterdam"), "40827.573379629627", "2011-10-11T13:45:40+02:00"),
            ("excel-days", Some("UTC"), "61", "1900-03-01T00:00:00+00:00"),
        ] {
            assert_eq!(form(Some(format), zone).read(text).as_deref(), Ok(wanted), "{format} {text}");
        }
        for (format, text) in [
            ("epoch-ms", "1318333540276.5"),
            ("epoch-ms", "soon"),
            ("epoch-ms", "9223372036854775807"),
            ("epoch-s", ""),
            ("excel-days", "60"),
            ("excel-days", "3000000"),
            ("excel-days", "NaN"),
            ("excel-days", "2011-10-11"),
        ] {
            assert!(form(Some(format), Some("UTC")).read(text).is_err(), "{format} {text}");
        }
        assert!(form(Some("excel-days"), None).read("40827").unwrap_err().contains("has no offset"));
    }

    #[test]
    fn z_stands_for_utc_in_every_format() {
        for (format, text) in [
            ("%Y-%m-%dT%H:%M:%S%z", "2011-02-03T09:05:01Z"),
            ("%Y-%m-%dT%H:%M:%S%:z", "2011-02-03T09:05:01z"),
            ("%z %d/%m/%Y %H:%M:%S", "Z 03/02/2011 09:05:01"),
        ] {
            assert_eq!(form(Some(format), None).read(text).unwrap(), "2011-02-03T09:05:01+00:00", "{format}");
        }
        assert!(form(Some("%Y-%m-%d"), Some("UTC")).read("2011-02-03Z").is_err());
    }

    #[test]
    fn what_is_no_time_is_named() {
        for text in ["", "soon", "2011-13-01T00:00Z", "2011-02-30T00:00Z", "11-10-2011 13:45", "-000001-01-01T00:00Z"] {
            let error = form(None, None).read(text).unwrap_err();
            assert!(error.starts_with(&shown(text)), "{error}");
        }
        let error = form(None, None).read("2011-10-11T13:45:40+25:59").unwrap_err();
        assert!(error.contains("at most 23:59"), "{error}");
        assert!(zone("Middle/Earth").unwrap_err().contains("+01:00"));
        assert!(TimeForm::new(Some(String::from("%!")), None, None).unwrap_err().contains("strptime"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*", format in "[%a-zA-Z:. -]{0,12}") {
            let _ = form(None, None).read(&text);
            if let Ok(form) = TimeForm::new(Some(format), None, None) {
                let _ = form.read(&text);
            }
        }

        #[test]
        fn what_was_read_reads_as_itself(seconds in 0_i64..4_000_000_000, minutes in -720_i32..720) {
            let offset = Offset::from_seconds(minutes * 60).unwrap();
            let written = PRINTER.timestamp_with_offset_to_string(&jiff::Timestamp::from_second(seconds).unwrap(), offset);
            prop_assert_eq!(form(None, None).read(&written), Ok(written));
        }
    }
}
