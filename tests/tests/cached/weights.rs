//! The memory that copies in the process may use.

use std::sync::{Arc, Weak};

use dspinlock::{Client, dspinlock};
use serde::{Deserialize, Serialize};

use crate::support::AppError;

const HIDDEN: usize = 64 << 10;

/// Encoded to JSON it is `{}`.
#[derive(Serialize, Deserialize)]
struct Table {
    #[serde(skip, default = "hidden")]
    hidden: Vec<u8>,
}

fn hidden() -> Vec<u8> {
    vec![7; HIDDEN]
}

#[dspinlock(client = client, key = n, cached(local = "1h"))]
fn table(client: &Client, n: u32) -> Result<Arc<Table>, AppError> {
    Ok(Arc::new(Table { hidden: hidden() }))
}

#[dspinlock(client = client, key = n, cached(local = "1h"))]
fn text(client: &Client, n: u32) -> Result<Arc<String>, AppError> {
    Ok(Arc::new("x".repeat(HIDDEN)))
}

/// A client with room for 64 copies.
fn client() -> Client {
    Client::memory().with_local_copies(10_000, 64 * HIDDEN)
}

/// How many of 200 copies are in memory in the end.
fn kept<T>(client: &Client, call: fn(&Client, u32) -> Result<Arc<T>, AppError>) -> usize {
    let mut seen: Vec<Weak<T>> = Vec::new();
    for n in 0..200 {
        // The second call reads what the first one stored, and keeps a copy.
        for _ in 0..2 {
            seen.push(Arc::downgrade(&call(client, n).unwrap()));
        }
    }
    seen.iter().filter(|value| value.strong_count() > 0).count()
}

#[test]
fn memory_behind_the_bytes_counts_with_a_weight_function() {
    assert_eq!(kept(&client(), table), 200, "JSON does not show it");
    let weigh = |table: &Table| size_of::<Table>() + table.hidden.capacity();
    let kept = kept(&client().with_weight(weigh), table);
    assert!((8..=64).contains(&kept), "{kept} copies");
}

#[test]
fn the_number_of_copies_is_bounded() {
    let kept = kept(&Client::memory().with_local_copies(64, 1 << 30), table);
    assert!((8..=64).contains(&kept), "{kept} copies");
}

#[test]
fn a_decoded_copy_is_weighed_again() {
    let kept = kept(&client(), text);
    assert!((4..=32).contains(&kept), "{kept} copies");
}
