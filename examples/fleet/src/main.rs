//! A fleet of processes asks for one report at the same moment, and one caller of all computes it.
//!
//! `cargo run --release --example fleet -- --help` lists the options. The annotated functions, the subject of this example,
//! are in `report.rs`; everything else starts processes and checks what they did.

mod args;
mod backend;
mod digest;
mod fleet;
mod log;
mod outcome;
mod output;
mod report;
mod run;
mod summary;
mod timeline;
mod worker;

use std::error::Error;
use std::process::ExitCode;

use args::{Args, Role};

/// Any error of this program.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let args = match Args::parse() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("fleet: {error} (--help lists the options)");
            return ExitCode::from(2);
        }
    };
    let ended = match args.role {
        Role::Help => {
            print!("{}", args::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Role::Parent => run::run(args),
        Role::Worker(number) => worker::work(&args, number).map(|()| ExitCode::SUCCESS),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("fleet: {error}");
        ExitCode::FAILURE
    })
}
