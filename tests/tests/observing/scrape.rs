//! The measurements of this process, by a recorder of `metrics` and by a meter provider of `opentelemetry`, both in the text form
//! of Prometheus.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use dspinlock_tests::eventually;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, Registry, TextEncoder};

/// What has been measured in this process. Tests run beside each other, so each looks at functions or namespaces of its own.
pub(crate) struct Scrape {
    metrics: PrometheusHandle,
    opentelemetry: Registry,
    /// To see the changes of numbers that rise and fall.
    _provider: SdkMeterProvider,
}

/// Installs both, before the first client.
pub(crate) fn scrape() -> &'static Scrape {
    static SCRAPE: OnceLock<Scrape> = OnceLock::new();
    SCRAPE.get_or_init(|| {
        let builder = PrometheusBuilder::new().with_recommended_naming(true);
        let buckets = builder.set_buckets(&[0.01, 0.1, 1.0, 10.0]).unwrap();
        let opentelemetry = Registry::new();
        let reader =
            opentelemetry_prometheus::exporter().with_registry(opentelemetry.clone()).build().unwrap();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        opentelemetry::global::set_meter_provider(provider.clone());
        Scrape { metrics: buckets.install_recorder().unwrap(), opentelemetry, _provider: provider }
    })
}

impl Scrape {
    /// The lines of each exporter.
    pub(crate) fn lines(&self) -> [Vec<String>; 2] {
        // The registry and the recorder change what they collect.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.opentelemetry.gather(), &mut text).unwrap();
        [self.metrics.render(), String::from_utf8(text).unwrap()].map(|text| {
            text.lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(ToOwned::to_owned)
                .collect()
        })
    }

    /// The names of the time series of each exporter.
    pub(crate) fn names(&self) -> [BTreeSet<String>; 2] {
        let name = |line: String| line[..line.find(['{', ' ']).unwrap_or(line.len())].to_owned();
        self.lines().map(|lines| lines.into_iter().map(name).collect())
    }

    /// The sum of the series with this name that have all of these labels, by each exporter.
    ///
    /// # Panics
    /// If the exporters do not agree.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |line: &str| {
            line.starts_with(&format!("{name}{{"))
                && labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")))
        };
        let value = |line: &String| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        let mut sums = [0.0; 2];
        // Something may be measured between the two.
        eventually(&format!("{name} {labels:?}: both exporters agree"), || {
            sums = self.lines().map(|lines| lines.iter().filter(|line| has(line)).map(value).sum::<f64>());
            (sums[0] - sums[1]).abs() < 0.001
        });
        sums[0]
    }

    /// How many times were measured, with these labels.
    #[track_caller]
    pub(crate) fn times(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.sum(&format!("{name}_seconds_count"), labels)
    }
}
