//! Components that need much compile time or memory. Each is limited by its child process; the host and the other
//! tenants continue.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use polder_compiler::{ChildCompiler, CompilerLimits};
use polder_core::{MemoryBudget, MemoryPurpose};
use polder_engine::{
    COMPILERS_MAX, CompileError, CompileJob, Compiler as _, Stop, UPLOADS_MAX, UPLOADS_PER_TENANT_MAX, Uploaded,
};
use polder_tests::{Host, polder_file};

use super::guests::{bomb, good, with_parasite};

const MIB: u64 = 1024 * 1024;
/// A generous limit for something that must happen soon.
const SOON: Duration = Duration::from_secs(60);

/// A component that passes the outline's limits, and needs tens of seconds to compile.
static SLOW: LazyLock<Vec<u8>> = LazyLock::new(|| with_parasite(&bomb(95, 200, 1_000)));

struct Workshop {
    folder: tempfile::TempDir,
    budget: MemoryBudget,
}

impl Workshop {
    fn new(memory_bytes_max: u64) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), budget: MemoryBudget::new(memory_bytes_max) }
    }

    fn compile(&self, component: &[u8], limits: CompilerLimits, stop: &Stop) -> Result<Vec<u8>, CompileError> {
        let component = Uploaded::from(component.to_vec());
        let mut memory = self.budget.try_reserve(MemoryPurpose::Compilers, 0).unwrap();
        let job = CompileJob { component: &component, folder: self.folder.path(), memory: &mut memory, stop };
        let compiled = ChildCompiler::new(polder_file(), limits).compile(job);
        assert!(memory.bytes() <= limits.memory_bytes_max.next_multiple_of(32 * MIB));
        assert_eq!(std::fs::read_dir(self.folder.path()).unwrap().count(), 0, "nothing is left behind");
        compiled
    }
}

#[test]
fn a_good_component_is_compiled_in_a_child() {
    let workshop = Workshop::new(1024 * MIB);
    let code = workshop.compile(&good("orders"), CompilerLimits::DEFAULT, &Stop::default()).unwrap();
    assert_eq!(code, polder_sandbox::compile(&good("orders")).unwrap(), "it is what this process would make of it");
    assert_eq!(workshop.budget.used(), 0);
}

#[test]
fn a_component_that_is_refused_says_why() {
    let workshop = Workshop::new(1024 * MIB);
    let refused = workshop.compile(b"nothing", CompilerLimits::DEFAULT, &Stop::default()).unwrap_err();
    assert!(matches!(&refused, CompileError::Refused(_)), "{refused}");
    assert!(refused.to_string().starts_with("the file is not WebAssembly"), "{refused}");
}

#[test]
fn a_compiler_ends_at_each_of_its_limits_and_names_it() {
    let _alone = polder_tests::heavy();
    let workshop = Workshop::new(4096 * MIB);
    let limits = CompilerLimits::DEFAULT;
    for (limit, limits) in [
        ("compiler_cpu_s_max", CompilerLimits { cpu_s_max: 1, ..limits }),
        ("compiler_wall_ms_max", CompilerLimits { wall_ms_max: 200, ..limits }),
        ("compiler_memory_bytes_max", CompilerLimits { memory_bytes_max: 16 * MIB, ..limits }),
    ] {
        let start = Instant::now();
        let compiled = workshop.compile(&SLOW, limits, &Stop::default());
        if limit == "compiler_cpu_s_max" && compiled.is_ok() {
            polder_tests::skipped("this machine compiles the component within one second of CPU time");
            continue;
        }
        let error = compiled.map(|code| code.len()).expect_err(limit);
        assert!(matches!(&error, CompileError::Limit { .. }), "{limit}: {error}");
        assert!(error.to_string().contains(&format!("(limit {limit})")), "{error}");
        assert!(start.elapsed() < SOON, "{limit}: {:?}", start.elapsed());
    }
    let little_code = CompilerLimits { code_bytes_max: 10_000, ..limits };
    let error = workshop.compile(&good("orders"), little_code, &Stop::default()).unwrap_err();
    assert!(error.to_string().contains("(limit compiler_code_bytes_max)"), "{error}");
}

#[test]
fn a_compiler_takes_its_memory_from_the_hosts_and_may_find_none() {
    let workshop = Workshop::new(40 * MIB);
    let error = workshop.compile(&SLOW, CompilerLimits::DEFAULT, &Stop::default()).unwrap_err();
    assert!(matches!(&error, CompileError::Memory(_)), "{error}");
    assert!(error.to_string().contains("memory_bytes_max"), "{error}");
    assert_eq!(workshop.budget.used(), 0);
}

