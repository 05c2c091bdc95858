//! Blocks of names: which tenant a number stands for. A number belongs to one tenant for ever, and the tenant's log has
//! an id of its own, so that two tenants of the same name are never mistaken for each other.
//!
//! ```text
//! section := definition*                 the numbers ascend
//! definition := tenant number varint | name | log id 16 bytes
//! ```

use super::body::SealedBlock;
use super::content_id::LogId;
use super::error::{FormatError, ensure};
use super::limits::REFERENCE_MAX;
use super::shape::{put_name, read_name};
use super::table::{BlockEntry, BlockKind, NO_TENANT};
use super::varint::{Cursor, put_number};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TenantDefinition<'a> {
    /// From 1.
    pub(crate) number: u64,
    pub(crate) name: &'a str,
    pub(crate) log_id: LogId,
}

/// A block of names. The numbers have to ascend.
pub(crate) fn names_block(definitions: &[TenantDefinition<'_>]) -> Result<SealedBlock, FormatError> {
    let (mut section, mut last) = (Vec::new(), NO_TENANT);
    for definition in definitions {
        ensure(definition.number > last, "the numbers of tenants do not ascend")?;
        last = definition.number;
        put_number(&mut section, definition.number);
        put_name(&mut section, definition.name)?;
        section.extend_from_slice(&definition.log_id);
    }
    SealedBlock::of_definitions(BlockKind::Names, NO_TENANT, definitions.len() as u64, &section, None)
}

/// Reads the section of a block of names.
pub(crate) fn read_names<'a>(entry: &BlockEntry, section: &'a [u8]) -> Result<Vec<TenantDefinition<'a>>, FormatError> {
    let mut cursor = Cursor::new("a block of names", section);
    let (mut definitions, mut last) = (Vec::new(), NO_TENANT);
    for _ in 0..entry.records {
        let number = cursor.number_to("the number of a tenant", REFERENCE_MAX)?;
        ensure(number > last, "the numbers of tenants do not ascend")?;
        last = number;
        definitions.push(TenantDefinition { number, name: read_name(&mut cursor)?, log_id: cursor.array()? });
    }
    cursor.end()?;
    Ok(definitions)
}
