//! The traces of a run: keys in the server, writes in the register, files.

use std::path::Path;
use std::{fs, io};

use dspinlock_testkit::{Connection, Reply};

use crate::Fallible;
use crate::check::{Accepted, Evidence};
use crate::history;

/// The names of all keys.
pub(crate) fn names(connection: &mut Connection) -> io::Result<Vec<String>> {
    let Reply::List(names) = connection.command(&["KEYS", "*dspinlock,*"])? else {
        return Err(io::Error::other("KEYS answers a list"));
    };
    Ok(names.iter().filter_map(|name| name.text().map(ToOwned::to_owned)).collect())
}

pub(super) fn blocked(connection: &mut Connection) -> io::Result<Vec<String>> {
    let mut blocked = Vec::new();
    for name in names(connection)?.into_iter().filter(|name| name.starts_with("dspinlock,")) {
        if connection.command(&["GET", &name])?.text().is_some_and(|record| record.ends_with(",0")) {
            blocked.push(name);
        }
    }
    Ok(blocked)
}

/// The writes that the register has accepted, in their order.
pub(super) fn accepted(connection: &mut Connection) -> io::Result<Vec<Accepted>> {
    let Reply::List(lists) = connection.command(&["KEYS", "accepted:*"])? else { return Ok(Vec::new()) };
    let mut accepted = Vec::new();
    for list in lists.iter().filter_map(Reply::text) {
        let key = list.rsplit(':').next().and_then(|key| key.parse().ok()).unwrap_or_default();
        let Reply::List(writes) = connection.command(&["LRANGE", list, "0", "-1"])? else { continue };
        for write in writes.iter().filter_map(Reply::text) {
            let (fence, op) = write.split_once(' ').unwrap_or_default();
            let fence = fence.parse().map_err(io::Error::other)?;
            accepted.push(Accepted { key, fence, op: op.to_owned() });
        }
    }
    Ok(accepted)
}

/// Reads the files of a run.
pub(crate) fn gather(dir: &Path, accepted: Vec<Accepted>) -> Fallible<Evidence> {
    let mut evidence = Evidence { accepted, ..Evidence::default() };
    for file in fs::read_dir(dir)? {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("worker-") {
            evidence.events.append(&mut history::read(&path)?);
        } else if name == "facts.jsonl" {
            evidence.facts = history::read(&path)?;
        } else if name == "faults.jsonl" {
            evidence.entries = history::read(&path)?;
        }
    }
    evidence.events.sort_by_key(|event| event.at);
    let register = fs::File::create(dir.join("register.jsonl"))?;
    for write in &evidence.accepted {
        history::append(&register, write);
    }
    Ok(evidence)
}
