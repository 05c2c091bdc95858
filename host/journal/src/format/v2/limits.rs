//! The limits of the format. Readers check them before they allocate anything; writers stay within them.

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Maximum size of a frame in bytes, unless it holds a single larger record. So a frame fits into one message of a log
/// such as JetStream.
pub(crate) const FRAME_BYTES_MAX: u64 = 256 * KIB;
/// Maximum size of a frame with a single larger record, in bytes. It is the room for one record of
/// [`RECORD_BYTES_MAX`] and for what the other blocks need.
pub(crate) const LARGE_FRAME_BYTES_MAX: u64 = RECORD_BYTES_MAX + FRAME_BYTES_MAX;
/// Maximum size of the table of a frame, in bytes.
pub(crate) const TABLE_BYTES_MAX: u64 = 64 * KIB;
/// Maximum number of blocks in a frame.
pub(crate) const BLOCKS_MAX: u64 = 4_096;
/// Maximum number of frames that are not durable when a further one is written, that one included.
pub(crate) const FRAMES_IN_FLIGHT_MAX: u64 = 16;

/// Maximum size of the section of a block before compression, in bytes, unless the block holds a single record.
pub(crate) const SECTION_BYTES_MAX: u64 = 64 * KIB;
/// Maximum size of the section of a single record, in bytes. It is twice what the default limits of a tenant allow.
pub(crate) const RECORD_BYTES_MAX: u64 = 128 * MIB;
/// Maximum size of an anchor, in bytes. A frame with an anchor has room for records.
pub(crate) const ANCHOR_BYTES_MAX: u64 = 192 * KIB;
/// Maximum size of a compressed section before compression, in bytes. It bounds what a small body can expand to.
pub(crate) const COMPRESSED_SECTION_BYTES_MAX: u64 = MIB;
/// LZ4 expands no byte to more than this many.
pub(crate) const LZ4_RATIO_MAX: u64 = 255;
/// Maximum number of records in a block, so that the place of a record within its block is one byte.
pub(crate) const RECORDS_MAX: u64 = 256;
/// Maximum number of definitions in a block of names or shapes.
pub(crate) const DEFINITIONS_MAX: u64 = 4_096;

/// Maximum of positions, sequences and times in milliseconds: the largest whole number that every JSON reader keeps.
pub(crate) const NUMBER_MAX: u64 = (1 << 53) - 1;
/// Maximum number of a tenant or a shape.
pub(crate) const REFERENCE_MAX: u64 = u32::MAX as u64;
/// Maximum length of a name, in bytes.
pub(crate) const NAME_BYTES_MAX: u64 = 255;
/// Maximum length of an identifier as text, in bytes.
pub(crate) const IDENTIFIER_BYTES_MAX: u64 = 1_024;
/// Maximum number of the kinds of events that a shape lists.
pub(crate) const EVENT_KINDS_MAX: u64 = 1_024;
/// Maximum length of the JSON skeleton of an event, in bytes.
pub(crate) const SKELETON_BYTES_MAX: u64 = 512;
/// Maximum number of extensions of a record, and of an event.
pub(crate) const EXTENSIONS_MAX: u64 = 64;
/// Maximum number of a tag.
pub(crate) const TAG_MAX: u64 = 16_383;
/// Maximum number of sealed parts of one event.
pub(crate) const PARTS_MAX: u64 = 4_096;
/// Maximum number of tenants in one anchor.
pub(crate) const ANCHOR_TENANTS_MAX: u64 = 4_096;
/// Maximum number of absent bodies that are listed for a segment.
pub(crate) const HOLES_MAX: u64 = 1 << 20;
