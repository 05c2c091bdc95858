//! A frame with readable records: a copy of the frame in which every record with an available key is decrypted.

use polder_core::TenantName;

use crate::format::frame::Frame;
use crate::format::record::{Opened, Opener, RecordError, RecordView, tenant_of};
use crate::keyring::Keyring;

pub(crate) struct OpenedFrame {
    bytes: Vec<u8>,
    records: Vec<(usize, Opened)>,
    keys: Keyring,
}

#[expect(clippy::large_enum_variant, reason = "one at a time, taken apart as soon as it is made")]
pub(crate) enum Record<'a> {
    Readable(RecordView<'a>),
    /// The key is missing, or cannot be used.
    Sealed {
        tenant: &'a str,
    },
}

impl OpenedFrame {
    pub(crate) fn new(frame: &Frame<'_>, keys: &Keyring) -> Result<Self, RecordError> {
        let mut bytes = frame.bytes().to_vec();
        let mut opener = Opener::new(keys);
        let mut records = Vec::with_capacity(frame.header.record_count as usize);
        for record in frame.record_offsets() {
            let (offset, length) = record?;
            let address = frame.header.address + offset as u64;
            records.push((offset, opener.open(&mut bytes[offset..offset + length], address)?));
        }
        Ok(Self { bytes, records, keys: keys.clone() })
    }

    /// Yields each record with its offset in the frame. The frame's hash is verified, so if a decrypted record is
    /// invalid, it was sealed with a different key. That concerns its tenant only, and is no damage.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<(usize, Record<'_>), RecordError>> {
        self.records.iter().map(|(offset, opened)| {
            let bytes = &self.bytes[*offset..];
            let tenant = || tenant_of(bytes).map(|(tenant, _)| tenant);
            let record = match (opened, RecordView::read(bytes)) {
                (Opened::Closed, _) => Record::Sealed { tenant: tenant()? },
                (Opened::Unsealed, Err(_)) => {
                    let tenant = tenant()?;
                    if let Ok(tenant) = TenantName::new(tenant) {
                        self.keys.does_not_open(&tenant);
                    }
                    Record::Sealed { tenant }
                }
                (Opened::Plain | Opened::Unsealed, view) => Record::Readable(view?),
            };
            Ok((*offset, record))
        })
    }
}
