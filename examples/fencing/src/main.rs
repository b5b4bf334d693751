//! Shows with two real processes what a fencing token is for. The library of this package says what to copy.
//!
//! `cargo run --release -p dspinlock-fencing -- --help` lists the options.

mod args;
mod story;

use std::process::ExitCode;

use args::{Args, Role};
use dspinlock_fencing::Failure;
use dspinlock_fencing::holder::{self, Change};

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("fencing: {error} (--help lists the options)");
            return ExitCode::from(2);
        }
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fencing: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    match args.role {
        Role::Help => print!("{}", args::HELP),
        Role::Parent => story::tell(&args)?,
        Role::Holder(writer) => {
            let file = args.db.ok_or("a holder needs --db")?;
            holder::hold(&Change { writer, file, by: args.by, fenced: args.fenced })?;
        }
    }
    Ok(())
}
