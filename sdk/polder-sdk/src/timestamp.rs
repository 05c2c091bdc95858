//! Points in time, as people write them. This module never reads a clock.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::value::{InvalidValue, read_text};

const RULE: &str = "a time is written as in RFC 3339, with its offset: 2011-10-11T13:45:40.276+02:00";

/// A point in time to the nanosecond, with the offset from UTC that it was written with; years 0 to 9999.
///
/// Its JSON form is text as in RFC 3339: `2011-10-11T13:45:40.276+02:00`. Comparisons use the instant and ignore the
/// offset. The offset only determines the day and the month at the place where it was written.
#[derive(Clone, Copy)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// The instant `ms` milliseconds after 1970-01-01T00:00:00Z, with offset zero. Beyond the year 9999 it is the last
    /// millisecond of that year.
    pub fn from_unix_ms(ms: u64) -> Self {
        /// 9999-12-31T23:59:59.999Z.
        const MS_MAX: u64 = 253_402_300_799_999;
        let ns = i128::from(ms.min(MS_MAX)) * 1_000_000;
        Self(OffsetDateTime::from_unix_timestamp_nanos(ns).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down; negative before that.
    pub fn unix_ms(&self) -> i64 {
        self.0.unix_timestamp() * 1_000 + i64::from(self.0.millisecond())
    }

    /// Milliseconds from `earlier` to this, rounded down; negative when `earlier` is later.
    pub fn ms_since(&self, earlier: &Self) -> i64 {
        (self.0 - earlier.0).whole_nanoseconds().div_euclid(1_000_000) as i64
    }

    /// Year and month at its own offset: `2011-10`.
    pub fn year_month(&self) -> String {
        format!("{:04}-{:02}", self.0.year(), u8::from(self.0.month()))
    }

    /// Day at its own offset: `2011-10-11`.
    pub fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day())
    }
}

impl FromStr for Timestamp {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        OffsetDateTime::parse(text, &Rfc3339).map(Self).map_err(|_| InvalidValue::new("time", &text, RULE.to_owned()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every parsed value can be written: the year is in 0..=9999 and the offset has no seconds.
        f.write_str(&self.0.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl Hash for Timestamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer, |text| text.parse())
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Timestamp")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "description": RULE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn it_is_the_instant_that_counts() {
        let (here, there) = (time("2011-10-30T01:30:00+01:00"), time("2011-10-30T02:30:00+02:00"));
        assert_eq!(here, there);
        assert!(time("2011-10-30T02:29:59.999+02:00") < here);
        assert_eq!(here.ms_since(&time("2011-10-30T00:00:00Z")), 1_800_000);
        assert_eq!(time("2011-10-30T00:00:00Z").ms_since(&here), -1_800_000);
        assert_eq!(time("2011-10-11T13:45:40.276999+02:00").ms_since(&time("2011-10-11T13:45:40.276+02:00")), 0);
    }

    #[test]
    fn month_and_day_are_those_of_the_place() {
        let new_year = time("2012-01-01T00:30:00+01:00");
        assert_eq!((new_year.year_month(), new_year.date()), ("2012-01".to_owned(), "2012-01-01".to_owned()));
        assert_eq!(time("2011-12-31T23:30:00Z").year_month(), "2011-12");
        assert_eq!(time("2011-12-31T23:30:00Z"), new_year);
    }

    #[test]
    fn what_was_written_is_written_again() {
        for text in [
            "2011-10-11T13:45:40.276+02:00",
            "2011-10-11T13:45:40Z",
            "1969-12-31T23:59:59.999999999Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999-11:30",
        ] {
            assert_eq!(time(text).to_string(), text);
            let json = serde_json::to_string(&time(text)).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap().to_string(), text);
        }
        assert_eq!(time("2011-10-11T13:45:40.276000+02:00").to_string(), "2011-10-11T13:45:40.276+02:00");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "2011-10-11", "2011-10-11T13:45:40", "2011-02-30T00:00:00Z", "11.10.2011", "2011-10-11T25:00:00Z"]
        {
            assert!(text.parse::<Timestamp>().unwrap_err().to_string().ends_with(RULE), "{text}");
        }
    }

    #[test]
    fn milliseconds_go_there_and_back() {
        for ms in [0, 1, 1_317_040_000_123, 253_402_300_799_999] {
            assert_eq!(Timestamp::from_unix_ms(ms).unix_ms(), i64::try_from(ms).unwrap());
        }
        assert_eq!(time("1969-12-31T23:59:59.9995Z").unix_ms(), -1);
        assert_eq!(Timestamp::from_unix_ms(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }
}
