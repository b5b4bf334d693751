//! A server that refuses commands, in each way that it has.

use dspinlock_testkit::Connection;
use fastrand::Rng;

use crate::Fallible;
use crate::clock::now;
use crate::faults::Loss;
use crate::rig::Rig;
use crate::scenario::debugging;

/// Keys that a server takes a while to load. It answers between every 2 MiB of what it reads.
const FILLER: &[&str] = &["DEBUG", "POPULATE", "1500", "filler", "4096"];

/// Options that allow all of this at run time.
pub(super) fn server() -> Vec<&'static str> {
    [
        &["--rdbcompression", "no"],
        &*debugging(&["--enable-debug-command", "yes", "--enable-protected-configs", "yes"]),
    ]
    .concat()
}

/// Commands that make the server refuse, and commands that end that.
struct Refusal {
    name: &'static str,
    begin: &'static [&'static [&'static str]],
    end: &'static [&'static [&'static str]],
    /// Whether open connections are closed, so that new ones are refused.
    reconnects: bool,
}

const REFUSALS: [Refusal; 6] = [
    Refusal {
        name: "oom",
        begin: &[&["CONFIG", "SET", "maxmemory", "1"]],
        end: &[&["CONFIG", "SET", "maxmemory", "0"]],
        reconnects: false,
    },
    Refusal {
        name: "noreplicas",
        begin: &[&["CONFIG", "SET", "min-replicas-to-write", "1"]],
        end: &[&["CONFIG", "SET", "min-replicas-to-write", "0"]],
        reconnects: false,
    },
    Refusal {
        name: "readonly",
        // No server listens at that port.
        begin: &[&["REPLICAOF", "127.0.0.1", "1"]],
        end: &[&["REPLICAOF", "NO", "ONE"]],
        reconnects: false,
    },
    Refusal { name: "noscript", begin: &[&["SCRIPT", "FLUSH"]], end: &[], reconnects: false },
    Refusal {
        name: "noperm",
        begin: &[&["ACL", "SETUSER", "default", "-eval", "-evalsha"]],
        end: &[&["ACL", "SETUSER", "default", "+@all"]],
        reconnects: false,
    },
    Refusal {
        name: "maxclients",
        begin: &[&["CONFIG", "SET", "maxclients", "1"]],
        end: &[&["CONFIG", "SET", "maxclients", "10000"]],
        reconnects: true,
    },
];

pub(super) fn refusals(rig: &mut Rig, dice: &mut Rng) -> Fallible<()> {
    // One connection for all, since at times new ones are refused.
    let mut connection = rig.server().connect()?;
    while rig.goes_on() {
        let from = now();
        let which = dice.usize(..REFUSALS.len() + 2);
        let name = if let Some(refusal) = REFUSALS.get(which) {
            refuse(rig, dice, &mut connection, refusal)?;
            refusal.name
        } else if which == REFUSALS.len() {
            misconf(rig, dice, &mut connection)?;
            "misconf"
        } else {
            load(&mut connection)?;
            "loading"
        };
        rig.log.fired(name, from, None, Loss::Nothing, true);
        rig.pass(dice.u64(100..400))?;
    }
    Ok(())
}

fn refuse(rig: &mut Rig, dice: &mut Rng, connection: &mut Connection, refusal: &Refusal) -> Fallible<()> {
    all(connection, refusal.begin)?;
    if refusal.reconnects {
        for desk in &rig.desks {
            desk.proxy.cut_all();
        }
    }
    rig.pass(dice.u64(100..500))?;
    all(connection, refusal.end)
}

fn all(connection: &mut Connection, commands: &[&[&str]]) -> Fallible<()> {
    for words in commands {
        let reply = connection.command(words)?;
        if !reply.is_ok() {
            return Err(format!("the server answers {words:?} by {reply:?}").into());
        }
    }
    Ok(())
}

/// A server that has failed to save refuses writes, releases included.
fn misconf(rig: &mut Rig, dice: &mut Rng, connection: &mut Connection) -> Fallible<()> {
    let dir = rig.server().dir().to_owned();
    let gone = dir.join("gone");
    std::fs::create_dir(&gone)?;
    let (dir, gone_name) = (dir.display().to_string(), gone.display().to_string());
    all(connection, &[&["CONFIG", "SET", "save", "3600 100000000"], &["CONFIG", "SET", "dir", &gone_name]])?;
    std::fs::remove_dir(&gone)?;
    connection.command(&["BGSAVE"])?;
    rig.pass(dice.u64(150..500))?;
    all(connection, &[&["CONFIG", "SET", "dir", &dir], &["CONFIG", "SET", "save", ""]])
}

/// A server that loads its data answers nothing else meanwhile.
fn load(connection: &mut Connection) -> Fallible<()> {
    all(connection, &[FILLER, &["CONFIG", "SET", "key-load-delay", "200"]])?;
    all(connection, &[&["DEBUG", "RELOAD"], &["CONFIG", "SET", "key-load-delay", "0"]])?;
    Ok(())
}
