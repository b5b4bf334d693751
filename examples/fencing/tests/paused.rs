//! A holder that is stopped for longer than its lease, and its late write.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use dspinlock_fencing::Said;
use dspinlock_fencing::account::{self, AT_FIRST, Account};
use dspinlock_fencing::holder::Change;
use dspinlock_fencing::process::Holder;
use dspinlock_testkit::Server;
use rusqlite::Connection;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dspinlock-fencing");

/// A place of its own for the database of one test.
fn database(name: &str) -> std::path::PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.db"));
    // Left by an earlier run.
    let _ = fs::remove_file(&file);
    file
}

/// A holder that is about to write, and its token.
fn about_to_write(server: &Server, writer: &str, file: &Path, by: i64, fenced: bool) -> (Holder, u64) {
    let change = Change { writer: writer.to_owned(), file: file.to_owned(), by, fenced };
    let mut holder = Holder::start(Path::new(PROGRAM), &server.url(), &change).unwrap();
    match holder.hear().unwrap() {
        Said::AboutToWrite { token, read: AT_FIRST, write } if write == AT_FIRST + by => (holder, token),
        other => panic!("{writer}: {other}"),
    }
}

/// A is stopped past its lease, B writes, and A writes late. Returns what A says then, the tokens of both, and the row.
fn play(name: &str, fenced: bool) -> (Vec<Said>, [u64; 2], Account) {
    let server = Server::start();
    let file = database(name);
    let db = account::create(&file).unwrap();
    let (mut a, token_a) = about_to_write(&server, "A", &file, 50, fenced);
    a.stop().unwrap();

    // B is granted the lock once A's lease is over. B reads what A has read.
    let (mut b, token_b) = about_to_write(&server, "B", &file, -30, fenced);
    b.go_on().unwrap();
    let of_b: Vec<_> = (0..3).map(|_| b.hear().unwrap()).collect();
    assert_eq!(of_b, [Said::Written, Said::Held, Said::Done]);
    let of_b = Account { balance: AT_FIRST - 30, written_by: "B".to_owned(), fence: token_b };
    assert_eq!(account::read(&db).unwrap(), of_b);

    a.go_on().unwrap();
    a.resume().unwrap();
    let of_a = (0..3).map(|_| a.hear().unwrap()).collect();
    (of_a, [token_a, token_b], account::read(&db).unwrap())
}

/// Whether it got the loss from `ensure_held()`, and from its call.
fn learned_of_the_loss(said: &[Said]) -> bool {
    matches!(said, [Said::Lost(why), Said::Failed(_)] if why.contains("not held any more"))
}

#[test]
fn a_holder_that_was_stopped_past_its_lease_is_refused_by_the_database() {
    let (said, [token_a, token_b], row) = play("refused", true);
    assert!(token_a < token_b, "{token_a} was given before {token_b}");
    assert_eq!(said[0], Said::Refused);
    assert!(learned_of_the_loss(&said[1..]), "{said:?}");
    assert_eq!(row, Account { balance: AT_FIRST - 30, written_by: "B".to_owned(), fence: token_b });
}

/// Without the condition B's change is lost.
#[test]
fn without_the_condition_the_late_write_destroys_the_other() {
    let (said, [token_a, _], row) = play("destroyed", false);
    assert_eq!(said[0], Said::Written);
    assert!(learned_of_the_loss(&said[1..]), "{said:?}");
    assert_eq!(row, Account { balance: AT_FIRST + 50, written_by: "A".to_owned(), fence: token_a });
}

#[test]
fn each_token_writes_once_and_lower_ones_never() {
    let db = account::create(Path::new(":memory:")).unwrap();
    let write = |db: &Connection, token| account::set_balance(db, 1, "somebody", token).unwrap();
    let taken = [5, 5, 4, 6, 5, 6, 7].map(|token| write(&db, token));
    assert_eq!(taken, [true, false, false, true, false, false, true]);
}

#[test]
fn the_program_prints_the_expected_end_with_and_without_fencing() {
    assert!(Server::find().is_some(), "redis-server or valkey-server has to be on the PATH");
    for (option, writer, words) in
        [(None, "B", "is refused by the database"), (Some("--without-fence"), "A", "B's change is lost")]
    {
        let file = database(&format!("story-of-{writer}"));
        let mut command = Command::new(PROGRAM);
        command.env_remove("DSPINLOCK_URL").args(option).arg("--db").arg(&file);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(words), "{text}");
        assert_eq!(account::read(&Connection::open(&file).unwrap()).unwrap().written_by, writer);
    }
}

#[test]
fn errors_are_reported() {
    let there = database("there");
    fs::write(&there, "").unwrap();
    let there = there.to_str().unwrap();
    let refused = [
        (vec!["--colour"], 2, "--help"),
        (vec!["--redis", "memory://"], 1, "can't meet"),
        (vec!["--redis", "redis://127.0.0.1:1/0", "--db", there], 1, "is there already"),
        (vec!["--redis", "redis://127.0.0.1:1/0"], 1, "A should be about to write: failed"),
    ];
    for (args, code, words) in refused {
        let output = Command::new(PROGRAM).args(&args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(words), "{args:?}: {text}");
    }
    let output = Command::new(PROGRAM).env_remove("DSPINLOCK_URL").env("PATH", "").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("redis-server"), "{output:?}");
}
