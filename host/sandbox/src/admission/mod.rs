//! The checks of a file before anything is compiled or run. They are cheap, and their time is bounded by the file's
//! size.

mod passed_values;
mod shape;

use std::borrow::Cow;

use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::diagnostics::DIAGNOSTICS;
use crate::refusal::Refusal;
pub use passed_values::PASSED_VALUES_MAX;
pub use shape::{COMPONENT_DEPTH_MAX, DECLARATIONS_MAX, FUNCTION_BYTES_MAX, INSTANTIATIONS_MAX, LOCALS_MAX};
use shape::{Kind, Shape};

/// Maximum size of a file, in bytes. At about 2 MB/s it compiles in seconds.
pub const COMPONENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Every component imports this interface, but only for its types: it has no functions.
const TYPES: &str = "polder:domain/types@0.2.0";
/// Beginning of the name of the section that contains a module's types.
const TYPES_SECTION: &str = "component-type";
const EXPORTS: [&str; 3] =
    ["polder:domain/catalog@0.2.0", "polder:domain/aggregates@0.2.0", "polder:domain/projections@0.2.0"];

/// Returns the component in `bytes`, or encodes the core module in `bytes` as a component.
pub(crate) fn component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    check_size(bytes)?;
    let shape = Shape::of(bytes)?;
    match shape.kind {
        Kind::Component => {
            check_component(&shape)?;
            Ok(Cow::Borrowed(bytes))
        }
        Kind::Module => {
            check_module_imports(&shape)?;
            check_module_types(&shape)?;
            let encoded = encode(bytes)?;
            check_size(&encoded)?;
            check_component(&Shape::of(&encoded)?)?;
            Ok(Cow::Owned(encoded))
        }
    }
}

fn check_size(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() <= COMPONENT_BYTES_MAX {
        return Ok(());
    }
    let (bytes_count, bytes_max) = (bytes.len() as u64, COMPONENT_BYTES_MAX as u64);
    match debug_bytes(bytes) {
        0 => Err(Refusal::TooLarge { bytes: bytes_count, bytes_max }),
        debug_bytes => Err(Refusal::DebugBuild { bytes: bytes_count, bytes_max, debug_bytes }),
    }
}

/// Size of the debug information, in bytes, as far as the file can be read.
fn debug_bytes(bytes: &[u8]) -> u64 {
    let sections = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let debug = sections.filter_map(|payload| match payload {
        Payload::CustomSection(section) if section.name().starts_with(".debug_") => Some(section.data().len() as u64),
        _ => None,
    });
    debug.sum()
}

fn check_component(shape: &Shape) -> Result<(), Refusal> {
    refuse_imports(&shape.imports, |import| import == DIAGNOSTICS || import == TYPES)?;
    let lacking = |name: &&str| !shape.exports.iter().any(|export| export == name);
    let missing: Vec<String> = EXPORTS.iter().filter(|name| lacking(name)).map(ToString::to_string).collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::WrongWorld(missing)) }
}

/// Called before encoding, which would refuse the same imports with a less helpful message.
fn check_module_imports(shape: &Shape) -> Result<(), Refusal> {
    // A module imports these names to get handles to the resources that it exports itself.
    let own = |import: &str| import.strip_prefix("[export]").is_some_and(|name| EXPORTS.contains(&name));
    refuse_imports(&shape.imports, |import| import == DIAGNOSTICS || own(import))
}

/// Checks that the module has the section, written by the SDK, in which the encoder finds the types of functions.
fn check_module_types(shape: &Shape) -> Result<(), Refusal> {
    if shape.custom_sections.iter().any(|name| name.starts_with(TYPES_SECTION)) {
        return Ok(());
    }
    let is_domain = shape.exports.iter().any(|name| EXPORTS.iter().any(|export| name.starts_with(export)));
    Err(if is_domain { Refusal::Stripped } else { Refusal::NoDomain })
}

fn refuse_imports(imports: &[String], allowed: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    let mut foreign: Vec<String> = imports.iter().filter(|import| !allowed(import)).cloned().collect();
    foreign.dedup();
    if foreign.is_empty() { Ok(()) } else { Err(Refusal::Imports(foreign)) }
}

fn encode(module: &[u8]) -> Result<Vec<u8>, Refusal> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| Refusal::NotEncodable(format!("{error:#}")))
}
