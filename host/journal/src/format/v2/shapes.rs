//! Blocks of shapes: which [`Shape`] a number stands for. A number belongs to one shape of its tenant for ever. The
//! appender repeats a definition in each segment before its first use there, so that a segment can be read alone.
//!
//! ```text
//! section := definition*                 the numbers ascend; sealed with the tenant's key
//! definition := shape number varint | shape
//! ```

use super::body::SealedBlock;
use super::error::{FormatError, ensure};
use super::limits::REFERENCE_MAX;
use super::sealing::{BlockKey, Nonce};
use super::shape::Shape;
use super::table::{BlockEntry, BlockKind};
use super::varint::{Cursor, put_number};

/// A block of shapes of one tenant. The numbers have to ascend.
pub(crate) fn shapes_block(
    tenant: u64,
    definitions: &[(u64, &Shape)],
    key: Option<(&BlockKey, Nonce)>,
) -> Result<SealedBlock, FormatError> {
    let (mut section, mut last) = (Vec::new(), None);
    for (number, shape) in definitions {
        ensure(last.is_none_or(|last| last < *number), "the numbers of shapes do not ascend")?;
        last = Some(*number);
        put_number(&mut section, *number);
        shape.put(&mut section)?;
    }
    SealedBlock::of_definitions(BlockKind::Shapes, tenant, definitions.len() as u64, &section, key)
}

/// Reads the section of a block of shapes.
pub(crate) fn read_shapes(entry: &BlockEntry, section: &[u8]) -> Result<Vec<(u64, Shape)>, FormatError> {
    let mut cursor = Cursor::new("a block of shapes", section);
    let mut definitions: Vec<(u64, Shape)> = Vec::new();
    for _ in 0..entry.records {
        let number = cursor.number_to("the number of a shape", REFERENCE_MAX)?;
        ensure(definitions.last().is_none_or(|(last, _)| *last < number), "the numbers of shapes do not ascend")?;
        definitions.push((number, Shape::read(&mut cursor)?));
    }
    cursor.end()?;
    Ok(definitions)
}
