//! The servers, the wires and the processes of one run, and the faults that can be done to them.

mod traces;
mod watchdog;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dspinlock_testkit::{Child, Cluster, Ended, Proxy, Sentinels, Server, this_program};
use rustix::process::Signal;

use crate::Fallible;
use crate::check::{Evidence, Property, Violation};
use crate::clock::{ms, now, sleep_until};
use crate::faults::{Entry, FaultLog, Loss, SLOTS};
use crate::truth::{Monitor, NODES};
use crate::wire::{Sabotage, Wire};
use crate::worker::{Job, Mix, Style, WORKER};
use traces::accepted;
pub(crate) use traces::{gather, names};
use watchdog::Watchdog;

/// After this time a node of a cluster takes over from another one that is silent.
const SILENCE: Duration = Duration::from_millis(700);

/// A worker that runs this long after the end hangs.
const LAST_CALLS: u64 = 20_000_000;

/// The settings of one run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) styles: Vec<Style>,
    pub(crate) mix: Mix,
    pub(crate) pool: usize,
    pub(crate) server: Vec<&'static str>,
    /// Workers use a cluster, past the wires: its nodes tell them where they are.
    pub(crate) cluster: bool,
    /// Whether the server is a primary that sentinels watch. Workers reach it by them, and not by the wires.
    pub(crate) sentinels: bool,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) stubborn: bool,
}

/// The place of a worker: one wire, and one process after the other.
pub(crate) struct Desk {
    pub(crate) slot: u32,
    pub(crate) proxy: Proxy,
    pub(crate) wire: Arc<Wire>,
    style: Style,
    generation: u32,
    child: Option<Child>,
}

impl Desk {
    fn process(&self) -> u32 {
        self.slot + self.generation * SLOTS
    }
}

pub(crate) struct Rig {
    pub(crate) log: FaultLog,
    pub(crate) servers: Vec<Server>,
    pub(crate) cluster: Option<Arc<Cluster>>,
    /// The sentinels of the servers, if they have some.
    pub(crate) sentinels: Option<Sentinels>,
    /// The index of the server that workers use.
    pub(crate) current: usize,
    pub(crate) desks: Vec<Desk>,
    pub(crate) until: u64,
    plan: Plan,
    dir: PathBuf,
    register: Server,
    monitors: Vec<Option<Monitor>>,
    watchdog: Watchdog,
    /// When the server was killed last.
    blind_from: u64,
    wrong: Vec<Violation>,
}

impl Rig {
    /// Starts the servers and the workers, which begin at once.
    ///
    /// # Errors
    /// If there is no server, or a process does not start.
    pub(crate) fn start(plan: Plan, dir: &Path) -> Fallible<Self> {
        fs::create_dir_all(dir)?;
        let log = FaultLog::open(&dir.join("faults.jsonl"))?;
        let (servers, sentinels) = if plan.sentinels {
            let mut sentinels = Sentinels::try_start_with(&plan.server, &[])?;
            (std::mem::take(&mut sentinels.servers), Some(sentinels))
        } else {
            (vec![Server::try_start_with(&plan.server)?], None)
        };
        let register = Server::try_start()?;
        let mut rig = Self {
            until: 0,
            current: 0,
            desks: Vec::new(),
            monitors: Vec::new(),
            watchdog: Watchdog::start(log.clone()),
            blind_from: 0,
            wrong: Vec::new(),
            servers,
            cluster: plan.cluster.then(|| Arc::new(Cluster::start_with(3, 1, SILENCE))),
            sentinels,
            dir: dir.to_owned(),
            register,
            log,
            plan,
        };
        for server in rig.in_use() {
            rig.attach(server)?;
        }
        let target = rig.target();
        for (slot, style) in (0..).zip(rig.plan.styles.clone()) {
            let wire = Arc::new(Wire::new(slot, rig.log.clone(), rig.plan.sabotage));
            let editor = Arc::clone(&wire);
            let proxy = Proxy::start_editing(target, move |words| editor.edit(words));
            rig.desks.push(Desk { slot, proxy, wire, style, generation: 0, child: None });
        }
        rig.until = now() + rig.plan.seconds * 1_000_000;
        for slot in 0..rig.desks.len() {
            rig.spawn(slot)?;
        }
        Ok(rig)
    }

