//! `schema`, `completions` and `man`: what describes the command line itself.

use crate::args::Cli;
use crate::exit::{Code, Failure, Result};
use crate::say;
use crate::{details, doctor, key, list, removal, run, watch, why};
use clap::CommandFactory as _;
use schemars::schema_for;
use serde_json::{Map, Value};

/// The schema of what each command writes with `--json`.
fn schemas() -> Map<String, Value> {
    [
        ("ls", schema_for!(list::Listing)),
        ("show", schema_for!(details::Details)),
        ("why", schema_for!(why::Reason)),
        ("watch", schema_for!(watch::Event)),
        ("forget", schema_for!(removal::Removed)),
        ("break", schema_for!(removal::Removed)),
        ("run", schema_for!(run::Outcome)),
        ("key", schema_for!(key::KeyName)),
        ("doctor", schema_for!(doctor::Report)),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema.to_value()))
    .collect()
}

pub(crate) fn print(command: Option<&str>) -> Result<()> {
    let mut schemas = schemas();
    match command {
        None => say::print_json(&schemas),
        Some(name) => match schemas.remove(name) {
            Some(schema) => say::print_json(&schema),
            None => Err(Failure::new(
                Code::Usage,
                format!("`{name}` writes no JSON; `dspinlock schema` lists those that do"),
            )),
        },
    }
}

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dspinlock", &mut text);
    say::print(&String::from_utf8_lossy(&text))
}

/// The page of the program, and of each of its commands, one after the other.
pub(crate) fn man() -> Result<()> {
    let mut command = Cli::command();
    command.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let mut about = Vec::new();
        let page = clap_mangen::Man::new(sub.clone());
        page.render_synopsis_section(&mut about)?;
        page.render_description_section(&mut about)?;
        page.render_options_section(&mut about)?;
        let about = String::from_utf8_lossy(&about);
        // Sections of the one page.
        let about = about.replace(".SH SYNOPSIS", &format!(".SH COMMAND {}", sub.get_name().to_uppercase()));
        let about = about
            .replace(".SH DESCRIPTION", ".PP")
            .replace(".SH OPTIONS", ".SS Options")
            .replace(".SH \"", ".SS \"");
        text.extend_from_slice(about.as_bytes());
    }
    say::print(&String::from_utf8_lossy(&text))
}
