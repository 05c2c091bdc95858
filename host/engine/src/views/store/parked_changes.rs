//! Retries and discards parked events.
//!
//! There may be a million of them, and the turns of all feeds of the tenant wait for the writing connection. So a
//! change goes over the rows of a view in pieces, and releases the connection between two of them. It concerns the
//! events that are parked when it begins. If it fails halfway, it may be repeated.

use std::ops::RangeInclusive;
use std::time::Duration;

use polder_core::Position;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{StoreResult, View, ViewId};
use super::view_store::ViewStore;
use crate::views::answers::ParkedFilter;

/// Rows that one piece of a change goes over.
const ROWS_PER_PIECE: u32 = 1_000;
/// Pause between two pieces. Without it a waiting thread would hardly get the connection, because the lock is not fair.
const PIECE_PAUSE: Duration = Duration::from_millis(1);

/// The place of a row among those of its view: its position and its key.
type Place = (i64, String);

/// The rows of a view from one place up to, but without, another.
struct Piece {
    view: ViewId,
    from: Place,
    to: Place,
}

impl ViewStore {
    /// Marks the lines that contain these events as due. Returns the number of events in these lines.
    pub(crate) fn retry(&self, filter: &ParkedFilter) -> StoreResult<u64> {
        let of_view = |view: &View| {
            let asked = positions_of(filter, view);
            // The whole line is marked, because an event cannot be applied before those that precede it.
            let all = 0..=as_sql(view.checkpoint);
            self.in_pieces(view.id, all, |connection, piece| mark_due(connection, piece, filter.key.as_deref(), &asked))
        };
        self.views_of(filter)?.iter().map(of_view).sum()
    }

    /// Discards these events: the view continues without them.
    pub(crate) fn discard(&self, filter: &ParkedFilter) -> StoreResult<u64> {
        let of_view = |view: &View| {
            let asked = positions_of(filter, view);
            self.in_pieces(view.id, asked, |connection, piece| discard(connection, piece, filter.key.as_deref()))
        };
        self.views_of(filter)?.iter().map(of_view).sum()
    }

    /// Marks all parked events of the view as due. Returns whether there were any.
    pub(crate) fn retry_view(&self, view: ViewId) -> StoreResult<bool> {
        let all = 0..=i64::MAX;
        Ok(self.in_pieces(view, all.clone(), |connection, piece| mark_due(connection, piece, None, &all))? > 0)
    }

    /// Marks all parked events of the view as due if the limits have changed since they were set aside. Returns whether
    /// there were any.
    pub(crate) fn retry_with_limits(&self, view: ViewId, limits: &str) -> StoreResult<bool> {
        let sql = "SELECT limits FROM views WHERE id = ?1";
        let before: Option<String> = self.writer().query_row(sql, [view.0], |row| row.get(0))?;
        if before.as_deref() == Some(limits) {
            return Ok(false);
        }
        // In this order, so that a crash in between marks them again.
        let is_any = before.is_some() && self.retry_view(view)?;
        self.writer().execute("UPDATE views SET limits = ?2 WHERE id = ?1", params![view.0, limits])?;
        Ok(is_any)
    }

    fn views_of(&self, filter: &ParkedFilter) -> StoreResult<Vec<View>> {
        let is_asked = |view: &View| {
            let is_projection = filter.projection.as_ref().is_none_or(|projection| *projection == view.projection);
            is_projection && filter.domains.as_ref().is_none_or(|domains| domains.contains(&view.domain))
        };
        Ok(self.views()?.into_iter().filter(is_asked).collect())
    }

    /// Changes the view's rows at these positions, piece by piece. `change` returns how many rows it has changed.
    fn in_pieces(
        &self,
        view: ViewId,
        positions: RangeInclusive<i64>,
        change: impl Fn(&Connection, &Piece) -> StoreResult<usize>,
    ) -> StoreResult<u64> {
        let (first, last) = positions.into_inner();
        let (mut from, mut changed) = ((first, String::new()), 0);
        loop {
            let connection = self.writer();
            let next = next_piece(&connection, view, &from, last)?;
            let is_last = next.is_none();
            let piece = Piece { view, from, to: next.unwrap_or((last.saturating_add(1), String::new())) };
            changed += change(&connection, &piece)? as u64;
            drop(connection);
            if is_last {
                return Ok(changed);
            }
            from = piece.to;
            std::thread::sleep(PIECE_PAUSE);
        }
    }
}

