//! `docs/mistakes.md`, made from the cases in `tests/mistakes` and their messages.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mistakes.md");
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mistakes");

/// The line of the page after which the tables begin.
const START: &str = "<!-- The tables are made from tests/tests/mistakes. -->\n";

/// The cases in the order of the page.
const SECTIONS: [(&str, &[&str]); 6] = [
    ("Arguments", &["wrong_name", "wrong_unit", "no_unit", "unknown_word", "two_modes", "option_outside"]),
    (
        "Keys",
        &[
            "missing_key",
            "key_alone",
            "unknown_key",
            "interpolated_key",
            "no_key_type",
            "own_key_type",
            "moved_key",
        ],
    ),
    (
        "Errors and other return values",
        &["own_error", "string_error", "no_result", "no_otherwise", "moved_for_on_error"],
    ),
    (
        "Cached values",
        &[
            "no_serialize",
            "no_deserialize",
            "cached_json",
            "cached_str",
            "cached_str_inside",
            "cached_str_alias",
            "cached_borrowing",
            "codec_without_path",
            "entry_in_a_trait_impl",
        ],
    ),
    (
        "Places",
        &[
            "on_a_struct",
            "on_an_impl",
            "on_a_trait",
            "on_a_declaration",
            "on_a_closure",
            "on_a_closure_expression",
            "on_a_const_fn",
            "on_a_module",
            "twice",
            "sync_future",
        ],
    ),
    ("Calls", &["forgotten_await", "guard_dropped_at_once", "guard_in_a_statement", "other_lock_result"]),
];

/// Compares the page with the cases. With `TRYBUILD=overwrite`, it is rewritten.
pub(crate) fn check() {
    let listed: BTreeSet<_> =
        SECTIONS.iter().flat_map(|(_, names)| *names).map(|name| (*name).to_owned()).collect();
    assert_eq!(listed, names(), "the page lists all cases");
    let page = fs::read_to_string(PAGE).expect("the page");
    let (head, tables) = page.split_once(START).expect("the line before the tables");
    let expected: String = SECTIONS.iter().map(|(title, names)| table(title, names)).collect();
    if env::var_os("TRYBUILD").is_some_and(|value| value == "overwrite") {
        fs::write(PAGE, format!("{head}{START}{expected}")).expect("the page is written");
    } else {
        assert_eq!(tables, expected, "run with `TRYBUILD=overwrite` and review the difference");
    }
}

fn names() -> BTreeSet<String> {
    let files = fs::read_dir(CASES).expect("the cases").map(|file| file.expect("a file").path());
    let cases = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    cases.map(|file| file.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

fn table(title: &str, names: &[&str]) -> String {
    let rows: String = names.iter().map(|name| row(name)).collect();
    format!("\n## {title}\n\n| mistake | where | message | earlier |\n| --- | --- | --- | --- |\n{rows}")
}

fn row(name: &str) -> String {
    let read = |extension| {
        fs::read_to_string(Path::new(CASES).join(name).with_extension(extension)).expect("a file of the case")
    };
    let (case, errors) = (read("rs"), read("stderr"));
    let title = case.lines().next().and_then(|line| line.strip_prefix("//! ")).expect("a title");
    let earlier = case.lines().find_map(|line| line.strip_prefix("// Earlier: ")).unwrap_or("the same");
    let cells =
        [title.to_owned(), format!("`{}`", place(&case, &errors)), message(&errors), earlier.to_owned()];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

/// The line that the first error is about.
fn place(case: &str, errors: &str) -> String {
    let place = errors.lines().find_map(|line| line.trim_start().strip_prefix("--> ")).expect("a place");
    let line: usize =
        place.split(':').nth(1).and_then(|line| line.parse().ok()).expect("the number of a line");
    case.lines().nth(line - 1).expect("a line").trim().to_owned()
}

/// The first lines of the errors, with the notes and the advice that say what to do.
fn message(errors: &str) -> String {
    const OF_NO_USE: [&str; 11] = [
        "this error originates",
        "required ",
        "`#[deny",
        "the trait ",
        "the following ",
        "see issue",
        "the lint level",
        "the nightly-only",
        "expected ",
        "the usage of",
        "use `let _",
    ];
    let parts = errors.lines().filter_map(|line| {
        let line = line.trim_start().trim_start_matches("= ");
        if let Some(first) = line.strip_prefix("error") {
            return first.split_once(": ").map(|(_, text)| text.to_owned());
        }
        let text = ["note: ", "help: "].iter().find_map(|kind| line.strip_prefix(kind))?;
        (!OF_NO_USE.iter().any(|start| text.starts_with(start))).then(|| text.to_owned())
    });
    parts.collect::<Vec<_>>().join("<br>")
}
