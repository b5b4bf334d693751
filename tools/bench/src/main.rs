//! Compares `dspinlock` with plain commands and with other libraries, in one run against private servers.
//!
//! ```sh
//! cargo run --release -p dspinlock-bench -- --quick
//! ```
//!
//! Every contestant runs in processes of its own: this binary again, or Python. They are started once for a row and
//! then take turns (A B C A B C …), so that other load on the machine affects all of them alike. A ratio is the median of the
//! ratios of neighbours in time.

mod child;
mod contestants;
mod measure;
mod options;
mod place;
mod profile;
mod report;
mod rows;
mod worker;

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == child::WORKER => worker::main(rest),
        Some((first, rest)) if first == profile::PROFILE => profile::main(rest),
        Some((first, [dir, readme, page])) if first == options::TABLES => {
            report::summary::write(dir.as_ref(), readme.as_ref(), page.as_ref())
        }
        _ => compare(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Errors are shown, not handled.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn compare(arguments: &[String]) -> Fallible<()> {
    let Some(options) = options::Options::parse(arguments)? else {
        print!("{}", options::HELP);
        return Ok(());
    };
    report::check(&options)?;
    println!("{}", report::machine::line(&options));
    let mut results = Vec::new();
    for row in rows::ALL.iter().filter(|row| options.wants(row.name)) {
        eprintln!("{} …", row.name);
        let start = Instant::now();
        let measured = rows::run(row, &options).map_err(|error| format!("{}: {error}", row.name))?;
        eprintln!("{} took {:.0} s", row.name, start.elapsed().as_secs_f64());
        measured.iter().for_each(report::table::print);
        results.extend(measured);
    }
    report::write(&results, &options)
}