/// The first place of the piece after the one that begins at `from`; `None` if that one is the last.
fn next_piece(connection: &Connection, view: ViewId, from: &Place, last: i64) -> StoreResult<Option<Place>> {
    let sql = "SELECT position, key FROM parked WHERE view = ?1 AND (position, key) >= (?2, ?3) AND position <= ?4
        ORDER BY position, key LIMIT 1 OFFSET ?5";
    let values = params![view.0, from.0, from.1, last, ROWS_PER_PIECE];
    connection.prepare_cached(sql)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Marks the piece's events as due that are in a line with an event at one of these positions.
fn mark_due(
    connection: &Connection,
    Piece { view, from, to }: &Piece,
    key: Option<&str>,
    asked: &RangeInclusive<i64>,
) -> StoreResult<usize> {
    let sql = "UPDATE parked SET due = 1 WHERE view = ?1 AND (position, key) >= (?2, ?3) AND (position, key) < (?4, ?5)
        AND kind <> 'discarded' AND (?6 IS NULL OR key = ?6)
        AND (position BETWEEN ?7 AND ?8 OR EXISTS (
            SELECT 1 FROM parked AS asked WHERE asked.view = parked.view AND asked.key = parked.key
            AND asked.position BETWEEN ?7 AND ?8 AND asked.kind <> 'discarded'
            AND (asked.key <> '' OR (asked.aggregate = parked.aggregate AND asked.aggregate_id = parked.aggregate_id))))";
    let values = params![view.0, from.0, from.1, to.0, to.1, key, asked.start(), asked.end()];
    connection.prepare_cached(sql)?.execute(values)
}

fn discard(connection: &Connection, Piece { view, from, to }: &Piece, key: Option<&str>) -> StoreResult<usize> {
    let sql = "UPDATE parked SET kind = 'discarded', due = 0 WHERE view = ?1
        AND (position, key) >= (?2, ?3) AND (position, key) < (?4, ?5)
        AND kind <> 'discarded' AND (?6 IS NULL OR key = ?6)";
    connection.prepare_cached(sql)?.execute(params![view.0, from.0, from.1, to.0, to.1, key])
}

/// The positions that the filter selects in a view. Events that are parked later lie after the view's checkpoint.
fn positions_of(filter: &ParkedFilter, view: &View) -> RangeInclusive<i64> {
    let after = filter.after.map_or(0, |after| as_sql(after).saturating_add(1));
    let checkpoint = as_sql(view.checkpoint);
    match filter.position.map(as_sql) {
        Some(position) => position.max(after)..=position.min(checkpoint),
        None => after..=checkpoint,
    }
}

fn as_sql(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{Changes, Parked};
    use super::*;
    use crate::views::answers::ParkedKind;
    use polder_core::Revision;

    /// The first event of each of two documents has failed, and as many others wait behind it as make several pieces.
    fn parked(position: u64) -> Parked {
        let text = |text: &str| text.to_owned();
        Parked {
            position: Position(position),
            key: format!("o-{}", position % 2),
            kind: if position <= 2 { ParkedKind::Failed } else { ParkedKind::Behind },
            reason: text("late"),
            aggregate: text("order"),
            aggregate_id: text("a"),
            event: text("order-drafted"),
            version: 1,
        }
    }

    #[test]
    fn a_change_of_several_pieces_reaches_every_row_and_none_that_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let store = ViewStore::open(&folder.path().join("main.sqlite")).unwrap();
        let (domain, projection) = ("orders".parse().unwrap(), "summary".parse().unwrap());
        let view = store.view(&domain, &projection, Revision::of(b"1")).unwrap();
        let count = u64::from(ROWS_PER_PIECE) * 2 + 10;
        let write = |parked: Vec<Parked>, checkpoint| {
            let changes = Changes { parked, checkpoint: Position(checkpoint), ..Changes::default() };
            store.write(&view, &changes, u64::MAX).unwrap();
        };
        write((1..=count).map(parked).collect(), count);
        let one = ParkedFilter { position: Some(Position(3)), ..ParkedFilter::default() };
        assert_eq!(store.retry(&one).unwrap(), count / 2, "the whole line of event 3, and no other");
        assert_eq!(store.discard(&one).unwrap(), 1);
        let beyond = ParkedFilter { position: Some(Position(count + 1)), ..ParkedFilter::default() };
        assert_eq!((store.retry(&beyond).unwrap(), store.discard(&beyond).unwrap()), (0, 0));
        assert!(store.retry_view(view.id).unwrap());
        assert_eq!(store.retry(&ParkedFilter::default()).unwrap(), count - 1);
        // A change goes up to the checkpoint that the view had when it began.
        write(vec![parked(count + 2)], count);
        assert_eq!(store.discard(&ParkedFilter::default()).unwrap(), count - 1);
        assert_eq!(store.parked_count(view.id).unwrap(), 1);
    }
}
