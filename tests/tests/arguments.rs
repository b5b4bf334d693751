//! The pages in `docs/arguments`: one for each argument and mode, with what the compiler really says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A path in the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files of a folder with this ending: their names without it, and their text.
fn files(folder: &str, ending: &str) -> BTreeMap<String, String> {
    let files =
        fs::read_dir(path(folder)).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = files.filter_map(|file| file.strip_suffix(ending).map(ToOwned::to_owned));
    names.map(|name| (name.clone(), read(&format!("{folder}/{name}{ending}")))).collect()
}

fn pages() -> BTreeMap<String, String> {
    let mut pages = files("docs/arguments", ".md");
    pages.remove("README").expect("an index");
    pages
}

/// What is in quotes after `start`, in each line that begins so.
fn quoted(text: &str, start: &str) -> BTreeSet<String> {
    let rest = text.lines().filter_map(|line| line.trim_start().strip_prefix(start));
    rest.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()).collect()
}

/// The arguments, the options of `cached` and the modes, from the tables in the macros.
fn names() -> BTreeSet<String> {
    let arguments = quoted(&read("dspinlock-macros/src/attribute/table.rs"), "name: \"");
    let modes = read("dspinlock-macros/src/attribute/mode.rs");
    let (_, modes) = modes.split_once("const MODES").expect("the table of modes");
    let (modes, _) = modes.split_once("];").expect("its end");
    &arguments | &quoted(modes, "(\"")
}

#[test]
fn each_argument_and_mode_has_a_page() {
    assert_eq!(names(), pages().into_keys().collect());
}

#[test]
fn the_index_and_the_crate_have_each_page() {
    let (index, crate_) = (read("docs/arguments/README.md"), read("src/guide/mod.rs"));
    for name in names() {
        assert!(index.contains(&format!("][arguments/{name}.md] |")), "the index has no row for {name}");
        assert!(
            crate_.contains(&format!("= \"arguments/{name}.md\",")),
            "the crate has no module for {name}"
        );
    }
}

#[test]
fn each_page_has_the_same_form() {
    for (name, page) in pages() {
        assert!(page.starts_with(&format!("# `{name}`\n")), "{name}");
        let parts = [
            "\n| applies to | ",
            "\n| forms | ",
            "\n| default | ",
            "\n| in code | ",
            "\n| py-dspinlock | ",
            "\n## Effect\n",
            "\n## Example\n\n```rust\n",
            "\n## What is refused\n\n```text\n",
            "\nSee also: ",
        ];
        let places: Vec<_> =
            parts.iter().map(|part| page.find(part).unwrap_or_else(|| panic!("{name}:{part}"))).collect();
        assert!(places.is_sorted(), "{name}");
    }
}

/// `ui.rs` compares the same lines with the compiler's.
#[test]
fn what_is_refused_is_what_the_compiler_says() {
    let said: Vec<_> = files("tests/tests/ui", ".stderr").into_values().collect();
    let said: BTreeSet<_> =
        said.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("error")).collect();
    for (name, page) in pages() {
        let (_, refused) = page.split_once("```text\n").expect("what is refused");
        let (refused, _) = refused.split_once("\n```").expect("its end");
        for line in refused.lines() {
            assert!(said.contains(line), "{name}: no test of the compiler's messages has\n{line}");
        }
    }
}
