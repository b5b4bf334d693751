//! The parent's side of a round: its server, its processes, and an eye on those that hang.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use dspinlock_testkit::{Reply, Server};
use dspinlock_tests::ms;

use crate::history::History;
use crate::log::now;
use crate::worker::Job;

const PROCESSES: u64 = 3;

/// How long after its end every caller must have returned: the longest budget, and time for a machine with much to do.
const PATIENCE: u64 = 15_000_000;

pub(crate) struct Round {
    server: Server,
    dir: PathBuf,
    seed: u64,
    until: u64,
    started: u64,
    /// The process that is to be killed.
    mortal: Option<u32>,
}

impl Round {
    pub(crate) fn start(seed: u64, seconds: u64) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stress-{}-{seed}", process::id()));
        // What an earlier run has left.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self {
            server: Server::start(),
            dir,
            seed,
            until: now() + seconds * 1_000_000,
            started: 0,
            mortal: None,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    /// Removes what a round that went well has left.
    pub(crate) fn clean(&self) {
        fs::remove_dir_all(&self.dir).unwrap();
    }

    /// Runs the processes to their end; who is killed has a successor.
    pub(crate) fn run(&mut self) {
        let mut workers: Vec<_> = (0..PROCESSES).map(|_| self.worker()).collect();
        while !workers.is_empty() {
            if now() > self.until + PATIENCE {
                let report = self.report(&workers);
                for worker in &mut workers {
                    // Those that have ended meanwhile need no more.
                    let _ = worker.kill();
                }
                panic!("DSPINLOCK_SEED={}: some hang\n{report}", self.seed);
            }
            let mut left = Vec::new();
            for mut worker in workers {
                match worker.try_wait().unwrap() {
                    None => left.push(worker),
                    Some(status) if status.success() => {}
                    Some(status) if status.code().is_some() => {
                        let said = fs::read_to_string(self.dir.join(format!("said-{}", worker.id())));
                        panic!(
                            "DSPINLOCK_SEED={}: a worker failed, {status}:\n{}",
                            self.seed,
                            said.unwrap_or_default()
                        );
                    }
                    Some(_) => {
                        self.mortal.take_if(|mortal| *mortal == worker.id());
                        if now() < self.until {
                            left.push(self.worker());
                        }
                    }
                }
            }
            workers = left;
            thread::sleep(ms(5));
        }
    }

    fn worker(&mut self) -> Child {
        self.started += 1;
        let seed = self.seed.wrapping_mul(1_009).wrapping_add(self.started);
        // One at a time, and those that live on see to the others' callers.
        let mortal = if self.mortal.is_none() && self.seed % 3 != 2 {
            fastrand::Rng::with_seed(seed).u64(800_000..1_800_000)
        } else {
            u64::MAX / 2
        };
        let mortal_from = now() + mortal;
        let job = Job { url: self.server.url(), log: self.path(), seed, until: self.until, mortal_from };
        let (name, value) = job.variable();
        let said = self.dir.join("said");
        let output = fs::File::create(&said).unwrap();
        let worker = Command::new(env::current_exe().unwrap())
            .args(["--exact", "whatever_happens_callers_get_the_right_value_in_time", "--nocapture"])
            .env(name, value)
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .unwrap();
        self.mortal.get_or_insert(worker.id());
        fs::rename(said, self.dir.join(format!("said-{}", worker.id()))).unwrap();
        worker
    }

    /// Who hangs, where their threads are, and what happened last.
    fn report(&self, workers: &[Child]) -> String {
        let (log, mut report) = (self.log(), String::new());
        let open = History::read(&log).callers;
        for caller in open.iter().filter(|caller| workers.iter().any(|worker| worker.id() == caller.process))
        {
            if caller.returned.is_none() {
                let _ = writeln!(report, "for {} ms: {caller:?}", (now() - caller.start) / 1_000);
            }
        }
        for worker in workers {
            for thread in fs::read_dir(format!("/proc/{}/task", worker.id())).into_iter().flatten().flatten()
            {
                let read = |name| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
                let _ = writeln!(report, "{}: {} {}", worker.id(), read("comm").trim(), read("wchan"));
            }
        }
        let lines: Vec<_> = log.lines().collect();
        report + &lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// All locks and marks are given back, those of the killed with their leases.
    pub(crate) fn assert_nothing_is_blocked(&self) {
        let started = Instant::now();
        loop {
            let Reply::List(keys) = self.server.command(&["KEYS", "*"]) else {
                panic!("KEYS answers a list")
            };
            let keys = keys.iter().filter_map(|key| key.text().map(ToOwned::to_owned));
            let is_blocked = |key: &String| {
                self.server.command(&["GET", key]).text().is_some_and(|value| value.ends_with(",0"))
            };
            let blocked: Vec<_> = keys.filter(is_blocked).collect();
            if blocked.is_empty() {
                return;
            }
            let seed = self.seed;
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "DSPINLOCK_SEED={seed}: still BLOCKED: {blocked:?}"
            );
            thread::sleep(ms(20));
        }
    }
}
