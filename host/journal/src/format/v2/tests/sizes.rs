//! How many bytes an event takes. The test prints the figures and checks the goals.

use super::super::frame::FrameView;
use super::super::identifier::Identifier;
use super::super::records::{CommandOf, NewRecord, RecordsBuilder};
use super::super::sealing::Nonce;
use super::super::shape::Shape;
use super::super::table::BlockEntry;
use super::sample::{SampleWriter, block_key, digest, event, line_added, log_id, shapes};

/// Records of one frame, when 256 commands are in flight: half of them are decided while the others are synced.
const FRAME_RECORDS: u64 = 128;

/// One record of a load: identifiers, and the payload of its event.
struct Sample {
    aggregate_id: String,
    command_id: String,
    payload: String,
}

/// Orders that get a line each in turn, as the benchmarks have them; one of two workers has about every second order.
/// The payload has 48 bytes.
fn bench(number: u64) -> Sample {
    let (order, step) = (number * 2 + u64::from(digest(number)[0] % 2), 7);
    Sample {
        aggregate_id: format!("order-{order}"),
        command_id: format!("order-{order}-{step}"),
        payload: r#"{"sku":"BIKE-BELL-40","quantity":2,"price":1999}"#.to_owned(),
    }
}

/// UUIDs of version 7, and a payload of 83 bytes whose values differ.
fn varied(number: u64) -> Sample {
    let uuid = |salt: u64| {
        let random = digest(number * 2 + salt);
        let hex: String = random[..10].iter().map(|byte| format!("{byte:02x}")).collect();
        let time = format!("{:012x}", super::sample::AT_MS + number / 8);
        format!("{}-{}-7{}-9{}-{}", &time[..8], &time[8..], &hex[..3], &hex[3..6], &hex[6..18])
    };
    let random = digest(1 << 40 | number);
    let (sku, quantity) = (u32::from(random[0]) << 8 | u32::from(random[1]), random[2] % 90 + 10);
    let (price, customer) = (10_000 + u32::from(random[3]) * 30, 10_000 + u32::from(random[4]) * 300);
    Sample {
        aggregate_id: uuid(0),
        command_id: uuid(1),
        payload: format!(
            r#"{{"sku":"BIKE-PART-{sku:05}-A","quantity":{quantity},"price":{price},"customer":"customer-{customer:05}"}}"#
        ),
    }
}

fn record<'a>(shape: &'a Shape, number: u64, sample: &'a Sample) -> NewRecord<'a> {
    let fingerprint = u64::from_le_bytes(digest(1 << 50 | number)[..8].try_into().unwrap());
    NewRecord {
        aggregate_id: Identifier::of(&sample.aggregate_id).unwrap(),
        command: CommandOf::Caller { id: Identifier::of(&sample.command_id).unwrap(), fingerprint },
        at_ms: super::sample::AT_MS + number / 8,
        previous: digest(1 << 51 | number),
        ..line_added(shape, 7, &[])
    }
}

/// Bytes per record: in all, of the section before and after compression, and of the table.
struct Measured {
    all: f64,
    section: f64,
    stored: f64,
    table: f64,
}

/// Measures a frame, with its head, its table and the zeros that fill its last sector.
fn measure(of: fn(u64) -> Sample, records_per_block: u64) -> Measured {
    let (mut writer, shapes) = (SampleWriter::new(), shapes());
    let mut blocks = Vec::new();
    let mut builder = RecordsBuilder::new(1, log_id(1));
    for number in 0..FRAME_RECORDS {
        let sample = of(1_000 + number);
        let events = [event(0, sample.payload.as_bytes())];
        builder.add(&NewRecord { events: &events, ..record(&shapes[0], number, &sample) }).unwrap();
        if builder.records() == records_per_block {
            let nonce = Nonce::new(1, 1_000_000 + number).unwrap();
            blocks.push((builder.finish(Some((&block_key(1), nonce))).unwrap(), 5_000_000 + number));
        }
    }
    writer.frame(&blocks);
    let per_record = |bytes: u64| bytes as f64 / FRAME_RECORDS as f64;
    let sum = |of: fn(&BlockEntry) -> u64| per_record(blocks.iter().map(|(block, _)| of(&block.entry)).sum());
    let head = FrameView::read(&writer.bytes).unwrap().head;
    Measured {
        all: per_record(writer.bytes.len() as u64),
        section: sum(|entry| entry.section_bytes),
        stored: sum(|entry| entry.stored_bytes - 40 * entry.records),
        table: per_record(u64::from(head.table_bytes)),
    }
}

#[test]
fn an_event_takes_few_bytes() {
    assert_eq!((bench(5).payload.len(), varied(5).payload.len()), (48, 83));
    println!(
        "bytes per event in frames of {FRAME_RECORDS} records: all = section stored + table + 40 of digests + head, zeros"
    );
    for records_per_block in [1, 2, 4, 8, 16, 32, 64, 128] {
        let loads: [(&str, fn(u64) -> Sample, f64); 2] =
            [("48-byte payload", bench, 60.0), ("83-byte payload, UUIDs", varied, 116.0)];
        for (name, of, goal) in loads {
            let Measured { all, section, stored, table } = measure(of, records_per_block);
            println!(
                "{records_per_block:>4} records a block, {name}: {all:.1} (section {section:.1} -> {stored:.1}, table {table:.1})"
            );
            if records_per_block == 16 || records_per_block == 32 {
                assert!(all <= goal, "{all:.1} bytes an event");
            }
        }
    }
}
