//! The controls: locks without a part of the protocol, and py-dspinlock. A checker that misses them proves nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dspinlock_testkit::{Child, Proxy, Server, Verdict};
use fastrand::Rng;

use crate::Fallible;
use crate::check::{self, Property, Violation};
use crate::clock::now;
use crate::history;
use crate::rig::{Plan, gather};
use crate::scenario::{self, Faults, Outcome};
use crate::wire::Sabotage;

/// How many seeds a control is run with before it counts as not caught.
pub(crate) const TRIES: u64 = 4;

pub(crate) struct Control {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The property that it violates.
    pub(crate) property: Property,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// A change of the usual plan, and the faults that reveal it.
    Sabotage(fn(&mut Plan), Faults),
    Python,
}

pub(crate) static ALL: [Control; 5] = [
    Control {
        name: "no-tags",
        about: "release, abandon and renew do not look whose record it is",
        property: Property::P3,
        kind: Kind::Sabotage(
            |plan| {
                plan.sabotage = Some(Sabotage::Tags);
                plan.mix.long = 300;
            },
            scenario::freeze,
        ),
    },
    Control {
        name: "no-deadline",
        about: "holders go on beyond the deadline that they know of",
        property: Property::P7,
        kind: Kind::Sabotage(
            |plan| {
                plan.stubborn = true;
                plan.mix.long = 300;
            },
            scenario::freeze,
        ),
    },
    Control {
        name: "no-not-after",
        about: "the server takes requests however late they are",
        property: Property::P6,
        kind: Kind::Sabotage(|plan| plan.sabotage = Some(Sabotage::NotAfter), scenario::late),
    },
    Control {
        name: "bare-counter",
        about: "the next fencing token is the last one and one, and a restart forgets the last one",
        property: Property::P2,
        kind: Kind::Sabotage(|plan| plan.sabotage = Some(Sabotage::BareCounter), scenario::forget_all),
    },
    Control {
        name: "py-dspinlock",
        about: "py-dspinlock 0.3.1 itself, whose SET needs no check",
        property: Property::P1,
        kind: Kind::Python,
    },
];

impl Control {
    /// Runs it once.
    ///
    /// # Errors
    /// If something other than the control fails.
    pub(crate) fn run(&self, seed: u64, seconds: u64, dir: &Path) -> Fallible<Outcome> {
        match &self.kind {
            Kind::Sabotage(change, faults) => {
                let mut plan = scenario::usual(seed, seconds);
                change(&mut plan);
                scenario::run(plan, *faults, dir)
            }
            Kind::Python => python(seed, seconds, dir),
        }
    }

    pub(crate) fn caught(&self, verdict: &check::Verdict) -> Option<Violation> {
        verdict.violations.iter().find(|violation| violation.property == self.property).cloned()
    }
}

const WORKER: &str = include_str!("python/worker.py");

/// A Python worker that is silent for this much longer than its task takes hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// How many Python processes lock one key.
const PROCESSES: u32 = 3;

fn python(seed: u64, seconds: u64, dir: &Path) -> Fallible<Outcome> {
    let interpreter = interpreter()?;
    std::fs::create_dir_all(dir)?;
    let server = Server::try_start()?;
    // Some requests are late, as on a network that loses packets. Meanwhile other processes make several requests.
    let dice = Mutex::new(Rng::with_seed(seed));
    let proxy = Proxy::start_editing(([127, 0, 0, 1], server.port()).into(), move |_| {
        let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
        let late = if dice.u32(..5) == 0 { dice.u64(8_000..25_000) } else { dice.u64(..400) };
        Verdict::Late(Duration::from_micros(late))
    });
    let port = proxy.address().port().to_string();
    let start = |process: u32| -> Fallible<Child> {
        let history = dir.join(format!("worker-{process}.jsonl"));
        let mut command = Command::new(&interpreter);
        command.args(["-c", WORKER, &port]).arg(history).args([process.to_string(), seed.to_string()]);
        Ok(Child::start(&mut command)?)
    };
    let mut workers = (0..PROCESSES).map(start).collect::<Fallible<Vec<_>>>()?;
    for worker in &mut workers {
        let said = worker.hear(LIMIT)?;
        if said != "ready" {
            return Err(format!("the Python worker says {said:?} in place of \"ready\"").into());
        }
    }
    let until = now() + seconds * 1_000_000;
    for worker in &mut workers {
        worker.say(&until.to_string())?;
    }
    for worker in &mut workers {
        let ended = worker.wait(LIMIT + Duration::from_secs(seconds))?;
        if !ended.status.success() {
            return Err(format!("the Python worker has failed: {ended}").into());
        }
    }
    drop(history::Log::open(&dir.join("faults.jsonl"), 0)?);
    let evidence = gather(dir, Vec::new())?;
    let verdict = check::check(&evidence);
    Ok(Outcome { evidence, verdict, faults: 0 })
}

/// A Python that has py-dspinlock.
///
/// # Errors
/// If there is none, with advice.
pub(crate) fn interpreter() -> Fallible<PathBuf> {
    let named = std::env::var_os("DSPINLOCK_PYTHON").filter(|named| !named.is_empty()).map(PathBuf::from);
    let python = named.unwrap_or_else(|| PathBuf::from(".venv/bin/python"));
    let imports = Command::new(&python)
        .args(["-c", "import dspinlock, redis"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if imports {
        return Ok(python);
    }
    Err(format!(
        "{} is no Python with py-dspinlock, which is one of the controls: `scripts/test --setup` makes one in .venv, \
         DSPINLOCK_PYTHON names another one, and --no-python leaves this control out",
        python.display()
    )
    .into())
}
