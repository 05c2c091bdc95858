//! Anchors: what opening a journal needs, so that it reads one segment and not the whole history. The first frame of
//! every segment and of every writer begins with an anchor, and so does the last frame of a writer that ends in order.
//!
//! An anchor is a DAG-CBOR map. It is not sealed, and means something only in a frame whose MAC was checked. Readers
//! pass over members that they do not know: what must not be passed over sets a feature bit.

use super::body::SealedBlock;
use super::content_id::{EventDigest, LogId};
use super::dag_cbor::{Decoder, put_array, put_bool, put_bytes, put_map, put_null, put_text, put_uint};
use super::error::{FormatError, ensure, within};
use super::limits::{ANCHOR_TENANTS_MAX, NAME_BYTES_MAX, NUMBER_MAX, REFERENCE_MAX};
use super::table::{BlockKind, NO_TENANT};

const ANCHOR_VERSION: u64 = 1;
const MEMBERS: u64 = 12;
const TENANT_MEMBERS: u64 = 8;
const PREVIOUS_MEMBERS: u64 = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) why: AnchorReason,
    pub(crate) features: Features,
    /// The newest time that the journal has given. The clock of the next writer begins there.
    pub(crate) clock_ms: u64,
    /// The segment before; `None` in the first segment.
    pub(crate) previous: Option<SegmentEnd>,
    /// Whether the file of this segment had other content before, which may stand behind the last frame.
    pub(crate) is_recycled: bool,
    /// Address from which on the segments are kept here. Earlier ones are in the archive, or were removed by a recorded
    /// fact.
    pub(crate) local_from: u64,
    /// Size and hash of the ledger of erasures; `None` before the first erasure.
    pub(crate) ledger: Option<(u64, EventDigest)>,
    /// The number for the next new tenant. Numbers of removed tenants are not given again.
    pub(crate) next_tenant: u64,
    /// Index and number of the parts of the table of tenants. The other parts stand in the frames that follow.
    pub(crate) part: (u64, u64),
    /// Number of the frame with the first part of the last full table; `None` if this table is full.
    pub(crate) full_at: Option<u64>,
    /// All tenants, or those that changed since the last anchor; by ascending number.
    pub(crate) tenants: Vec<TenantState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnchorReason {
    /// First frame of a writer.
    Opened,
    /// First frame of a segment.
    Segment,
    /// Last frame of a writer that ended in order.
    Closing,
    /// First frame after a restore, which may lead to another history than the one that witnesses saw.
    Restored,
}

/// Bits for what the journal uses. A reader that does not know a bit may go on if the bit is compatible, may only read
/// if it is of the second kind, and must refuse the journal if it is incompatible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Features {
    pub(crate) compatible: u64,
    pub(crate) read_only: u64,
    pub(crate) incompatible: u64,
}

/// Where a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEnd {
    pub(crate) address: u64,
    /// Length of the part with frames, in bytes.
    pub(crate) bytes: u64,
    pub(crate) first_frame: u64,
    pub(crate) last_frame: u64,
    /// Hash of the last frame. It commits to everything before.
    pub(crate) last_hash: [u8; 32],
}

/// A tenant as it was when the anchor was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantState {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) log_id: LogId,
    pub(crate) position: u64,
    /// Bytes of the tenant's blocks in the journal.
    pub(crate) bytes: u64,
    /// Number of shapes that were defined. The next one has this number.
    pub(crate) shapes: u64,
    /// Size and root of the tenant's hash tree; `None` if it has none yet.
    pub(crate) tree: Option<(u64, [u8; 32])>,
}

impl AnchorReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Segment => "segment",
            Self::Closing => "closing",
            Self::Restored => "restored",
        }
    }

    fn of(text: &str) -> Result<Self, FormatError> {
        let known = [Self::Opened, Self::Segment, Self::Closing, Self::Restored];
        let reason = known.into_iter().find(|reason| reason.as_str() == text);
        reason.ok_or(FormatError::Unknown { what: "the reason of an anchor of length", number: text.len() as u64 })
    }
}

impl Features {
    /// The bits that this version knows. It uses none yet.
    pub(crate) const KNOWN: Self = Self { compatible: 0, read_only: 0, incompatible: 0 };

    /// Checks that this version can read the journal. Returns whether it may also write to it.
    pub(crate) fn check(&self) -> Result<bool, FormatError> {
        let unknown = self.incompatible & !Self::KNOWN.incompatible;
        if unknown != 0 {
            let number = u64::from(unknown.trailing_zeros());
            return Err(FormatError::Unknown { what: "the incompatible feature", number });
        }
        Ok(self.read_only & !Self::KNOWN.read_only == 0)
    }
}

