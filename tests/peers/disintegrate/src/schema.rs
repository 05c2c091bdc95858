//! The library's own tables and functions. Up to 4.0.1 one of the functions contains a hexadecimal number, which
//! PostgreSQL reads only from version 16 on. For older versions this module creates the missing parts.

use anyhow::Result;
use disintegrate::serde::json::Json;
use disintegrate_postgres::{Migrator, PgEventStore};
use sqlx::PgPool;

use crate::recorded::Recorded;

/// The first version of PostgreSQL that reads hexadecimal numbers.
const HEXADECIMAL_SINCE: i32 = 16_00_00;

/// The parts after the tables: the lock with which a writer marks the position from which events may still appear, and
/// the column of the order.
const THE_REST: [&str; 3] = [
    "CREATE OR REPLACE FUNCTION event_store_begin_epoch() RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            newest bigint := (SELECT last_value FROM seq_event_event_id);
            own integer := (SELECT oid FROM pg_database WHERE datname = current_database());
        BEGIN
            PERFORM pg_try_advisory_xact_lock_shared(own, 0);
            PERFORM pg_try_advisory_xact_lock_shared(1, (newest & 4294967295)::bit(32)::integer);
            PERFORM pg_try_advisory_xact_lock_shared(2, (newest >> 32)::bit(32)::integer);
        END $$",
    "ALTER TABLE event ADD COLUMN IF NOT EXISTS order_id TEXT",
    "CREATE INDEX IF NOT EXISTS idx_event_order_id ON event (order_id) WHERE order_id IS NOT NULL",
];

/// Returns a description of the creator.
pub(crate) async fn make(pool: &PgPool, store: &PgEventStore<Recorded, Json<Recorded>>) -> Result<&'static str> {
    let made = Migrator::new(store.clone()).init_event_store().await;
    let version: String = sqlx::query_scalar("SHOW server_version_num").fetch_one(pool).await?;
    if version.parse::<i32>()? >= HEXADECIMAL_SINCE {
        made?;
        return Ok("by the library");
    }
    // The library stops at that function, after the tables and the function before it.
    for statement in THE_REST {
        sqlx::query(statement).execute(pool).await?;
    }
    Ok("by the library, but for a function that it writes for PostgreSQL 16 and newer")
}
