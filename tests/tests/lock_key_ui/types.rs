use std::collections::HashMap;

use dspinlock::{Key, LockKey};

struct NotDerived;

#[derive(LockKey)]
struct HoldsFloat {
    id: u64,
    ratio: f64,
}

#[derive(LockKey)]
enum HoldsOther {
    A(Vec<NotDerived>),
}

#[derive(LockKey)]
#[lock_key(transparent)]
struct Transparent(f32);

#[derive(LockKey)]
struct Generic<T>(T);

fn main() {
    Key::new(&0.5_f64);
    Key::new(&("a", 0.5_f32));
    Key::new(&NotDerived);
    Key::new(&HashMap::<u8, u8>::new());
    Key::new(&Generic(0.5_f64));
}
