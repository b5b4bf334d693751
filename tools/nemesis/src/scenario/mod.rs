//! The scenarios: what the workers do, and the faults.

mod clocks;
mod clusters;
mod failover;
mod processes;
mod refusals;
mod restarts;
mod sentinels;
mod servers;
mod wires;

pub(crate) use processes::freeze;
pub(crate) use restarts::forget_all;
pub(crate) use wires::late;

use std::path::Path;

use dspinlock_testkit::Server;
use fastrand::Rng;

use crate::Fallible;
use crate::check::{self, Evidence, Verdict};
use crate::clock::ms;
use crate::faults::Entry;
use crate::history::What;
use crate::rig::{Plan, Rig};
use crate::worker::{Mix, Style};

/// These options, unless the server does not know them: before 7.0 it always allows `DEBUG` and what it is used with.
fn debugging(options: &[&'static str]) -> Vec<&'static str> {
    if Server::try_start_with(options).is_ok() { options.to_vec() } else { Vec::new() }
}

/// Causes faults until the time is over, and ends them.
pub(crate) type Faults = fn(&mut Rig, &mut Rng) -> Fallible<()>;

pub(crate) struct Scenario {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The change of the usual plan.
    pub(crate) plan: fn(&mut Plan),
    pub(crate) faults: Faults,
    /// A run with fewer grants in 20 seconds proves nothing.
    pub(crate) grants: u64,
    /// Outcomes that some callers must have had, for the same reason.
    pub(crate) outcomes: &'static [&'static str],
}

/// A run with fewer faults in 20 seconds proves nothing.
pub(crate) const LEAST_FAULTS: u64 = 20;

pub(crate) static ALL: [Scenario; 15] = [
    Scenario {
        number: 1,
        name: "cut",
        about: "the connection is cut after a request and before its reply; requests are late, or are done twice",
        plan: |_| {},
        faults: wires::cuts,
        grants: 1_000,
        outcomes: &[],
    },
    Scenario {
        number: 2,
        name: "freeze",
        about: "a process is stopped for 1.5 to 3 leases",
        plan: |plan| plan.mix.long = 200,
        faults: freeze,
        grants: 400,
        outcomes: &[],
    },
    Scenario {
        number: 3,
        name: "drop",
        about: "futures are dropped at any await, bodies panic, runtimes are shut down",
        plan: |plan| {
            plan.styles = vec![Style::Async, Style::Async, Style::Blocking, Style::Mixed, Style::Cached];
            plan.mix = Mix { cancels: 300, panics: 100, shutdowns: true, cached: 200, ..plan.mix.clone() };
        },
        faults: processes::nothing,
        grants: 1_000,
        outcomes: &[],
    },
    Scenario {
        number: 4,
        name: "kill",
        about: "a process is killed, mostly while it holds something",
        plan: |plan| plan.mix = Mix { dies: 10, long: 100, ..plan.mix.clone() },
        faults: processes::kill,
        grants: 400,
        outcomes: &[],
    },
    Scenario {
        number: 5,
        name: "partition",
        about: "requests, replies or both are held back, arrive later or never",
        plan: |plan| plan.mix.long = 100,
        faults: wires::partitions,
        grants: 400,
        outcomes: &[],
    },
    Scenario {
        number: 6,
        name: "failover",
        about: "a replica that has not heard the latest is promoted",
        plan: |plan| {
            plan.server = failover::SERVER.to_vec();
            plan.mix.long = 250;
        },
        faults: failover::failovers,
        grants: 200,
        outcomes: &[],
    },
    Scenario {
        number: 7,
        name: "restart",
        about: "the server is killed and comes back with or without its data, is flushed, or a key is deleted",
        plan: |plan| {
            plan.server = vec!["--appendonly", "yes", "--appendfsync", "always"];
            plan.mix.long = 60;
        },
        faults: restarts::restarts,
        grants: 400,
        outcomes: &[],
    },
    Scenario {
        number: 8,
        name: "slow",
        about: "the server is stopped, sleeps, is busy with a script, or the wire takes 64 kbit a second",
        plan: |plan| plan.server = debugging(&["--enable-debug-command", "yes"]),
        faults: servers::slow,
        grants: 400,
        outcomes: &[],
    },
    Scenario {
        number: 9,
        name: "values",
        about: "a process dies or is stopped between computing a value and publishing it; replies are cut",
        plan: |plan| {
            plan.styles = vec![Style::Cached; 5];
            plan.mix = Mix { dies: 30, fails: 60, long: 60, ..plan.mix.clone() };
        },
        faults: processes::publishers,
        grants: 100,
        outcomes: &[],
    },
    Scenario {
        number: 10,
        name: "refusals",
        about: "OOM, MISCONF, NOREPLICAS, READONLY, LOADING, NOSCRIPT, NOPERM, and too many clients",
        plan: |plan| {
            plan.server = refusals::server();
        },
        faults: refusals::refusals,
        grants: 400,
        outcomes: &[],
    },
    Scenario {
        number: 11,
        name: "clocks",
        about: "the server's clock jumps by an hour, forward and back",
        plan: |_| {},
        faults: clocks::jumps,
        grants: 400,
        outcomes: &[],
    },
    Scenario {
        number: 12,
        name: "soak",
        about: "a bit of everything: 10,000 keys, one pooled connection, eviction",
        plan: |plan| {
            plan.pool = 1;
            plan.mix = Mix { keys: 10_000, cancels: 20, pause: ms(2), ..plan.mix.clone() };
        },
        faults: servers::soak,
        grants: 1_000,
        outcomes: &[],
    },
    Scenario {
        number: 13,
        name: "caches",
        about: "values expire, are forgotten, copied, computed ahead, stale or failures; callers fail, panic, give up and die",
        plan: |plan| {
            plan.styles = vec![Style::Mixed; 5];
            let mix = Mix { caches: 850, fails: 150, panics: 80, dies: 12, cancels: 300, ..plan.mix.clone() };
            plan.mix = mix;
        },
        faults: processes::nothing,
        grants: 1_000,
        outcomes: &[
            "value",
            "value-of-another-process",
            "leader-failed",
            "own",
            "contended",
            "dropped",
            "died",
            "forgot",
            "ok",
        ],
    },
    Scenario {
        number: 14,
        name: "cluster",
        about: "the slots of a cluster move while their locks are held and waited for, and its primaries are killed",
        plan: |plan| {
            plan.cluster = true;
            plan.mix.keys = 6;
        },
        faults: clusters::clusters,
        grants: 400,
        outcomes: &[],
    },
    Scenario {
        number: 15,
        name: "sentinel",
        about: "sentinels replace a primary that is killed, or by command while it goes on; sentinels are stopped",
        plan: |plan| {
            plan.sentinels = true;
            plan.mix.long = 250;
        },
        faults: sentinels::failovers,
        grants: 200,
        outcomes: &[],
    },
];

/// The usual plan.
pub(crate) fn usual(seed: u64, seconds: u64) -> Plan {
    Plan {
        seed,
        seconds,
        styles: vec![Style::Async, Style::Async, Style::Blocking, Style::Mixed, Style::Cached],
        mix: Mix::default(),
        pool: 4,
        server: Vec::new(),
        cluster: false,
        sentinels: false,
        sabotage: None,
        stubborn: false,
    }
}

/// The result of one run.
pub(crate) struct Outcome {
    pub(crate) evidence: Evidence,
    pub(crate) verdict: Verdict,
    pub(crate) faults: u64,
}

/// Runs a plan with faults, and checks what happened.
///
/// # Errors
/// If something that is not under test fails.
pub(crate) fn run(plan: Plan, faults: Faults, dir: &Path) -> Fallible<Outcome> {
    let mut dice = Rng::with_seed(plan.seed.wrapping_mul(7_919));
    let mut rig = Rig::start(plan, dir)?;
    // All workers run before the first fault.
    rig.pass(300)?;
    faults(&mut rig, &mut dice)?;
    let (evidence, mut wrong) = rig.finish()?;
    let mut verdict = check::check(&evidence);
    verdict.violations.append(&mut wrong);
    let faults = fired(&evidence);
    Ok(Outcome { evidence, verdict, faults })
}

/// The number of faults: those of the controller, deaths, and calls that were dropped or panicked.
fn fired(evidence: &Evidence) -> u64 {
    let entries = evidence
        .entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Fault(_) | Entry::Death { .. }))
        .count();
    let dropped = |what: &What| matches!(what, What::Info { kind } if kind == "dropped");
    let dropped = evidence.events.iter().filter(|event| dropped(&event.what)).count();
    u64::try_from(entries + dropped).unwrap_or_default()
}
