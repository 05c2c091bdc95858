//! Damaged values of the index: each is refused, or means the same once it is written again.

use polder_core::{Position, Sequence, TenantName};
use polder_fuzz::{Damage, run};

use super::layout::*;
use super::{Extent, HistoryEntry, Place, Stretch};
use crate::AggregateKey;
use crate::frame::Link;

const CASES_MIN: u64 = 1_000;

#[test]
fn damaged_values_are_refused_or_mean_the_same_once_they_are_written() {
    let tenant = TenantName::new("main").unwrap();
    let entry = |first, address| HistoryEntry {
        first: Sequence(first),
        last: Sequence(first + 1),
        place: Place { address, length: 900 },
    };
    let history = [entry(1, 70), entry(3, 1 << 40), entry(5, 1 << 41)];
    let stretch = Stretch { first: Position(9), address: 1 << 33, length: 4_096, segment: 1 << 20 };
    let values = [
        place_value(history[1].place),
        history_value(&history),
        stretch_value(&stretch),
        checkpoint_value(&Link { number: 300, hash: [7; 32] }),
        extent_value(Extent { position: Position(300), bytes: 1 << 50 }),
    ];
    let keys = Damage::new(
        [
            history_key(AggregateKey([3; 16]), Sequence(1)).to_vec(),
            stretch_key(&tenant, Position(9)),
            extent_key(&tenant),
            passed_over_key(&tenant),
        ],
        &["\0", "c", "h", "m", "o", "p", "t"],
    );
    let damage = Damage::new(values, &[]);
    let counts = run(CASES_MIN, |random| {
        let (key, value) = (keys.some_undamaged(random), damage.some_undamaged(random));
        assert!(key.starts_with(mark_of(&key)));
        let _ = read_passed_over(&key);
        if let Ok((tenant, extent)) = read_extent(&key, &value) {
            assert_eq!(extent_key(&tenant), key);
            assert_eq!(read_extent(&key, &extent_value(extent)), Ok((tenant, extent)));
        }
        if let Ok(stretch) = read_stretch(&key, &value) {
            assert_eq!(read_stretch(&key, &stretch_value(&stretch)), Ok(stretch));
        }
        if let Ok(link) = read_checkpoint(&value) {
            assert_eq!(read_checkpoint(&checkpoint_value(&link)), Ok(link));
        }
        if let Ok(place) = read_place(&value) {
            assert_eq!(read_place(&place_value(place)), Ok(place));
        }
        let Ok(entries) = read_history(&key, &value) else { return false };
        // Each entry takes three bytes or more.
        assert!(3 * entries.len() <= value.len());
        assert_eq!(read_history(&key, &history_value(&entries)), Ok(entries));
        true
    });
    counts.assert_both();
}
