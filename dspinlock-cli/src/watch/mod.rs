//! `watch`: a live screen. Known locks are read at each look, and the keys of the server are gone through a part at a time, so that
//! a look costs the server the same however many keys it has.

mod model;
mod screen;

use crate::args::Watch as WatchArgs;
use crate::exit::Result;
use crate::say;
use crate::server::{Access, Scan, is_listed};
use model::Model;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant, SystemTime};

pub(crate) use model::Event;

/// How many times a look asks for more keys: each goes through a thousand.
const PAGES: usize = 20;

/// Looks at the server again and again.
struct Watcher<'a> {
    access: &'a Access,
    args: &'a WatchArgs,
    scan: Option<Scan>,
    model: Model,
    /// Why the last look failed.
    trouble: Option<String>,
    looked: Option<Instant>,
}

impl<'a> Watcher<'a> {
    fn new(access: &'a Access, args: &'a WatchArgs) -> Self {
        Self { access, args, scan: None, model: Model::default(), trouble: None, looked: None }
    }

    /// How long until the next look.
    fn rest(&self) -> Duration {
        let every = self.args.every.max(Duration::from_millis(100));
        self.looked.map_or(Duration::ZERO, |looked| every.saturating_sub(looked.elapsed()))
    }

    /// Looks once, and returns what changed.
    fn look(&mut self) -> Result<Vec<Event>> {
        let looked = self.try_look();
        self.looked = Some(Instant::now());
        self.trouble = looked.as_ref().err().map(|failure| failure.message.clone());
        if looked.is_err() {
            // The servers may be others by now.
            self.scan = None;
        }
        looked
    }

    fn try_look(&mut self) -> Result<Vec<Event>> {
        let at = || say::exact_moment(SystemTime::now());
        let mut events = Vec::new();
        let servers = self.access.servers()?;
        let mut by_server = BTreeMap::new();
        for key in self.model.keys() {
            if let Some(server) = servers.of_record(&self.access.names(&key)) {
                by_server.entry(server.name().to_owned()).or_insert_with(|| (server, Vec::new())).1.push(key);
            }
        }
        for (server, keys) in by_server.into_values() {
            let locks = self.access.locks(&server, &keys)?.into_iter().collect::<Result<_>>()?;
            events.extend(self.model.update(locks, &at()));
        }
        let limit = usize::try_from(self.args.which.limit).unwrap_or(usize::MAX);
        for _ in 0..PAGES {
            let scan = match &mut self.scan {
                Some(scan) => scan,
                none => none.insert(Scan::new(self.access, &self.args.which)?),
            };
            let Some(batch) = scan.next()? else {
                self.model.is_settled = true;
                self.scan = None;
                break;
            };
            let is_known = |key: &String| self.model.lock(key).is_some();
            let new: Vec<_> = batch.keys.into_iter().filter(|key| !is_known(key)).collect();
            let locks = self.access.locks(&batch.server, &new)?.into_iter().collect::<Result<Vec<_>>>()?;
            let room = limit.saturating_sub(self.model.len());
            let locks = locks.into_iter().filter(is_listed).take(room).collect();
            events.extend(self.model.update(locks, &at()));
        }
        Ok(events)
    }
}

pub(crate) fn run(access: &Access, args: &WatchArgs, json: bool) -> Result<()> {
    let mut watcher = Watcher::new(access, args);
    if json || !std::io::stdout().is_terminal() {
        return lines(&mut watcher, json);
    }
    // Before the screen is changed: a server that can't be reached is an error like any other.
    watcher.look()?;
    screen::show(&mut watcher)
}

/// Writes a line for each change, for pipes.
fn lines(watcher: &mut Watcher<'_>, json: bool) -> Result<()> {
    loop {
        std::thread::sleep(watcher.rest());
        match watcher.look() {
            Ok(events) => {
                for event in events {
                    let line = if json {
                        // Texts and numbers.
                        serde_json::to_string(&event).expect("it can be written as JSON")
                    } else {
                        say::plain(&format!(
                            "{} {:<9} {}  {}",
                            event.at,
                            event.change.word(),
                            event.key,
                            event.holder
                        ))
                    };
                    say::print(&(line + "\n"))?;
                }
            }
            // The first failure is that of wrong arguments, as a rule.
            Err(failure) if !watcher.model.is_settled => return Err(failure),
            Err(failure) => eprintln!("dspinlock: {}", say::plain(&failure.message)),
        }
    }
}
