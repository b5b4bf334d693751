//! The text of keys in errors and logs.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::format::key::{Key, KeyEncoder, LockKey};

#[track_caller]
fn shows(value: impl LockKey, expected: &str) {
    let key = Key::new(&value);
    assert_eq!(key.to_string(), expected);
    assert_eq!(format!("{key:?}"), format!("Key({expected})"));
}

#[test]
fn keys_are_shown_as_their_values() {
    shows(("acme", 5), r#"("acme", 5)"#);
    shows((), "()");
    shows((true,), "(true,)");
    shows([-1, 2], "[-1, 2]");
    shows(Some(None::<()>), "Some(None)");
    shows(b"a\0\xff\"", r#"b"a\x00\xff\"""#);
    shows(Duration::from_millis(1500), "1.5s");
    shows((Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST), "(127.0.0.1, ::1)");
    shows("", r#""""#);
}

/// Writes the fields as the derive macro does.
struct Derived(fn(&mut KeyEncoder));

impl LockKey for Derived {
    fn encode(&self, encoder: &mut KeyEncoder) {
        (self.0)(encoder);
    }
}

#[test]
fn derived_keys_are_shown_as_their_types() {
    shows(Derived(|to| to.unnamed_fields(&["Unit"], &[])), "Unit");
    shows(Derived(|to| to.unnamed_fields(&["Pair"], &[&7, &"x"])), r#"Pair(7, "x")"#);
    shows(Derived(|to| to.named_fields(&["Report"], &[("tenant", &"acme"), ("year", &2026)])), {
        r#"Report { tenant: "acme", year: 2026 }"#
    });
    shows(Derived(|to| to.unnamed_fields(&["Shape", "Empty"], &[])), "Shape::Empty");
    shows(Derived(|to| to.unnamed_fields(&["Shape", "Point"], &[&1])), "Shape::Point(1)");
    shows(
        Derived(|to| to.named_fields(&["Shape", "Circle"], &[("radius", &1)])),
        "Shape::Circle { radius: 1 }",
    );
}

#[test]
fn unprintable_characters_are_escaped() {
    shows("it's \"a\"\n\u{1b}[31m\0\u{202e}", r#""it's \"a\"\n\u{1b}[31m\0\u{202e}""#);
}

#[test]
fn only_a_text_above_the_limit_is_cut() {
    let whole = "é".repeat(62);
    shows(whole.as_str(), &format!("\"{whole}\""));
    shows(format!("{whole}é"), &format!("\"{whole}…"));
    shows("\u{1f512}".repeat(62), &format!("\"{}\"", "\u{1f512}".repeat(62)));
    shows("\u{1}".repeat(62), &format!("\"{}…", r"\u{1}".repeat(12)));
    shows(vec!["abc"; 1000], &format!("[{}\"abc\"…", r#""abc", "#.repeat(8)));
    shows(vec![7_u8; 1000], &format!("b\"{}…", r"\x07".repeat(15)));
}

#[test]
fn ten_megabytes_are_shown_in_64_characters() {
    let shown = Key::new(&("x".repeat(10 << 20), 1)).to_string();
    assert_eq!(shown, format!("(\"{}…", "x".repeat(61)));
}

#[test]
fn options_of_the_formatter_apply() {
    assert_eq!(format!("[{:>4}]", Key::new(&5)), "[   5]");
}