#[test]
fn a_compiler_that_is_stopped_ends_at_once() {
    let _alone = polder_tests::heavy();
    let (workshop, stop) = (Workshop::new(4096 * MIB), Stop::default());
    let start = Instant::now();
    thread::scope(|scope| {
        let compiling = scope.spawn(|| workshop.compile(&SLOW, CompilerLimits::DEFAULT, &stop));
        while workshop.budget.used() == 0 {
            assert!(!compiling.is_finished(), "{:?}", compiling.join().unwrap().map(|code| code.len()));
            thread::yield_now();
        }
        stop.set();
        assert!(matches!(compiling.join().unwrap(), Err(CompileError::Stopped)));
    });
    assert!(start.elapsed() < Duration::from_secs(CompilerLimits::DEFAULT.cpu_s_max), "{:?}", start.elapsed());
}

/// The host's child processes that compile.
fn compilers(host: &Host) -> Vec<u32> {
    let is_child = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(host.id())
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < SOON, "{what} did not come about");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends the head of an upload and a part of its body.
fn begin_upload(host: &Host, tenant: &str, announced: usize, sent: &[u8]) -> TcpStream {
    let address = host.address().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "PUT /v1/{tenant}/domains HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/wasm\r\n\
         content-length: {announced}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A host that refuses the upload may have closed the connection already.
    let _ = stream.write_all(sent);
    stream
}

#[test]
fn a_compiler_ends_with_its_client() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path());
    let client = begin_upload(&host, "main", SLOW.len(), &SLOW);
    wait_until("a compiler", || compilers(&host).len() == 1);
    drop(client);
    wait_until("the compiler's end", || compilers(&host).is_empty());
    host.client().deploy("orders");
}

#[test]
fn a_compiler_ends_with_its_host() {
    let data = tempfile::tempdir().unwrap();
    for kill in [Host::kill, |host: Host| drop(host.stop())] {
        let host = Host::start(data.path());
        let _client = begin_upload(&host, "main", SLOW.len(), &SLOW);
        wait_until("a compiler", || compilers(&host).len() == 1);
        let compiler = compilers(&host)[0];
        let start = Instant::now();
        kill(host);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        wait_until("the compiler's end", || !std::path::Path::new(&format!("/proc/{compiler}")).exists());
    }
}

#[test]
fn many_bombs_have_few_compilers_and_other_tenants_go_on() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path());
    let client = host.client();
    client.deploy("orders");
    for tenant in 0..6 {
        client.put(&format!("/v1/tenants/t{tenant}"), "").json(201);
    }
    let bombs: Vec<_> =
        (0..24).map(|number| begin_upload(&host, &format!("t{}", number % 6), SLOW.len(), &SLOW)).collect();
    wait_until("a compiler", || !compilers(&host).is_empty());
    for order in 0..50 {
        client.post(&format!("/v1/main/orders/order/o-{order}/draft-order"), r#"{"customer":"ada"}"#).json(200);
        assert!(compilers(&host).len() <= COMPILERS_MAX, "{:?}", compilers(&host));
    }
    let metrics = client.get("/metrics");
    assert!(metrics.text().contains("polder_components_compiled_total 1"), "{}", metrics.text());
    drop(bombs);
    wait_until("the compilers' end", || compilers(&host).is_empty());
}

#[test]
fn half_sent_uploads_stay_within_bounds_and_go_away_with_their_client() {
    let data = tempfile::tempdir().unwrap();
    let host = Host::start(data.path());
    let client = host.client();
    for tenant in 0..10 {
        client.put(&format!("/v1/tenants/t{tenant}"), "").json(201);
    }
    let half = vec![0; 4 * MIB as usize];
    let begun: Vec<_> =
        (0..200).map(|number| begin_upload(&host, &format!("t{}", number % 10), 8 * MIB as usize, &half)).collect();
    let open = || {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", host.id())).unwrap();
        let names = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        names.filter(|name| name.to_string_lossy().contains("/uploads/")).count()
    };
    wait_until("the bound", || open() == UPLOADS_MAX);
    let refused = client.put("/v1/t0/domains", "x").problem(429, "busy");
    let limit = refused["limit_name"].as_str().unwrap();
    assert!(matches!(limit, "uploads_max" | "uploads_per_tenant_max"), "{refused}");
    let status = host.process_status();
    let resident_kb: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
        .expect("Linux says how much memory a process holds");
    assert!(resident_kb < 400 * 1024, "{resident_kb} kB");
    drop(begun);
    wait_until("the end of all uploads", || open() == 0);
    client.deploy("orders");
    assert_eq!(UPLOADS_PER_TENANT_MAX, 4, "else other tenants than these are needed to reach the bound in all");
}
