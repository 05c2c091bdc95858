//! Reads the many ways a moment is written and gives it back as RFC 3339, with the offset it was written with: which day and
//! month something happened in is told by local time. Guesses nothing: day or month first is for the map's `format` to say.

use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter, Pieces};
use jiff::tz::{Offset, TimeZone};

use crate::refusal::shown;

static PARSER: DateTimeParser = DateTimeParser::new();
static PRINTER: DateTimePrinter = DateTimePrinter::new();

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeForm {
    /// As for strptime. `None`: ISO 8601 and its relatives, with `T` or a space.
    format: Option<String>,
    /// For moments written without an offset.
    zone: Option<TimeZone>,
}

impl TimeForm {
    /// The error tells what is wrong with the format.
    pub(crate) fn new(format: Option<String>, zone: Option<TimeZone>) -> Result<Self, String> {
        if let Some(format) = &format {
            let any_moment = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
            jiff::fmt::strtime::format(format, &any_moment)
                .map_err(|error| format!("format {} is not one of strptime's: {error}", shown(format)))?;
        }
        Ok(Self { format, zone })
    }

    /// The error says what is wrong with `text` and what would be right.
    pub(crate) fn read(&self, text: &str) -> Result<String, String> {
        let Written { local, offset } = match &self.format {
            Some(format) => by_format(format, text),
            None => by_standard(text),
        }
        .map_err(|error| format!("{}: {error}", shown(text)))?;
        if local.year() < 0 {
            return Err(format!("{} lies before the year 0", shown(text)));
        }
        let (timestamp, offset) = match (offset, &self.zone) {
            (Some(offset), _) => (offset.to_timestamp(local), offset),
            (None, Some(zone)) => match zone.to_zoned(local) {
                Ok(zoned) => (Ok(zoned.timestamp()), zoned.offset()),
                Err(error) => (Err(error), Offset::UTC),
            },
            (None, None) => {
                return Err(format!(
                    "{} has no offset: put zone = \"+01:00\" or zone = \"Europe/Amsterdam\" into the map",
                    shown(text)
                ));
            }
        };
        let timestamp = timestamp.map_err(|error| format!("{}: {error}", shown(text)))?;
        Ok(PRINTER.timestamp_with_offset_to_string(&timestamp, offset))
    }
}

/// `+01:00`, or a name such as `Europe/Amsterdam`.
pub(crate) fn zone(text: &str) -> Result<TimeZone, String> {
    PARSER.parse_time_zone(text).map_err(|error| {
        format!(
            "{} is no time zone ({error}): write an offset such as +01:00 or a name such as Europe/Amsterdam",
            shown(text)
        )
    })
}

struct Written {
    local: DateTime,
    offset: Option<Offset>,
}

fn by_standard(text: &str) -> Result<Written, jiff::Error> {
    let pieces = Pieces::parse(text.trim())?;
    let time = pieces.time().unwrap_or_else(Time::midnight);
    Ok(Written { local: pieces.date().to_datetime(time), offset: pieces.to_numeric_offset() })
}

fn by_format(format: &str, text: &str) -> Result<Written, jiff::Error> {
    let parsed = BrokenDownTime::parse(format, text.trim())?;
    if let Some(timestamp) = parsed.timestamp() {
        return Ok(Written { local: Offset::UTC.to_datetime(timestamp), offset: Some(Offset::UTC) });
    }
    let time = if parsed.hour().is_some() { parsed.to_time()? } else { Time::midnight() };
    Ok(Written { local: parsed.to_date()?.to_datetime(time), offset: parsed.offset() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(format: Option<&str>, zone_name: Option<&str>) -> TimeForm {
        TimeForm::new(format.map(str::to_owned), zone_name.map(|name| zone(name).unwrap())).unwrap()
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
    fn a_format_tells_day_from_month() {
        let dutch = form(Some("%d-%m-%Y %H:%M"), Some("+01:00"));
        assert_eq!(dutch.read("03-02-2011 09:05").unwrap(), "2011-02-03T09:05:00+01:00");
        assert!(dutch.read("2011-02-03 09:05").is_err());
        assert_eq!(form(Some("%d/%m/%Y"), Some("UTC")).read("03/02/2011").unwrap(), "2011-02-03T00:00:00+00:00");
        assert_eq!(form(Some("%s"), None).read("1318333540").unwrap(), "2011-10-11T11:45:40+00:00");
        assert_eq!(form(Some("%FT%T%z"), None).read("2011-02-03T09:05:01+0100").unwrap(), "2011-02-03T09:05:01+01:00");
    }

    #[test]
    fn what_is_no_time_is_named() {
        for text in ["", "soon", "2011-13-01T00:00Z", "2011-02-30T00:00Z", "11-10-2011 13:45", "-000001-01-01T00:00Z"] {
            let error = form(None, None).read(text).unwrap_err();
            assert!(error.starts_with(&shown(text)), "{error}");
        }
        assert!(zone("Middle/Earth").unwrap_err().contains("+01:00"));
        assert!(TimeForm::new(Some(String::from("%!")), None).unwrap_err().contains("strptime"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*", format in "[%a-zA-Z:. -]{0,12}") {
            let _ = form(None, None).read(&text);
            if let Ok(form) = TimeForm::new(Some(format), None) {
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
