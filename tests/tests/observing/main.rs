//! What the library measures, as two exporters for Prometheus show it, the dashboard that reads it, and what the library logs.

mod cached;
mod dashboard;
mod locks;
mod logs;
mod scrape;
