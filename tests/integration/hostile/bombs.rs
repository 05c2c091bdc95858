//! Files that cost more than their size suggests, or that import from the outside world. The host refuses them by their
//! outline, before it compiles or runs anything, so no other call is affected.

use std::fmt::Write as _;

use polder_sandbox::{Sandbox, SandboxOptions};

use super::guests::{bomb, good, leb, section, with_parasite};

fn refused(sandbox: &Sandbox, bytes: &[u8]) -> String {
    match sandbox.load(bytes) {
        Err(refusal) => refusal.to_string(),
        Ok(_) => panic!("taken"),
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(SandboxOptions::default()).unwrap()
}

/// Every interface of WASI 0.2, and the imports of the older preview and of other toolchains.
const OUTSIDE: &[&str] = &[
    "wasi:cli/environment@0.2.0",
    "wasi:cli/exit@0.2.0",
    "wasi:cli/run@0.2.0",
    "wasi:cli/stderr@0.2.0",
    "wasi:cli/stdin@0.2.0",
    "wasi:cli/stdout@0.2.0",
    "wasi:cli/terminal-input@0.2.0",
    "wasi:cli/terminal-output@0.2.0",
    "wasi:cli/terminal-stderr@0.2.0",
    "wasi:cli/terminal-stdin@0.2.0",
    "wasi:cli/terminal-stdout@0.2.0",
    "wasi:clocks/monotonic-clock@0.2.0",
    "wasi:clocks/timezone@0.2.0",
    "wasi:clocks/wall-clock@0.2.0",
    "wasi:filesystem/preopens@0.2.0",
    "wasi:filesystem/types@0.2.0",
    "wasi:http/incoming-handler@0.2.0",
    "wasi:http/outgoing-handler@0.2.0",
    "wasi:http/types@0.2.0",
    "wasi:io/error@0.2.0",
    "wasi:io/poll@0.2.0",
    "wasi:io/streams@0.2.0",
    "wasi:random/insecure-seed@0.2.0",
    "wasi:random/insecure@0.2.0",
    "wasi:random/random@0.2.0",
    "wasi:sockets/instance-network@0.2.0",
    "wasi:sockets/ip-name-lookup@0.2.0",
    "wasi:sockets/network@0.2.0",
    "wasi:sockets/tcp-create-socket@0.2.0",
    "wasi:sockets/tcp@0.2.0",
    "wasi:sockets/udp-create-socket@0.2.0",
    "wasi:sockets/udp@0.2.0",
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:config/store@0.2.0-draft",
    "wasi:logging/logging",
    "polder:domain/diagnostics@0.3.0",
    "polder:domain/diagnostics",
    "polder:other/diagnostics@0.2.0",
];

#[test]
fn an_import_of_the_outside_world_is_refused_by_name() {
    let sandbox = sandbox();
    for name in OUTSIDE {
        let reason_found =
            refused(&sandbox, &wat::parse_str(format!("(component (import \"{name}\" (instance)))")).unwrap());
        assert!(
            reason_found.contains(&format!("the domain imports {name}; it may import nothing but")),
            "{reason_found}"
        );
    }
    for module in ["wasi_snapshot_preview1", "wasi_unstable", "env", "__wbindgen_placeholder__"] {
        let text = format!("(module (import \"{module}\" \"f\" (func)))");
        let reason_found = refused(&sandbox, &wat::parse_str(text).unwrap());
        assert!(reason_found.contains(&format!("the domain imports {module};")), "{reason_found}");
    }
    let both = format!("(component (import \"{}\" (instance)) (import \"{}\" (instance)))", OUTSIDE[0], OUTSIDE[1]);
    let reason_found = refused(&sandbox, &wat::parse_str(both).unwrap());
    assert!(reason_found.contains(&format!("imports {}, {};", OUTSIDE[0], OUTSIDE[1])), "{reason_found}");
    for thing in ["(func)", "(component)", "(core module)", "(type (sub resource))"] {
        let reason_found =
            refused(&sandbox, &wat::parse_str(format!("(component (import \"thing\" {thing}))")).unwrap());
        assert!(reason_found.contains("the domain imports thing;"), "{reason_found}");
    }
}

#[test]
fn ten_thousand_functions_are_taken_and_sixty_thousand_are_not() {
    let functions = |count: usize| format!("(module {})", "(func)".repeat(count));
    let sandbox = sandbox();
    assert!(sandbox.load(&with_parasite(&functions(10_000))).is_ok());
    let reason_found = refused(&sandbox, &with_parasite(&functions(60_000)));
    assert!(
        reason_found.contains("declarations: ") && reason_found.contains("at most 50000 are allowed"),
        "{reason_found}"
    );
}

#[test]
fn bombs_are_refused_by_their_outline() {
    let (sandbox, mut wrong) = (sandbox(), Vec::new());
    let component = |text: &str| wat::parse_str(text).unwrap();
    let nested = deep(1_000);
    // Each level contains ten of the level below: a hundred thousand components from a few lines.
    let mut doubling = String::from("(component $c0)");
    for level in 1..4 {
        let below = level - 1;
        write!(doubling, "(component $c{level} (alias outer 1 $c{below} (component $x))").unwrap();
        for _ in 0..10 {
            doubling.push_str("(instance (instantiate $x))");
        }
        doubling.push(')');
    }
    let instances = format!("(component (component $c) {})", "(instance (instantiate $c))".repeat(300));
    let locals = "(module (func (local i64 i64)))".replace("i64 i64", &"i64 ".repeat(40_000));
    let locals = format!("(component {})", format!("(core {}", &locals[1..]).repeat(20));
    let wide = format!("(component (core module (func {})))", "(drop (i64.const 1234567890123))".repeat(40_000));
    for (what, bytes, reason) in [
        ("nested components", nested, "components inside each other: 5; at most 4"),
        (
            "instances of instances",
            component(&format!("(component {doubling})")),
            "components instantiated by inner components",
        ),
        ("many instances", component(&instances), "instances: 300; at most 256"),
        ("many locals", component(&locals), "local variables: "),
        (
            "blocks times locals",
            with_parasite(&bomb(1_300, 200, 1_000)),
            "values that pass between blocks and functions",
        ),
        (
            "blocks that take many values",
            with_parasite(&wide_blocks(40, 2_000)),
            "values that pass between blocks and functions",
        ),
        ("one giant function", component(&wide), "bytes of code in one function: "),
        (
            "many types",
            component(&format!("(component (core module {}))", "(type (func))".repeat(60_000))),
            "declarations: ",
        ),
        ("many exports", many_exports(), "declarations: "),
        ("nothing but zeroes", vec![0; 1_000_000], "the file is not WebAssembly"),
        ("too long", [good("orders"), vec![0; 9_000_000]].concat(), "at most 8388608 are allowed"),
        ("a giant custom section", custom(8_000_000), "it lacks polder:domain/"),
        ("a section that claims more than there is", claims(5, 4_000_000_000), "the file is damaged"),
        ("a count that claims more than there is", claims(5, 5), "the file is damaged"),
    ] {
        let reason_found = refused(&sandbox, &bytes);
        wrong.extend((!reason_found.contains(reason)).then(|| format!("{what}: {reason_found}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Functions with many blocks; each block takes and returns a thousand values.
fn wide_blocks(functions: usize, blocks: usize) -> String {
    let values = "i32 ".repeat(1_000);
    let (begin, end) = ("loop (type $wide) ".repeat(blocks), "end ".repeat(blocks));
    let function = format!(
        "(func (type $wide) {} {begin}{end})",
        (0..1_000).map(|place| format!("local.get {place} ")).collect::<String>()
    );
    format!("(module (type $wide (func (param {values}) (result {values}))) {})", function.repeat(functions))
}

const COMPONENT_HEADER: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// Nested components, written as bytes, because the text parser recurses.
fn deep(levels: usize) -> Vec<u8> {
    let mut bytes = COMPONENT_HEADER.to_vec();
    for _ in 1..levels {
        let mut outer = COMPONENT_HEADER.to_vec();
        section(&mut outer, 4, &bytes);
        bytes = outer;
    }
    bytes
}

fn many_exports() -> Vec<u8> {
    let mut text = String::from("(component (core module (func $f)");
    for number in 0..60_000 {
        write!(text, "(export \"f{number}\" (func $f))").unwrap();
    }
    wat::parse_str(text + "))").unwrap()
}

fn custom(length: usize) -> Vec<u8> {
    let mut bytes = COMPONENT_HEADER.to_vec();
    section(&mut bytes, 0, &[vec![1, b'x'], vec![0; length]].concat());
    bytes
}

/// A section that has a length and a count, but no content.
fn claims(id: u8, length: usize) -> Vec<u8> {
    let mut bytes = COMPONENT_HEADER.to_vec();
    bytes.push(id);
    leb(&mut bytes, length);
    leb(&mut bytes, 100_000_000);
    bytes
}
