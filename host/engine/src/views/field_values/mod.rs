//! The values of a document's fields, as queries compare and sort them, and the SQL functions that do so.

mod number;
mod value;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

pub(super) use number::Number;

/// Registers `polder_is(field, wanted, is_time)` and `polder_order(field, is_time)`, which work on the JSON of a field.
pub(super) fn register_functions(connection: &Connection) -> Result<(), rusqlite::Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("polder_is", 3, flags, |context| {
        let (field, wanted) = (context.get::<Option<String>>(0)?, context.get::<String>(1)?);
        Ok(value::is(field.as_deref(), &wanted, context.get(2)?))
    })?;
    connection.create_scalar_function("polder_order", 2, flags, |context| {
        Ok(value::order_key(context.get::<Option<String>>(0)?.as_deref(), context.get(1)?))
    })
}
