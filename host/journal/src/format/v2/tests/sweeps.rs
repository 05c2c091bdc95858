//! Every bit flipped and every byte cut, in a segment with every kind of block.

use super::super::error::FormatError;
use super::super::frame::FrameView;
use super::reader::{Keys, read_segment, verify_segment};
use super::sample::{mac_key, segment, tenant_secret};

pub(super) fn keys() -> Keys {
    Keys { journal: mac_key(), secrets: [1, 2].map(|tenant| (tenant, tenant_secret(tenant))).into() }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (good, key) = (segment(), mac_key());
    read_segment(&good, &keys(), None).unwrap();
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_segment(&flipped, &key).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_is_noticed() {
    let (good, key) = (segment(), mac_key());
    let mut ends = vec![0];
    while let Some(frame) = good.get(*ends.last().unwrap()..).filter(|rest| !rest.is_empty()) {
        let bytes = FrameView::read(frame).unwrap().head.frame_bytes as usize;
        ends.push((ends.last().unwrap() + bytes).next_multiple_of(512));
    }
    assert_eq!(ends.len(), 5, "four frames");
    for length in 0..good.len() {
        let verified = verify_segment(&good[..length], &key);
        assert_eq!(verified.is_ok(), ends.contains(&length), "{length} bytes");
    }
}

#[test]
fn head_and_table_can_be_read_without_the_bodies() {
    let good = segment();
    let frame = FrameView::read(&good).unwrap();
    let begin = frame.blocks().next().unwrap().offset as usize;
    let again = FrameView::read(&good[..begin]).unwrap();
    assert_eq!((again.head, again.hash), (frame.head, frame.hash));
    assert!(again.blocks().all(|block| block.body(&good[..begin]) == Err(FormatError::CutShort("a body"))));
    assert!(FrameView::read(&good[..begin - 1]).is_err());
}

#[test]
fn a_missing_key_hides_one_tenant_and_a_wrong_key_shows_nothing() {
    let (good, mut keys) = (segment(), keys());
    let secret = keys.secrets.remove(&2).unwrap();
    let read = read_segment(&good, &keys, None).unwrap();
    assert_eq!(read["frames"][1]["blocks"][0]["content"], "no key");
    assert_eq!(read["frames"][0]["blocks"][4]["content"]["records"].as_array().unwrap().len(), 22);
    keys.secrets.insert(2, secret.map(|byte| byte ^ 1));
    assert!(read_segment(&good, &keys, None).is_err());
}

#[test]
fn a_writer_without_the_key_is_refused() {
    let good = segment();
    let other = super::super::sealing::MacKey::derive(&[0; 32]);
    let frame = FrameView::read(&good).unwrap();
    assert_eq!(frame.check_mac(&mac_key()), Ok(()));
    assert_eq!(frame.check_mac(&other), Err(FormatError::Mismatch("the MAC")));
}