impl Anchor {
    pub(crate) fn block(&self) -> Result<SealedBlock, FormatError> {
        let mut section = Vec::new();
        self.put(&mut section)?;
        SealedBlock::of_definitions(BlockKind::Anchor, NO_TENANT, 1, &section, None)
    }

    fn put(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        within("the number of tenants", self.tenants.len() as u64, ANCHOR_TENANTS_MAX)?;
        ensure(self.tenants.is_sorted_by(|one, other| one.number < other.number), "tenants do not ascend")?;
        put_map(out, MEMBERS);
        put_member(out, "v", ANCHOR_VERSION);
        put_text(out, "why");
        put_text(out, self.why.as_str());
        put_text(out, "part");
        put_numbers(out, &[self.part.0, self.part.1]);
        put_text(out, "ledger");
        put_size_and_hash(out, self.ledger.as_ref());
        put_text(out, "full_at");
        match self.full_at {
            Some(frame) => put_uint(out, frame),
            None => put_null(out),
        }
        put_text(out, "tenants");
        put_array(out, self.tenants.len() as u64);
        self.tenants.iter().for_each(|tenant| tenant.put(out));
        put_member(out, "clock_ms", self.clock_ms);
        let Features { compatible, read_only, incompatible } = self.features;
        put_text(out, "features");
        put_numbers(out, &[compatible, read_only, incompatible]);
        put_text(out, "previous");
        match &self.previous {
            Some(previous) => previous.put(out),
            None => put_null(out),
        }
        put_text(out, "recycled");
        put_bool(out, self.is_recycled);
        put_member(out, "local_from", self.local_from);
        put_member(out, "next_tenant", self.next_tenant);
        Ok(())
    }

    /// Reads the section of an anchor block.
    ///
    /// # Errors
    /// Fails if a member is missing or wrong, or if this version must not read the journal.
    pub(crate) fn read(section: &[u8]) -> Result<Self, FormatError> {
        let mut decoder = Decoder::new(section);
        let mut members = Members::default();
        let mut keys = decoder.map()?;
        while let Some(key) = keys.next(&mut decoder)? {
            members.read(key, &mut decoder)?;
        }
        decoder.end()?;
        members.anchor().ok_or(FormatError::Malformed("an anchor lacks a member"))
    }
}

/// The members that were read so far.
#[derive(Default)]
struct Members {
    version: Option<u64>,
    why: Option<AnchorReason>,
    part: Option<(u64, u64)>,
    ledger: Option<Option<(u64, EventDigest)>>,
    full_at: Option<Option<u64>>,
    tenants: Option<Vec<TenantState>>,
    clock_ms: Option<u64>,
    features: Option<Features>,
    previous: Option<Option<SegmentEnd>>,
    is_recycled: Option<bool>,
    local_from: Option<u64>,
    next_tenant: Option<u64>,
}

impl Members {
    fn read(&mut self, key: &str, decoder: &mut Decoder<'_>) -> Result<(), FormatError> {
        match key {
            "v" => self.version = Some(read_version(decoder)?),
            "why" => self.why = Some(AnchorReason::of(decoder.text("the reason of an anchor", NAME_BYTES_MAX)?)?),
            "part" => self.part = Some(read_part(decoder)?),
            "ledger" => self.ledger = Some(read_size_and_hash(decoder)?),
            "full_at" => self.full_at = Some(optional(decoder, read_number)?),
            "tenants" => self.tenants = Some(read_tenants(decoder)?),
            "clock_ms" => self.clock_ms = Some(read_number(decoder)?),
            "features" => self.features = Some(read_features(decoder)?),
            "previous" => self.previous = Some(optional(decoder, SegmentEnd::read)?),
            "recycled" => self.is_recycled = Some(decoder.bool()?),
            "local_from" => self.local_from = Some(decoder.uint("an address", u64::MAX)?),
            "next_tenant" => self.next_tenant = Some(decoder.uint("the number of a tenant", REFERENCE_MAX)?),
            _ => decoder.skip()?,
        }
        Ok(())
    }

    fn anchor(self) -> Option<Anchor> {
        self.version?;
        Some(Anchor {
            why: self.why?,
            features: self.features?,
            clock_ms: self.clock_ms?,
            previous: self.previous?,
            is_recycled: self.is_recycled?,
            local_from: self.local_from?,
            ledger: self.ledger?,
            next_tenant: self.next_tenant?,
            part: self.part?,
            full_at: self.full_at?,
            tenants: self.tenants?,
        })
    }
}

fn read_version(decoder: &mut Decoder<'_>) -> Result<u64, FormatError> {
    let version = decoder.uint("the version of an anchor", u64::MAX)?;
    if version == ANCHOR_VERSION {
        Ok(version)
    } else {
        Err(FormatError::Unknown { what: "the version of an anchor", number: version })
    }
}

