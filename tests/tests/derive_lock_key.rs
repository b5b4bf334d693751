//! `#[derive(LockKey)]`: its encoding, and the types that it accepts.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::rc::Rc;

use dspinlock::{Key, LockKey};

/// Values in the documented encoding.
fn value(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    [&[tag], &(content.len() as u64).to_be_bytes()[..], &content].concat()
}

fn text(text: &str) -> Vec<u8> {
    value(b't', &[text.as_bytes()])
}

fn integer(n: i64) -> Vec<u8> {
    value(b'i', &[n.to_string().as_bytes()])
}

#[track_caller]
fn encodes(made_of: &impl LockKey, expected: &[u8]) {
    assert_eq!(Key::new(made_of).canonical(), [&[1], expected].concat());
}

#[derive(LockKey)]
struct Report {
    year: u16,
    tenant: String,
}

#[derive(LockKey)]
struct Pair(u8, &'static str);

#[derive(LockKey)]
struct Nightly;

#[derive(LockKey)]
enum Job {
    Nightly,
    Retry(u32, String),
    Report { tenant: String, day: u8 },
}

#[test]
fn a_struct_is_encoded_as_its_name_and_its_fields_sorted_by_name() {
    let report = Report { year: 2026, tenant: "acme".into() };
    encodes(
        &report,
        &value(b's', &[&text("Report"), &text("tenant"), &text("acme"), &text("year"), &integer(2026)]),
    );
    assert_eq!(Key::new(&report).to_string(), r#"Report { tenant: "acme", year: 2026 }"#);
}

#[test]
fn fields_without_names_keep_their_order() {
    encodes(&Pair(1, "a"), &value(b'S', &[&text("Pair"), &integer(1), &text("a")]));
    assert_eq!(Key::new(&Pair(1, "a")).to_string(), r#"Pair(1, "a")"#);
    encodes(&Nightly, &value(b'S', &[&text("Nightly")]));
    assert_eq!(Key::new(&Nightly).to_string(), "Nightly");
}

#[test]
fn a_variant_is_encoded_as_its_enum_its_name_and_its_fields() {
    encodes(&Job::Nightly, &value(b'V', &[&text("Job"), &text("Nightly")]));
    encodes(
        &Job::Retry(3, "x".into()),
        &value(b'V', &[&text("Job"), &text("Retry"), &integer(3), &text("x")]),
    );
    let report = Job::Report { tenant: "acme".into(), day: 7 };
    encodes(
        &report,
        &value(
            b'v',
            &[&text("Job"), &text("Report"), &text("day"), &integer(7), &text("tenant"), &text("acme")],
        ),
    );
    assert_eq!(Key::new(&report).to_string(), r#"Job::Report { day: 7, tenant: "acme" }"#);
}

mod earlier_release {
    use super::LockKey;

    #[derive(LockKey)]
    pub(crate) struct Report {
        pub(crate) tenant: Box<str>,
        pub(crate) year: i64,
    }

    #[derive(LockKey)]
    pub(crate) enum Job {
        #[expect(dead_code, reason = "only there to change the order of the variants")]
        Retry(u32, String),
        Nightly,
    }
}

#[test]
fn the_order_and_width_of_fields_do_not_matter() {
    let earlier = earlier_release::Report { tenant: "acme".into(), year: 2026 };
    assert_eq!(Key::new(&earlier), Key::new(&Report { year: 2026, tenant: "acme".into() }));
    assert_eq!(Key::new(&earlier_release::Job::Nightly), Key::new(&Job::Nightly));
}

#[test]
fn types_with_the_same_fields_have_different_keys() {
    #[derive(LockKey)]
    struct Customer(u64);
    #[derive(LockKey)]
    struct Order(u64);

    assert_ne!(Key::new(&Customer(5)), Key::new(&Order(5)));
    assert_ne!(Key::new(&Customer(5)), Key::new(&5));
    assert_ne!(Key::new(&Customer(5)), Key::new(&(5,)));
    assert_ne!(Key::new(&Nightly), Key::new(&Job::Nightly));
    assert_ne!(Key::new(&Nightly), Key::new("Nightly"));
}

#[test]
fn a_skipped_field_is_not_encoded() {
    /// A type that is no key.
    struct Connection;

    #[derive(LockKey)]
    struct Skips {
        #[lock_key(skip)]
        _connection: Connection,
        id: u8,
        #[lock_key(skip)]
        _ratio: f64,
    }

    #[derive(LockKey)]
    struct SkipsFirst(
        #[lock_key(skip)]
        #[expect(dead_code, reason = "skipped")]
        f64,
        u8,
    );

    let skips = |ratio| Key::new(&Skips { _connection: Connection, id: 1, _ratio: ratio });
    assert_eq!(skips(0.5), skips(0.25));
    assert_eq!(skips(0.5).to_string(), "Skips { id: 1 }");
    assert_eq!(Key::new(&SkipsFirst(0.5, 1)), Key::new(&SkipsFirst(0.25, 1)));
    assert_ne!(Key::new(&SkipsFirst(0.5, 1)), Key::new(&SkipsFirst(0.5, 2)));
}

#[test]
fn rename_keeps_the_encoding_of_a_renamed_item() {
    #[derive(LockKey)]
    #[lock_key(name = "Report")]
    struct MonthlyReport {
        #[lock_key(name = "tenant")]
        customer: &'static str,
        year: u16,
    }

    #[derive(LockKey)]
    #[lock_key(name = "Job")]
    enum Task {
        #[lock_key(name = "Nightly")]
        EveryNight,
    }

    let renamed = MonthlyReport { customer: "acme", year: 2026 };
    assert_eq!(Key::new(&renamed), Key::new(&Report { year: 2026, tenant: "acme".into() }));
    assert_eq!(Key::new(&Task::EveryNight), Key::new(&Job::Nightly));
}

#[test]
fn a_transparent_struct_is_encoded_as_its_field() {
    #[derive(LockKey)]
    #[lock_key(transparent)]
    struct CustomerId(u64);

    #[derive(LockKey)]
    #[lock_key(transparent)]
    struct Id<T> {
        text: String,
        #[lock_key(skip)]
        _of: PhantomData<T>,
    }

    assert_eq!(Key::new(&CustomerId(5)), Key::new(&5));
    assert_eq!(Key::new(&CustomerId(5)).bare_uid(), "5");
    assert_eq!(Key::new(&Id::<f64> { text: "a".into(), _of: PhantomData }), Key::new("a"));
}

trait Entity {
    type Id;
}

struct User;

impl Entity for User {
    type Id = u64;
}

#[derive(LockKey)]
struct Generic<'a, E: Entity, K: ?Sized, T = u8, const N: usize = 2>
where
    E::Id: Copy,
{
    id: E::Id,
    other: Option<<E as Entity>::Id>,
    part: Cow<'a, str>,
    list: [T; N],
    tail: &'a K,
}

/// Contains its own type, so bounds on the types of its fields would not terminate.
#[derive(LockKey)]
enum Tree<T> {
    Leaf(T),
    Node(Vec<Tree<T>>),
}

#[derive(LockKey)]
struct Unsized<T: ?Sized> {
    head: u8,
    tail: T,
}

#[derive(LockKey)]
enum Never {}

#[test]
fn only_encoded_type_parameters_are_bounded() {
    let generic = Generic::<User, str> { id: 7, other: None, part: "p".into(), list: [1, 2], tail: "t" };
    assert_eq!(
        Key::new(&generic).to_string(),
        r#"Generic { id: 7, list: b"\x01\x02", other: None, part: "p", tai…"#
    );
    let tree = Tree::Node(vec![Tree::Leaf(1), Tree::Node(vec![])]);
    assert_eq!(Key::new(&tree).to_string(), "Tree::Node([Tree::Leaf(1), Tree::Node([])])");
    let tail: &Unsized<[u16]> = &Unsized { head: 1, tail: [2, 3] };
    assert_eq!(Key::new(tail).to_string(), "Unsized { head: 1, tail: [2, 3] }");
    assert_eq!(Key::new(&None::<Never>).to_string(), "None");
}

#[test]
fn names_of_the_user_do_not_clash() {
    #[derive(LockKey)]
    #[expect(non_camel_case_types, reason = "raw names are the point")]
    struct r#struct {
        r#type: u8,
        encoder: u8,
        field_0: u8,
    }

    /// Shadows names that the expansion might use.
    #[derive(LockKey)]
    enum Option {
        Some(Rc<str>),
        None,
    }

    let raw = r#struct { r#type: 1, encoder: 2, field_0: 3 };
    assert_eq!(Key::new(&raw).to_string(), "struct { encoder: 2, field_0: 3, type: 1 }");
    assert_eq!(Key::new(&Option::Some("a".into())).to_string(), r#"Option::Some("a")"#);
    assert_eq!(Key::new(&Option::None).to_string(), "Option::None");
}

mod framework {
    pub(crate) mod reexported {
        pub(crate) use dspinlock::*;
    }
}

#[test]
fn the_path_of_the_library_can_be_set() {
    #[derive(LockKey)]
    #[lock_key(crate = framework::reexported, name = "Nightly")]
    struct Elsewhere;

    assert_eq!(Key::new(&Elsewhere), Key::new(&Nightly));
}

#[test]
fn deprecated_fields_and_variants_are_encoded_without_a_warning() {
    #[derive(LockKey)]
    struct Old {
        #[deprecated]
        field: u8,
    }

    #[derive(LockKey)]
    enum Former {
        #[deprecated]
        Variant(u8),
    }

    #[expect(deprecated, reason = "the deprecated items are the point")]
    let key = Key::new(&(Old { field: 1 }, Former::Variant(2)));
    assert_eq!(key.to_string(), "(Old { field: 1 }, Former::Variant(2))");
}
