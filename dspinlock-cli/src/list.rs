//! `ls`: the locks of all servers.

use crate::args::{Ls, Shown, Sort, Which};
use crate::exit::Result;
use crate::lock::{Lock, State};
use crate::say;
use crate::server::{Access, Scan, is_listed};
use schemars::JsonSchema;
use serde::Serialize;
use std::cmp::Reverse;
use std::io::{IsTerminal as _, Write as _};

/// What `ls` writes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Listing {
    pub(crate) locks: Vec<Lock>,
    /// How many keys match that hold something else than a lock's record.
    pub(crate) foreign: u64,
    /// About how many keys the servers went through.
    pub(crate) keys_looked_at: u64,
    /// Whether that was all: false if `--limit` or `--scan-limit` ended it.
    pub(crate) complete: bool,
}

/// Finds locks, with progress on standard error if that is a terminal.
pub(crate) fn find(access: &Access, which: &Which, wanted: impl Fn(&Lock) -> bool) -> Result<Listing> {
    let progress = Progress::new();
    let mut scan = Scan::new(access, which)?;
    let limit = usize::try_from(which.limit).unwrap_or(usize::MAX);
    let (mut locks, mut foreign) = (Vec::new(), 0);
    while locks.len() < limit
        && let Some(batch) = scan.next()?
    {
        for lock in access.locks(&batch.server, &batch.keys)? {
            let lock = lock?;
            foreign += u64::from(lock.state == State::Foreign);
            if is_listed(&lock) && wanted(&lock) {
                locks.push(lock);
            }
        }
        progress.show(scan.looked_at, locks.len());
    }
    progress.clear();
    let complete = scan.is_complete() && locks.len() <= limit;
    locks.truncate(limit);
    Ok(Listing { locks, foreign, keys_looked_at: scan.looked_at, complete })
}

/// Sorts locks by a column.
pub(crate) fn sort(locks: &mut [Lock], by: Sort) {
    match by {
        Sort::State => {
            locks
                .sort_by_cached_key(|it| (it.state, Reverse(it.waiting), Reverse(it.age_ms), it.key.clone()));
        }
        Sort::Key => locks.sort_by(|a, b| a.key.cmp(&b.key)),
        Sort::Holder => locks.sort_by_cached_key(|it| (it.holder.clone(), it.key.clone())),
        Sort::Since => locks.sort_by_cached_key(|it| (Reverse(it.age_ms), it.key.clone())),
        Sort::Life => locks.sort_by_cached_key(|it| (it.life_ms.unwrap_or(u64::MAX), it.key.clone())),
        Sort::Waiting => locks.sort_by_cached_key(|it| (Reverse(it.waiting), it.key.clone())),
    }
}

/// The columns of a lock, in words.
pub(crate) const HEAD: [&str; 6] = ["STATE", "HOLDER", "SINCE", "LIFE", "WAITING", "KEY"];

pub(crate) fn cells(lock: &Lock) -> Vec<String> {
    let age = lock.age_ms.map_or_else(|| "-".to_owned(), say::millis);
    let waiting = lock.waiting.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let holder = say::plain(lock.holder_text());
    vec![lock.state.word().to_owned(), holder, age, lock.life_text(), waiting, say::plain(&lock.key)]
}

/// The list, for people.
fn shown(listing: &Listing) -> String {
    let rows: Vec<_> = listing.locks.iter().map(cells).collect();
    let mut text = if rows.is_empty() { "no locks\n".to_owned() } else { say::table(&HEAD, &rows) };
    if listing.foreign > 0 {
        let keys = say::count(listing.foreign, "key that matches holds", "keys that match hold");
        text.push_str(&say::styled(say::DIM, &format!("{keys} something that is no lock's record")));
        text.push('\n');
    }
    text
}

pub(crate) fn run(access: &Access, args: &Ls, json: bool) -> Result<()> {
    let wanted = |lock: &Lock| {
        args.state.is_none_or(|state| (state == Shown::Held) == (lock.state == State::Held))
            && (!args.waited || lock.waiting.is_some_and(|number| number > 0))
    };
    let mut listing = find(access, &args.which, wanted)?;
    sort(&mut listing.locks, args.sort);
    if !listing.complete {
        eprintln!(
            "dspinlock: these are not all: {} after {}; raise --limit or --scan-limit, or narrow it by --namespace",
            say::count(listing.locks.len() as u64, "lock", "locks"),
            say::count(listing.keys_looked_at, "key", "keys"),
        );
    }
    if json { say::print_json(&listing) } else { say::print(&shown(&listing)) }
}

/// One line on standard error, if that is a terminal.
struct Progress(bool);

impl Progress {
    fn new() -> Self {
        Self(std::io::stderr().is_terminal())
    }

    fn show(&self, keys: u64, locks: usize) {
        // A short scan is over before it could be read. Nobody needs to know that standard error is gone.
        if self.0 && keys.is_multiple_of(50_000) {
            let _ = write!(std::io::stderr(), "\r{keys} keys looked at, {locks} locks found ");
        }
    }

    fn clear(&self) {
        if self.0 {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::{held, lock};

    const DONE: &str = "0b8e@web-9/1,2026-01-31T23:00:00.000000+00:00,1";

    #[test]
    fn held_locks_with_most_waiters_come_first() {
        let mut locks = vec![lock("done", DONE, 5, 0), held("a", "web-1/1", 0), held("b", "web-2/1", 3)];
        let keys = |locks: &[Lock]| locks.iter().map(|it| it.key.clone()).collect::<Vec<_>>();
        sort(&mut locks, Sort::State);
        assert_eq!(keys(&locks), ["b", "a", "done"]);
        sort(&mut locks, Sort::Since);
        assert_eq!(keys(&locks), ["done", "a", "b"]);
        sort(&mut locks, Sort::Life);
        assert_eq!(keys(&locks)[0], "done");
        sort(&mut locks, Sort::Holder);
        assert_eq!(keys(&locks), ["a", "b", "done"]);
        sort(&mut locks, Sort::Key);
        assert_eq!(keys(&locks), ["a", "b", "done"]);
    }

    #[test]
    fn the_list_says_what_is_foreign() {
        let listing = Listing {
            locks: vec![held("k", "web-1/77/job", 2)],
            foreign: 2,
            keys_looked_at: 9,
            complete: true,
        };
        let text = anstream::adapter::strip_str(&shown(&listing)).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "STATE  HOLDER        SINCE  LIFE  WAITING  KEY");
        assert_eq!(lines[1], "held   web-1/77/job  1m     9.0s  2        k");
        assert_eq!(lines[2], "2 keys that match hold something that is no lock's record");
    }
}
