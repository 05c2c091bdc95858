//! Failures before a domain is accepted: its start and its description. The earlier revision stays active.

use polder_engine::DeployOptions;

use super::guests::{rogue, with_parasite};
use super::yard::Yard;

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_does_not_start_or_describe_itself_is_refused() {
    let mut yard = Yard::open().await;
    let (mut turns, mut wrong) = (0, Vec::new());
    for (mode, reason) in [
        // Fuel or the clock, whichever ends first on this machine.
        ("start-loops", "cannot be started: the domain's code "),
        ("start-traps", "cannot be started: the domain's code trapped: it panicked or aborted"),
        ("start-grows", "cannot be started: the domain's code wanted more than 268435456 bytes of memory"),
        ("describe-traps", "cannot describe itself: the domain's code trapped: it panicked or aborted"),
        ("describe-loops", "cannot describe itself: the domain's code "),
        ("describe-grows", "cannot describe itself: the domain's code wanted more than 268435456 bytes of memory"),
        ("describe-text", "the descriptor is not JSON of the expected shape"),
        ("describe-long", "(limit descriptor_bytes_max)"),
        ("describe-2-way", "describes itself differently from call to call"),
        ("describe-format", "the descriptor has format 2; this host reads format 1"),
        ("describe-name", "does not start with a small letter"),
        ("describe-reads", "the versions it reads must be listed once each, ascending"),
        ("describe-word", "a domain may not be named \"admin\""),
        ("many-projections", "(limit projections_per_domain_max)"),
    ] {
        let refusal = yard.refusal(rogue(mode)).await;
        wrong.extend((!refusal.contains(reason)).then(|| format!("{mode}: {refusal}")));
        turns += 1;
        assert_eq!(yard.good_call("t-1").await.sequence.0, turns, "after {mode}");
        yard.neighbour_goes_on().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_module_in_a_domain_is_held_to_the_same_limits() {
    let (mut yard, mut wrong) = (Yard::open().await, Vec::new());
    for (what, module, reason) in [
        (
            "a start that loops",
            "(module (func $f (loop $again (br $again))) (start $f))",
            "cannot be started: the domain's code ",
        ),
        ("a start that recurses", "(module (func $f (call $f)) (start $f))", "nested too deep for the stack"),
        (
            "memory beyond the limit",
            "(module (memory 1) (func $f (if (i32.eq (memory.grow (i32.const 4096)) (i32.const -1)) (then (unreachable)))) (start $f))",
            "wanted more than 268435456 bytes of memory",
        ),
        (
            "a memory that begins giant",
            "(module (memory 5000))",
            "initial memory, in pages of 64 KiB: 5000; at most 4096",
        ),
        (
            "a giant table",
            "(module (table 100001 funcref))",
            "initial table elements: 100001; at most 100000 are allowed",
        ),
        (
            "a table that grows",
            "(module (table 1 funcref) (func $f (if (i32.eq (table.grow (ref.null func) (i32.const 1000000)) (i32.const -1)) (then (unreachable)))) (start $f))",
            "cannot be started: the domain's code trapped: it panicked or aborted",
        ),
        (
            "a fill of all memory in a loop",
            "(module (memory 4000) (func $f (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 262144000)) (br $again))) (start $f))",
            "cannot be started: the domain's code ",
        ),
        ("two memories", "(module (memory 1) (memory 1))", "multiple memories"),
        ("threads", "(module (memory 1 1 shared))", "threads must be enabled"),
        ("vectors", "(module (func (result v128) (v128.const i64x2 0 0)))", "SIMD support is not enabled"),
        ("a long memory", "(module (memory i64 1))", "memory64"),
        ("exceptions", "(module (tag))", "exceptions"),
        ("an import", "(module (import \"env\" \"now\" (func)))", "missing"),
    ] {
        let refusal = yard.refusal(with_parasite(module)).await;
        wrong.extend((!refusal.contains(reason)).then(|| format!("{what}: {refusal}")));
        yard.good_call("t-1").await;
        yard.neighbour_goes_on().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The method itself is valid: a harmless module is accepted.
    let harmless = with_parasite("(module (memory 1) (table 100 funcref) (func $f) (start $f))");
    yard.host
        .deployments()
        .deploy(&super::yard::tenant("main"), harmless.into(), DeployOptions::default())
        .await
        .unwrap();
    yard.good_call("t-1").await;
}
