//! Samples as text: OpenMetrics for scrapes, Prometheus' older text format for node-exporter's textfile collector.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::catalogue::{self, Family, Kind};
use super::histogram::Histogram;

/// The content type of what a scrape is answered with
/// (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md#protocol-negotiation>).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The values of a family's labels, in the family's order.
type Labels = Vec<String>;

/// A family and a value for each of its label sets, in the order of the labels.
#[derive(Debug, Clone, PartialEq)]
enum Values {
    Counts(BTreeMap<Labels, u64>),
    Numbers(BTreeMap<Labels, f64>),
    Distribution(Histogram),
}

/// All samples of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples(BTreeMap<&'static str, Values>);

impl Samples {
    /// A counter's value.
    pub fn count(&mut self, family: Family, labels: &[&str], value: u64) {
        let values = self.0.entry(family.name).or_insert_with(|| Values::Counts(BTreeMap::new()));
        if let Values::Counts(counts) = values {
            counts.insert(labels.iter().map(ToString::to_string).collect(), value);
        }
    }

    /// A gauge's value.
    pub fn gauge(&mut self, family: Family, labels: &[&str], value: f64) {
        let values = self.0.entry(family.name).or_insert_with(|| Values::Numbers(BTreeMap::new()));
        if let Values::Numbers(numbers) = values {
            numbers.insert(labels.iter().map(ToString::to_string).collect(), value);
        }
    }

    /// A histogram's distribution.
    pub fn distribution(&mut self, family: Family, histogram: Histogram) {
        self.0.insert(family.name, Values::Distribution(histogram));
    }

    /// OpenMetrics 1.0 as text, with `# EOF`.
    pub fn open_metrics(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = text::encode(&mut text, &registry);
        text
    }

    /// The text format 0.0.4: a counter's family has the name of its samples, and there is no `# EOF`
    /// (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
    pub fn textfile(&self) -> String {
        let text = self.open_metrics();
        let mut lines = String::new();
        for line in text.lines().filter(|line| *line != "# EOF") {
            let comment = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
            let name = comment.and_then(|rest| rest.split(' ').next()).map(|name| format!("{name}_total"));
            let counter = name.filter(|name| catalogue::ALL.iter().any(|family| family.name == name));
            match counter {
                Some(name) => lines.push_str(&line.replacen(name.trim_end_matches("_total"), &name, 1)),
                None => lines.push_str(line),
            }
            lines.push('\n');
        }
        lines
    }
}

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in catalogue::ALL {
            let Some(values) = self.0.get(family.name) else { continue };
            let (name, kind) = match family.kind {
                // The encoder adds the suffix.
                Kind::Counter => (family.name.trim_end_matches("_total"), MetricType::Counter),
                Kind::Gauge => (family.name, MetricType::Gauge),
                Kind::Histogram => (family.name, MetricType::Histogram),
            };
            let mut encoder = encoder.encode_descriptor(name, family.help, None, kind)?;
            match values {
                Values::Counts(counts) => {
                    for (labels, count) in counts {
                        let labels = named(family, labels);
                        let mut of_labels = encoder.encode_family(&labels)?;
                        of_labels.encode_counter::<NoLabelSet, _, u64>(count, None)?;
                    }
                }
                // Without labels there would be empty braces.
                Values::Numbers(numbers) if family.labels.is_empty() => {
                    numbers.values().try_for_each(|number| encoder.encode_gauge(number))?;
                }
                Values::Numbers(numbers) => {
                    for (labels, number) in numbers {
                        encoder.encode_family(&named(family, labels))?.encode_gauge(number)?;
                    }
                }
                Values::Distribution(Histogram { buckets, sum, count }) => {
                    encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)?;
                }
            }
        }
        Ok(())
    }
}

/// Labels with their names.
fn named<'a>(family: &Family, values: &'a Labels) -> Vec<(&'static str, &'a str)> {
    family.labels.iter().copied().zip(values.iter().map(String::as_str)).collect()
}
