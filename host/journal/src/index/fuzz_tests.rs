//! Damaged values of the index: each is refused, or means the same once it is written again.

use polder_core::{Position, Sequence, TenantName};
use polder_fuzz::{Damage, run};

use super::layout::*;
use super::{FrameRange, HistoryEntry, RecordLocation, TenantTotals};
use crate::AggregateKey;
use crate::format::frame::Link;

const CASES_MIN: u64 = 1_000;

#[test]
fn damaged_values_are_refused_or_mean_the_same_once_they_are_written() {
    let tenant = TenantName::new("main").unwrap();
    let entry = |first, address| HistoryEntry {
        first: Sequence(first),
        last: Sequence(first + 1),
        location: RecordLocation { address, length: 900 },
    };
    let history = [entry(1, 70), entry(3, 1 << 40), entry(5, 1 << 41)];
    let stretch = FrameRange { first: Position(9), address: 1 << 33, length: 4_096, segment: 1 << 20 };
    let values = [
        location_value(history[1].location),
        history_value(&history),
        range_value(&stretch),
        checkpoint_value(&Link { number: 300, hash: [7; 32] }),
        totals_value(TenantTotals { position: Position(300), bytes: 1 << 50 }),
    ];
    let keys = Damage::new(
        [
            history_key(AggregateKey([3; 16]), Sequence(1)).to_vec(),
            range_key(&tenant, Position(9)),
            totals_key(&tenant),
            passed_over_key(&tenant),
        ],
        &["\0", "c", "h", "m", "o", "p", "t"],
    );
    let damage = Damage::new(values, &[]);
    let counts = run(CASES_MIN, |random| {
        let (key, value) = (keys.some_undamaged(random), damage.some_undamaged(random));
        assert!(key.starts_with(mark_of(&key)));
        let _ = read_passed_over(&key);
        if let Ok((tenant, extent)) = read_totals(&key, &value) {
            assert_eq!(totals_key(&tenant), key);
            assert_eq!(read_totals(&key, &totals_value(extent)), Ok((tenant, extent)));
        }
        if let Ok(stretch) = read_range(&key, &value) {
            assert_eq!(read_range(&key, &range_value(&stretch)), Ok(stretch));
        }
        if let Ok(link) = read_checkpoint(&value) {
            assert_eq!(read_checkpoint(&checkpoint_value(&link)), Ok(link));
        }
        if let Ok(place) = read_location(&value) {
            assert_eq!(read_location(&location_value(place)), Ok(place));
        }
        let Ok(entries) = read_history(&key, &value) else { return false };
        // Each entry takes three bytes or more.
        assert!(3 * entries.len() <= value.len());
        assert_eq!(read_history(&key, &history_value(&entries)), Ok(entries));
        true
    });
    counts.assert_both();
}