fn read_part(decoder: &mut Decoder<'_>) -> Result<(u64, u64), FormatError> {
    decoder.array_of(2)?;
    let part = (read_number(decoder)?, read_number(decoder)?);
    ensure(part.0 < part.1, "the part of an anchor is none of its parts")?;
    Ok(part)
}

fn read_features(decoder: &mut Decoder<'_>) -> Result<Features, FormatError> {
    decoder.array_of(3)?;
    let mut bits = || decoder.uint("the features", u64::MAX);
    let features = Features { compatible: bits()?, read_only: bits()?, incompatible: bits()? };
    features.check()?;
    Ok(features)
}

fn read_tenants(decoder: &mut Decoder<'_>) -> Result<Vec<TenantState>, FormatError> {
    let count = decoder.array()?;
    within("the number of tenants", count, ANCHOR_TENANTS_MAX)?;
    let mut tenants: Vec<TenantState> = Vec::new();
    for _ in 0..count {
        let tenant = TenantState::read(decoder)?;
        let ascends = tenants.last().map_or(NO_TENANT, |last| last.number) < tenant.number;
        ensure(ascends, "the tenants of an anchor do not ascend")?;
        tenants.push(tenant);
    }
    Ok(tenants)
}

impl TenantState {
    fn put(&self, out: &mut Vec<u8>) {
        put_array(out, TENANT_MEMBERS);
        put_uint(out, self.number);
        put_text(out, &self.name);
        put_bytes(out, &self.log_id);
        for number in [self.position, self.bytes, self.shapes, self.tree.map_or(0, |(size, _)| size)] {
            put_uint(out, number);
        }
        match &self.tree {
            Some((_, root)) => put_bytes(out, root),
            None => put_null(out),
        }
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<Self, FormatError> {
        decoder.array_of(TENANT_MEMBERS)?;
        let number = decoder.uint("the number of a tenant", REFERENCE_MAX)?;
        let name = decoder.text("the length of a name", NAME_BYTES_MAX)?.to_owned();
        ensure(!name.is_empty(), "a name is empty")?;
        let log_id = decoder.array_of_bytes("the length of a log id")?;
        let (position, bytes, shapes) = (read_number(decoder)?, read_number(decoder)?, read_number(decoder)?);
        let size = read_number(decoder)?;
        let root = optional(decoder, |decoder| decoder.array_of_bytes("the length of a root"))?;
        ensure(root.is_some() || size == 0, "a tree without a root has a size")?;
        Ok(Self { number, name, log_id, position, bytes, shapes, tree: root.map(|root| (size, root)) })
    }
}

impl SegmentEnd {
    fn put(&self, out: &mut Vec<u8>) {
        put_array(out, PREVIOUS_MEMBERS);
        for number in [self.address, self.bytes, self.first_frame, self.last_frame] {
            put_uint(out, number);
        }
        put_bytes(out, &self.last_hash);
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<Self, FormatError> {
        decoder.array_of(PREVIOUS_MEMBERS)?;
        Ok(Self {
            address: decoder.uint("an address", u64::MAX)?,
            bytes: read_number(decoder)?,
            first_frame: read_number(decoder)?,
            last_frame: read_number(decoder)?,
            last_hash: decoder.array_of_bytes("the length of a hash")?,
        })
    }
}

fn put_member(out: &mut Vec<u8>, key: &str, number: u64) {
    put_text(out, key);
    put_uint(out, number);
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    put_array(out, numbers.len() as u64);
    numbers.iter().for_each(|number| put_uint(out, *number));
}

fn put_size_and_hash(out: &mut Vec<u8>, value: Option<&(u64, EventDigest)>) {
    let Some((size, hash)) = value else { return put_null(out) };
    put_array(out, 2);
    put_uint(out, *size);
    put_bytes(out, hash);
}

fn read_size_and_hash(decoder: &mut Decoder<'_>) -> Result<Option<(u64, EventDigest)>, FormatError> {
    optional(decoder, |decoder| {
        decoder.array_of(2)?;
        Ok((read_number(decoder)?, decoder.array_of_bytes("the length of a hash")?))
    })
}

fn read_number(decoder: &mut Decoder<'_>) -> Result<u64, FormatError> {
    decoder.uint("a number of an anchor", NUMBER_MAX)
}

fn optional<'a, T>(
    decoder: &mut Decoder<'a>,
    read: impl FnOnce(&mut Decoder<'a>) -> Result<T, FormatError>,
) -> Result<Option<T>, FormatError> {
    if decoder.null() { Ok(None) } else { read(decoder).map(Some) }
}
