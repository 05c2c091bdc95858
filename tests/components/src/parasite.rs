//! Puts a second core module into a good component.

use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// A good domain with a second core module, which is instantiated together with the domain. `good` is the core module
/// that Cargo builds of a guest; `module` is text.
pub fn with_parasite(good: &[u8], module: &str) -> Vec<u8> {
    let encoded = ComponentEncoder::default().module(good).and_then(|encoder| encoder.encode());
    let mut bytes = encoded.expect("the good domain can be encoded");
    let index = core_modules(&bytes);
    section(&mut bytes, 1, &wat::parse_str(module).expect("a module as text"));
    // One core instance: of this module, without arguments.
    let mut instance = vec![1, 0];
    leb(&mut instance, index);
    instance.push(0);
    section(&mut bytes, 2, &instance);
    bytes
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

/// Appends a section with its length.
pub fn section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    leb(bytes, content.len());
    bytes.extend_from_slice(content);
}

/// Appends a number as LEB128.
pub fn leb(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
