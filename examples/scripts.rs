//! The scripts that the library runs on a server, for administrators who load them by hand: where applications may run neither
//! `EVAL` nor `SCRIPT LOAD`.
//!
//! ```sh
//! cargo run --example scripts                      # the digest and the name of each
//! cargo run --example scripts acquire              # the source of one
//! for name in $(cargo run -q --example scripts | cut -d ' ' -f 2); do
//!     cargo run -q --example scripts "$name" | redis-cli -x SCRIPT LOAD
//! done
//! ```

use dspinlock::Script;
use std::io::{Write, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(wanted) = std::env::args().nth(1) else {
        for script in Script::all() {
            println!("{} {}", script.digest(), script.name());
        }
        return ExitCode::SUCCESS;
    };
    let Some(script) = Script::all().iter().find(|script| script.name() == wanted) else {
        eprintln!("there is no script `{wanted}`; without an argument all are listed");
        return ExitCode::FAILURE;
    };
    // Nothing but the source: its digest is of each byte.
    match stdout().write_all(script.source().as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
