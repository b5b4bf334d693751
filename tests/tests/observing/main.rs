//! What the library measures, as two exporters for Prometheus show it, and the dashboard that reads it.

mod cached;
mod dashboard;
mod locks;
mod scrape;
