//! Modules, as text, that take long to compile.

/// A module that compiles slowly: each function has `blocks` nested blocks, a jump out of each block, and `locals`
/// local variables.
pub fn bomb(functions: usize, blocks: usize, locals: usize) -> String {
    let begin = "block ".repeat(blocks);
    let jumps: String = (0..blocks).map(|depth| format!("local.get {} br_if {depth} ", depth % locals)).collect();
    let sets: String =
        (0..locals.min(blocks)).map(|local| format!("local.get {local} local.set {} ", (local + 7) % locals)).collect();
    let end = "end ".repeat(blocks);
    let function = format!("(func (local {}) {begin}{jumps}{sets}{end})", "i32 ".repeat(locals));
    format!("(module {})", function.repeat(functions))
}

/// A module with much code and no blocks, so that no limit but the size of the file keeps it small. Each function has
/// `steps` steps of about ten bytes.
pub fn straight_bomb(functions: usize, steps: usize) -> String {
    const LOCALS: usize = 100;
    let steps: String = (0..steps)
        .map(|step| {
            let (one, other) = (step % LOCALS, (step * 7 + 1) % LOCALS);
            format!("local.get {one} local.get {other} i64.mul i64.const 12345 i64.xor local.set {other} ")
        })
        .collect();
    let function = format!("(func (local {}) {steps})", "i64 ".repeat(LOCALS));
    format!("(module {})", function.repeat(functions))
}
