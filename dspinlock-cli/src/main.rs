//! The command line of dspinlock. `docs/cli.md` describes it.
//!
//! | file | what is there |
//! | --- | --- |
//! | `args` | what may be written |
//! | `exit`, `say` | exit codes, and words for people |
//! | `server` | the client, SCAN, what is asked of a key |
//! | `lock` | what the replies mean, without I/O |
//! | `list`, `details`, `why`, `removal`, `key`, `run`, `doctor`, `watch`, `schema` | the commands |

#[cfg(not(unix))]
compile_error!("the command line passes signals on, and is for Unix; the library itself is for all systems");

mod args;
mod details;
mod doctor;
mod exit;
mod key;
mod list;
mod lock;
mod removal;
mod run;
mod say;
mod schema;
mod server;
mod watch;
mod why;

use args::{Cli, Command, When};
use clap::Parser as _;
use exit::{Code, Result};
use key::record_key;
use removal::Way;
use server::Access;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let colors = match cli.global.color {
        When::Auto => anstream::ColorChoice::Auto,
        When::Always => anstream::ColorChoice::Always,
        When::Never => anstream::ColorChoice::Never,
    };
    colors.write_global();
    match dispatch(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if failure.code != Code::Done as u8 {
                eprintln!("dspinlock: {}", say::plain_lines(&failure.message));
            }
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(cli: &Cli) -> Result<u8> {
    let (global, json) = (&cli.global, cli.global.json);
    let access = || Access::new(global);
    let code = match &cli.command {
        Command::Ls(args) => list::run(&access()?, args, json).map(|()| Code::Done),
        Command::Show(target) => {
            let access = access()?;
            details::run(&access, &record_key(&access.client, target)?, json)
        }
        Command::Why(args) => {
            let access = access()?;
            why::run(&access, args, &record_key(&access.client, &args.target)?, json)
        }
        Command::Watch(args) => watch::run(&access()?, args, json).map(|()| Code::Done),
        Command::Forget(args) => remove(&access()?, Way::Forget, args, json),
        Command::Break(args) => remove(&access()?, Way::Break, args, json),
        Command::Run(args) => return run::run(&access()?, args, json),
        Command::Key(args) => key::run(&global.prefix, args, json).map(|()| Code::Done),
        Command::Doctor(args) => doctor::run(&access()?, args, json),
        Command::Schema { command } => schema::print(command.as_deref()).map(|()| Code::Done),
        Command::Completions { shell } => schema::completions(*shell).map(|()| Code::Done),
        Command::Man => schema::man().map(|()| Code::Done),
    };
    code.map(|code| code as u8)
}

fn remove(access: &Access, way: Way, args: &args::Removal, json: bool) -> Result<Code> {
    removal::run(access, way, &record_key(&access.client, &args.target)?, args, json)
}