    fn target(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.server().port()).into()
    }

    /// The servers that have locks at present: their numbers.
    fn in_use(&self) -> Vec<usize> {
        self.cluster.as_ref().map_or_else(|| vec![self.current], |cluster| cluster.primaries())
    }

    fn numbered(&self, server: usize) -> &Server {
        self.cluster.as_ref().map_or_else(|| &self.servers[server], |cluster| &cluster.nodes()[server])
    }

    pub(crate) fn server(&self) -> &Server {
        &self.servers[self.current]
    }

    fn spawn(&mut self, slot: usize) -> Fallible<()> {
        let desk = &mut self.desks[slot];
        let process = desk.process();
        let job = Job {
            url: match (&self.cluster, &self.sentinels) {
                (Some(cluster), _) => cluster.url(),
                (None, Some(sentinels)) => sentinels.url(),
                (None, None) => desk.proxy.url(),
            },
            register: self.register.port(),
            log: self.dir.join(format!("worker-{process}.jsonl")),
            process,
            seed: self.plan.seed.wrapping_mul(1_009).wrapping_add(u64::from(process)),
            until: self.until,
            style: desk.style,
            mix: self.plan.mix.clone(),
            stubborn: self.plan.stubborn,
            pool: self.plan.pool,
        };
        desk.child = Some(Child::start(this_program().arg(WORKER).arg(serde_json::to_string(&job)?))?);
        Ok(())
    }

    /// Whether there is time for another fault and its consequences.
    pub(crate) fn goes_on(&self) -> bool {
        now() + 300_000 < self.until
    }

    /// Waits, and replaces workers that have died.
    ///
    /// # Errors
    /// If a process does not start.
    pub(crate) fn pass(&mut self, millis: u64) -> Fallible<()> {
        let until = now() + millis * 1_000;
        while now() < until {
            sleep_until(until.min(now() + 10_000));
            for slot in 0..self.desks.len() {
                let ended = self.desks[slot].child.as_mut().map(Child::try_wait).transpose()?.flatten();
                if let Some(ended) = ended {
                    self.bury(slot, &ended);
                    if self.goes_on() {
                        self.desks[slot].generation += 1;
                        self.spawn(slot)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Logs that a worker has ended early.
    fn bury(&mut self, slot: usize, ended: &Ended) {
        let desk = &mut self.desks[slot];
        desk.child = None;
        let process = desk.process();
        if ended.status.signal() == Some(Signal::KILL.as_raw()) {
            self.log.write(&Entry::Death { process, at: now() });
        } else if !ended.status.success() {
            let text = format!("process {process} has failed: {ended}");
            self.wrong.push(Violation::new(Property::Typed, now(), 0, text));
        }
    }

    /// Kills a worker and starts another in its place.
    ///
    /// # Errors
    /// If it can't be killed.
    pub(crate) fn kill_worker(&mut self, slot: usize) -> Fallible<()> {
        if let Some(mut child) = self.desks[slot].child.take() {
            self.bury(slot, &child.kill()?);
            self.desks[slot].generation += 1;
            self.spawn(slot)?;
        }
        Ok(())
    }

    /// Stops a worker for some time, wherever it is.
    ///
    /// # Errors
    /// If it can't be signalled.
    pub(crate) fn freeze_worker(&mut self, slot: usize, millis: u64) -> Fallible<()> {
        let from = now();
        if let Some(child) = &self.desks[slot].child {
            child.stop()?;
            thread::sleep(ms(millis));
            child.resume()?;
        }
        self.log.fired("freeze", from, Some(self.desks[slot].slot), Loss::Nothing, true);
        Ok(())
    }

    /// Starts to monitor a server.
    ///
    /// # Errors
    /// If it can't be reached.
    pub(crate) fn attach(&mut self, server: usize) -> Fallible<()> {
        let file = self.dir.join("facts.jsonl");
        let servers = self.cluster.as_ref().map_or(self.servers.len(), |cluster| cluster.nodes().len());
        self.monitors.resize_with(servers, || None);
        let number = u32::try_from(server)? + if self.cluster.is_some() { NODES } else { 0 };
        self.monitors[server] = Some(Monitor::attach(self.numbered(server), number, &file)?);
        Ok(())
    }

    /// Kills a primary of the cluster, and waits until its replica has taken over.
    ///
    /// # Errors
    /// If the replica can't be reached.
    pub(crate) fn fail_over(&mut self, cluster: &Cluster, primary: usize) -> Fallible<()> {
        self.blind_from = now();
        let replacement = cluster.fail_over(primary);
        if let Some(monitor) = self.monitors[primary].take() {
            monitor.join();
        }
        self.attach(replacement)?;
        self.log.write(&Entry::Blind { from: self.blind_from, to: now() });
        Ok(())
    }

    /// Ends the monitor of a server that is about to become a replica: from then on it repeats what its primary does.
    ///
    /// # Errors
    /// If it can't be reached.
    pub(crate) fn detach(&mut self, server: usize) -> Fallible<()> {
        if let Some(monitor) = self.monitors[server].take() {
            monitor.finish(&self.servers[server])?;
        }
        Ok(())
    }

    /// Kills the current server. No worker reaches it until [`Rig::let_in`].
    pub(crate) fn kill_server(&mut self) {
        for desk in &self.desks {
            desk.proxy.refuse(true);
        }
        self.blind_from = now();
        self.server().kill();
        if let Some(monitor) = self.monitors[self.current].take() {
            monitor.join();
        }
        for desk in &self.desks {
            desk.proxy.cut_all();
        }
    }

    /// Monitors the current server, and lets the workers connect to it.
    ///
    /// # Errors
    /// If it can't be reached.
    pub(crate) fn let_in(&mut self) -> Fallible<()> {
        self.attach(self.current)?;
        self.log.write(&Entry::Blind { from: self.blind_from, to: now() });
        let target = self.target();
        for desk in &self.desks {
            desk.proxy.retarget(target);
            desk.proxy.refuse(false);
        }
        Ok(())
    }

    /// Waits for the end, and gathers the evidence.
    ///
    /// # Errors
    /// If a file can't be read, or the server can't be reached.
    pub(crate) fn finish(mut self) -> Fallible<(Evidence, Vec<Violation>)> {
        self.pass(self.until.saturating_sub(now()) / 1_000)?;
        self.await_workers()?;
        self.watchdog.stop();
        self.await_free()?;
        for server in self.in_use() {
            if let Some(monitor) = self.monitors[server].take() {
                monitor.finish(self.numbered(server))?;
            }
        }
        let accepted = accepted(&mut self.register.connect()?)?;
        let wrong = std::mem::take(&mut self.wrong);
        Ok((gather(&self.dir, accepted)?, wrong))
    }

    fn await_workers(&mut self) -> Fallible<()> {
        for slot in 0..self.desks.len() {
            while let Some(child) = &mut self.desks[slot].child {
                if let Some(ended) = child.try_wait()? {
                    self.bury(slot, &ended);
                } else if now() > self.until + LAST_CALLS {
                    let process = self.desks[slot].process();
                    let text = format!("process {process} hangs");
                    self.wrong.push(Violation::new(Property::Typed, now(), 0, text));
                    if let Some(mut child) = self.desks[slot].child.take() {
                        child.kill()?;
                    }
                } else {
                    thread::sleep(ms(5));
                }
            }
        }
        Ok(())
    }

    /// No key stays BLOCKED after all workers have ended.
    fn await_free(&mut self) -> Fallible<()> {
        let given_up = now() + 5_000_000;
        loop {
            let mut blocked = Vec::new();
            for server in self.in_use() {
                blocked.append(&mut traces::blocked(&mut self.numbered(server).connect()?)?);
            }
            if blocked.is_empty() {
                return Ok(());
            }
            if now() > given_up {
                let text = format!("still BLOCKED after all workers have ended: {}", blocked.join(" "));
                self.wrong.push(Violation::new(Property::P4, now(), 0, text));
                return Ok(());
            }
            thread::sleep(ms(20));
        }
    }
}
