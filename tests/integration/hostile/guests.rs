//! Makes hostile components out of good ones.

use polder_tests::guest_file;
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// The bytes before the mode in `rogue`, and the length of the mode.
const MARK: &[u8] = b"rogue-mode=";
const MODE_BYTES: usize = 17;

pub(crate) fn good(name: &str) -> Vec<u8> {
    std::fs::read(guest_file(name)).expect("a guest can be read")
}

/// `rogue` with its mode overwritten, such as `start-loops`.
pub(crate) fn rogue(mode: &str) -> Vec<u8> {
    let mut bytes = good("rogue");
    let places: Vec<usize> =
        bytes.windows(MARK.len()).enumerate().filter(|(_, found)| *found == MARK).map(|(place, _)| place).collect();
    let [place] = places[..] else { panic!("rogue has {} marks", places.len()) };
    let padded = format!("{mode:.<MODE_BYTES$}");
    assert_eq!(padded.len(), MODE_BYTES, "{mode} is too long");
    bytes[place + MARK.len()..][..MODE_BYTES].copy_from_slice(padded.as_bytes());
    bytes
}

/// A good domain with a second core module, which is instantiated together with the domain.
pub(crate) fn with_parasite(module: &str) -> Vec<u8> {
    let encoded = ComponentEncoder::default().module(&good("rogue")).and_then(|encoder| encoder.encode());
    let mut bytes = encoded.expect("rogue can be encoded");
    let index = core_modules(&bytes);
    section(&mut bytes, 1, &wat::parse_str(module).expect("a module as text"));
    // One core instance: of this module, without arguments.
    let mut instance = vec![1, 0];
    leb(&mut instance, index);
    instance.push(0);
    section(&mut bytes, 2, &instance);
    bytes
}

/// A module that compiles slowly: each function has `blocks` nested blocks, a jump out of each block, and `locals`
/// local variables.
pub(crate) fn bomb(functions: usize, blocks: usize, locals: usize) -> String {
    let begin = "block ".repeat(blocks);
    let jumps: String = (0..blocks).map(|depth| format!("local.get {} br_if {depth} ", depth % locals)).collect();
    let sets: String =
        (0..locals.min(blocks)).map(|local| format!("local.get {local} local.set {} ", (local + 7) % locals)).collect();
    let end = "end ".repeat(blocks);
    let function = format!("(func (local {}) {begin}{jumps}{sets}{end})", "i32 ".repeat(locals));
    format!("(module {})", function.repeat(functions))
}

fn core_modules(component: &[u8]) -> usize {
    let (mut depth, mut modules) = (0, 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.expect("a good component") {
            Payload::ModuleSection { .. } if depth == 1 => modules += 1,
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    modules
}

pub(crate) fn section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    leb(bytes, content.len());
    bytes.extend_from_slice(content);
}

pub(crate) fn leb(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
