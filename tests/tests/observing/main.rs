//! What the library measures, as two exporters for Prometheus show it, the dashboard that reads it, and what the library logs.

#![expect(clippy::float_cmp, reason = "exporters show counts as floats, and they are whole numbers")]

mod cached;
mod dashboard;
mod locks;
mod logs;
mod scrape;
