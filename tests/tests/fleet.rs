//! The main example, run as a user runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::{env, fs};

use dspinlock_testkit::Server;
use serde_json::Value;

/// The example's binary, built by the cargo that runs this test.
fn example() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "dspinlock-fleet", "--example", "fleet"])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        String::from_utf8(built.stdout)
            .expect("cargo speaks UTF-8")
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == "fleet")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo names the binary")
    })
}

/// A run of 2 × 6 callers over a small directory. It finds no server unless the test names one.
struct Run {
    dir: PathBuf,
    command: Command,
}

impl Run {
    fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fleet-{name}"));
        // Left by an earlier run.
        let _ = fs::remove_dir_all(&dir);
        let tree = dir.join("tree");
        fs::create_dir_all(tree.join("sub")).unwrap();
        fs::create_dir_all(tree.join("cache")).unwrap();
        fs::write(tree.join("abc.txt"), "abc").unwrap();
        fs::write(tree.join("sub/empty"), "").unwrap();
        fs::write(tree.join("cache/CACHEDIR.TAG"), "").unwrap();
        let mut command = Command::new(example());
        command.env_remove("DSPINLOCK_URL").env("PATH", &dir);
        command.args(["--processes", "2", "--callers", "6", "--path"]).arg(tree);
        command.arg("--out").arg(dir.join("out"));
        Self { dir, command }
    }

    /// The output, its last line read as JSON, and that line itself.
    fn figures(&mut self) -> (Output, BTreeMap<String, Value>, String) {
        let output = self.command.output().unwrap();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let last = text.lines().last().unwrap_or_default().to_owned();
        let figures = serde_json::from_str(&last).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (output, figures, last)
    }
}

fn check(figures: &BTreeMap<String, Value>, expected: &[(&str, u64)]) {
    for (name, value) in expected {
        assert_eq!(figures[*name], *value, "{name} in {figures:?}");
    }
}

#[test]
fn one_caller_of_two_processes_computes_on_a_private_server() {
    assert!(Server::find().is_some(), "redis-server or valkey-server has to be on the PATH");
    let mut run = Run::new("private");
    run.command.env("PATH", env::var_os("PATH").unwrap()).arg("--svg").arg(run.dir.join("timeline.svg"));
    let (output, figures, last) = run.figures();
    assert!(output.status.success(), "{output:?}");
    let expected = concat!(
        r#"{"processes":2,"callers":12,"starts":1,"computations":1,"skipped":0,"#,
        r#""served":11,"errors":0,"overlaps":0,"commands":"#,
    );
    assert!(last.starts_with(expected), "{last}");
    assert!(last.ends_with(r#","backend":"redis"}"#), "{last}");
    let commands = figures["commands"].as_u64().unwrap();
    assert!(commands >= 3, "each process asks, and one says that it has computed: {last}");
    // Connecting is not counted. Without the library, each of twelve callers would send at least two commands.
    assert!(commands < 2 * 12, "{last}");
    assert!(figures["seconds"].as_f64() > Some(0.0), "{last}");

    let report: Value = serde_json::from_slice(&fs::read(run.dir.join("out/report.json")).unwrap()).unwrap();
    assert_eq!((&report["count"], &report["bytes"]), (&2.into(), &3.into()));
    assert_eq!(report["files"][0]["path"], "abc.txt");
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(report["files"][0]["sha256"], abc);
    assert_eq!(report["files"][1]["path"], "sub/empty");

    let svg = fs::read_to_string(run.dir.join("timeline.svg")).unwrap();
    for part in ["<svg", "12 callers in 2 processes", "process 1", "waiting", "computing", "(ms)", "</svg>"] {
        assert!(svg.contains(part), "no {part} in the picture");
    }
    let log = fs::read_to_string(run.dir.join("out/computations.log")).unwrap();
    let digest = report["sha256"].as_str().unwrap();
    assert_eq!(log.lines().filter(|line| line.ends_with(&format!(" return {digest}"))).count(), 12);
}

/// The times in the log at which `event` happened, in seconds.
fn times(log: &str, event: &str) -> Vec<f64> {
    let lines = log.lines().filter(|line| line.split(' ').nth(4) == Some(event));
    lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn another_process_takes_over_from_a_leader_that_is_killed() {
    let server = Server::start();
    // With so many volatile keys the server takes minutes to announce an expiry.
    let script = "for i = 1, 100000 do redis.call('SET', 'other' .. i, 1, 'EX', 3600) end";
    server.command(&["EVAL", script, "0"]);
    let mut run = Run::new("kill");
    run.command.args(["--kill-leader", "--redis", &server.url()]);
    let (output, figures, _) = run.figures();
    assert!(output.status.success(), "{output:?}");
    check(
        &figures,
        &[("starts", 2), ("computations", 1), ("skipped", 0), ("served", 5), ("errors", 0), ("overlaps", 0)],
    );
    let log = fs::read_to_string(run.dir.join("out/computations.log")).unwrap();
    // The lease of two seconds counts from its last renewal. A busy machine may take longer, but the announcement of the
    // expiry would come much later still.
    let (killed, last) = (times(&log, "gone")[0], *times(&log, "return").last().unwrap());
    assert!(last - killed < 20.0, "the last caller waited {} s", last - killed);
    assert_eq!(times(&log, "return").len(), 6);
}

#[test]
fn in_lock_mode_everybody_computes_one_at_a_time() {
    let server = Server::start();
    let mut run = Run::new("lock");
    run.command.args(["--mode", "lock", "--redis", &server.url()]);
    let (output, figures, _) = run.figures();
    assert!(output.status.success(), "{output:?}");
    check(&figures, &[("starts", 12), ("computations", 12), ("served", 0), ("errors", 0), ("overlaps", 0)]);
}

#[test]
fn the_environment_names_the_server_and_a_later_run_computes_again() {
    let server = Server::start();
    for _ in 0..2 {
        let mut run = Run::new("environment");
        run.command.env("DSPINLOCK_URL", server.url());
        let (output, figures, _) = run.figures();
        assert!(output.status.success(), "{output:?}");
        check(&figures, &[("processes", 2), ("computations", 1), ("served", 11), ("errors", 0)]);
        assert_eq!(figures["backend"], "redis");
    }
}

#[test]
fn without_a_server_all_callers_are_in_one_process_and_it_says_so() {
    let (output, figures, _) = Run::new("memory").figures();
    assert!(output.status.success(), "{output:?}");
    check(
        &figures,
        &[("processes", 1), ("callers", 12), ("computations", 1), ("served", 11), ("commands", 0)],
    );
    assert_eq!(figures["backend"], "memory");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("memory store") && text.contains("no redis-server"), "{text}");
}

#[test]
fn errors_are_counted_and_make_it_fail() {
    // A full server refuses writes, and so all locks.
    let server = Server::start_with(&["--maxmemory", "1"]);
    let mut run = Run::new("errors");
    run.command.args(["--redis", &server.url()]);
    let (output, figures, _) = run.figures();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    check(&figures, &[("starts", 0), ("computations", 0), ("served", 0), ("errors", 12)]);
    assert!(!run.dir.join("out/report.json").exists());
}

#[test]
fn a_server_that_is_not_there_is_reported_at_once() {
    let server = Server::start();
    server.kill();
    let output = Run::new("unreachable").command.args(["--redis", &server.url()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--redis"), "{output:?}");
}

#[test]
fn a_wrong_option_is_refused() {
    let alone = ["--kill-leader", "--processes=1"];
    for wrong in [["--processes", "0"], ["--mode", "once"], ["--colour", "red"], alone] {
        let output = Command::new(example()).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--help"), "{output:?}");
    }
}
