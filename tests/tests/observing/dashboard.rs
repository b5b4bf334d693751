//! The dashboard in `docs/grafana` asks for what the library measures.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use dspinlock::{Client, Error, dspinlock};
use serde_json::Value;

use crate::scrape::scrape;

#[dspinlock(client = client, key = (), cached, lease = "100ms")]
fn everything(client: &Client) -> Result<u32, Error> {
    let guard = client.lock("key").lease(dspinlock_tests::ms(100)).acquire_blocking()?;
    let waits = client.lock("key").wait(dspinlock_tests::ms(10)).acquire_blocking();
    assert!(waits.is_err());
    dspinlock_tests::await_renewal(&guard);
    guard.release_blocking()?;
    Ok(1)
}

/// All queries in the panels and variables.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(query) if ["expr", "query", "definition"].contains(&name.as_str()) => {
                        found.push(query.to_owned());
                    }
                    _ => queries(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

/// The names of time series in a query.
fn series(query: &str) -> impl Iterator<Item = &str> {
    query
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("dspinlock_"))
}

#[test]
fn each_query_of_the_dashboard_names_what_both_exporters_show_and_nothing_is_left_out() {
    let scrape = scrape();
    everything(&Client::memory()).unwrap();
    dspinlock_tests::eventually("all is measured", || scrape.names().iter().all(|names| names.len() >= 13));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/grafana/dspinlock.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    assert!(found.len() >= 8, "{found:?}");
    let [metrics, opentelemetry] = scrape.names();
    let mut asked = BTreeSet::new();
    for query in found.iter().filter(|query| *query != "prometheus") {
        assert!(series(query).next().is_some(), "{query}");
        for name in series(query) {
            assert!(metrics.contains(name), "{name} in {query}: {metrics:?}");
            assert!(opentelemetry.contains(name), "{name} in {query}: {opentelemetry:?}");
            asked.insert(name.to_owned());
        }
    }
    let family = |name: &String| {
        name.trim_end_matches("_bucket").trim_end_matches("_count").trim_end_matches("_sum").to_owned()
    };
    let asked: BTreeSet<_> = asked.iter().map(family).collect();
    for names in [metrics, opentelemetry] {
        let ours: BTreeSet<_> =
            names.iter().filter(|name| name.starts_with("dspinlock_")).map(family).collect();
        assert_eq!(ours, asked);
    }
}

/// The page has each name, as the library and as Prometheus has it.
#[test]
fn the_page_names_each_metric() {
    let scrape = scrape();
    everything(&Client::memory()).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    for name in scrape.names().into_iter().flatten().filter(|name| name.starts_with("dspinlock_")) {
        let name = name.trim_end_matches("_bucket").trim_end_matches("_count").trim_end_matches("_sum");
        assert!(page.contains(&format!("`{name}`")), "{name}");
        let ours = name.trim_end_matches("_seconds").trim_end_matches("_total").replace('_', ".");
        assert!(page.contains(&format!("`{ours}`")), "{ours}");
    }
}
