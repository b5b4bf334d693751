//! `key`, `schema`, `completions` and `man`.

use crate::{ELSEWHERE, client, on, set};
use dspinlock_testkit::Server;
use serde_json::Value;

#[test]
fn what_is_written_fits_its_schema() {
    let server = Server::start();
    set(&server, "dspinlock,x", &format!("{ELSEWHERE}0"));
    set(&server, "dspinlock,y", &format!("{ELSEWHERE}1"));
    server.command(&["SET", "dspinlock,z", "hunter2"]);
    server.command(&["SADD", "{dspinlock,x}:wait", "a1@web-2/9"]);
    let schemas = on(&server, &["schema"]).json();
    let commands: &[&[&str]] = &[
        &["ls"],
        &["show", "dspinlock,x"],
        &["show", "dspinlock,z"],
        &["why", "dspinlock,x", "--observe", "1ms"],
        &["why", "dspinlock,none"],
        &["key", "--namespace", "n", "x"],
        &["doctor"],
        &["forget", "dspinlock,y"],
        &["break", "dspinlock,x", "--yes"],
        &["break", "dspinlock,z", "--yes"],
    ];
    for command in commands {
        let ran = on(&server, &[command, &["--json"][..]].concat());
        let schema = &schemas[command[0]];
        let problems: Vec<_> = jsonschema::validator_for(schema)
            .unwrap()
            .iter_errors(&ran.json())
            .map(|error| error.to_string())
            .collect();
        assert!(problems.is_empty(), "{command:?}: {problems:?}\n{}", ran.out);
        assert_eq!(&on(&server, &["schema", command[0]]).json(), schema);
    }
    let ran = on(&server, &["run", "--key", "k", "--json", "--", "true"]);
    let outcome: Value = serde_json::from_str(&ran.err).unwrap();
    assert!(jsonschema::is_valid(&schemas["run"], &outcome), "{outcome}");
    assert_eq!(on(&server, &["schema", "man"]).code, Some(2));
}

#[test]
fn a_key_is_that_of_the_library() {
    let server = Server::start();
    let name = |args: &[&str]| on(&server, &[&["key"], args].concat()).out.trim_end().to_owned();
    let ours = client(&server);
    assert_eq!(
        name(&["--namespace", "billing", "customer-17"]),
        *ours.lock("customer-17").namespace("billing").record_key().unwrap()
    );
    assert_eq!(name(&["--type", "int", "-1"]), *ours.lock(-1).record_key().unwrap());
    let both = ["--namespace", "n", "--type", "text,int", "acme", "5"];
    assert_eq!(name(&both), *ours.lock(("acme", 5)).namespace("n").record_key().unwrap());
    assert_eq!(on(&server, &["key", "--type", "int", "x"]).code, Some(2));
    assert_eq!(on(&server, &["key", "--namespace", "a,b", "x"]).code, Some(78));
}

#[test]
fn the_command_line_describes_itself() {
    let server = Server::start();
    for shell in ["bash", "zsh", "fish"] {
        let ran = on(&server, &["completions", shell]);
        assert!(ran.code == Some(0) && ran.out.contains("once-per"), "{shell}");
    }
    let man = on(&server, &["man"]).out;
    assert!(man.contains(".TH dspinlock") && man.contains("COMMAND RUN") && man.contains("once"), "{man}");
}
