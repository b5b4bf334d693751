use dspinlock::LockKey;

#[derive(LockKey)]
union Either {
    a: u8,
    b: i8,
}

#[derive(LockKey)]
#[lock_key(rename = "Report")]
struct UnknownOfType;

#[derive(LockKey)]
struct UnknownOfField {
    #[lock_key(ignore)]
    a: u8,
}

#[derive(LockKey)]
enum UnknownOfVariant {
    #[lock_key(skip)]
    A,
}

#[derive(LockKey)]
#[lock_key(name = "A", name = "B")]
struct TwiceInOne;

#[derive(LockKey)]
struct TwiceInTwo {
    #[lock_key(skip)]
    #[lock_key(skip)]
    a: u8,
}

#[derive(LockKey)]
#[lock_key]
struct WithoutArguments;

#[derive(LockKey)]
#[lock_key(name = "")]
struct EmptyName;

#[derive(LockKey)]
#[lock_key(name = Report)]
struct NameWithoutQuotes;

#[derive(LockKey)]
struct NameOfUnnamed(#[lock_key(name = "a")] u8);

#[derive(LockKey)]
struct NameOfSkipped {
    #[lock_key(skip, name = "b")]
    a: u8,
}

#[derive(LockKey)]
struct TakenByField {
    a: u8,
    #[lock_key(name = "a")]
    b: u8,
}

#[derive(LockKey)]
enum TakenByVariant {
    #[lock_key(name = "B")]
    A,
    B,
}

#[derive(LockKey)]
#[lock_key(transparent)]
enum TransparentEnum {
    A(u8),
}

#[derive(LockKey)]
#[lock_key(transparent, name = "Pair")]
struct TransparentPair(u8, u8);

#[derive(LockKey)]
#[lock_key(crate = "dspinlock")]
struct QuotedPath;

// All errors of one type are reported together, and uses of the type are not errors as well.
#[derive(LockKey)]
#[lock_key(oops)]
struct Several {
    #[lock_key(oops)]
    a: u8,
    #[lock_key(oops)]
    b: u8,
}

fn main() {
    dspinlock::Key::new(&UnknownOfType);
    dspinlock::Key::new(&Several { a: 1, b: 2 });
    dspinlock::Key::new(&Either { a: 1 });
}
