//! Spans to an OpenTelemetry collector, by OTLP over HTTP.
//!
//! The standard environment variables decide where, with which headers and how much
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>). The exporter reads them by itself: they are its
//! contract with whoever runs collectors, and no setting of refrom.

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// What traces are sent with; ended by [`Traces::finish`].
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// `None` where the environment names no collector, or says that there should be no traces. To be called outside of
    /// an asynchronous runtime: the exporter has a thread of its own.
    pub fn start(environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Option<Self>> {
        if !is_wanted(environment) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build()?;
        let mut resource = Resource::builder();
        if environment("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("refrom");
        }
        let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        Ok(Some(Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())))
    }

    /// What hands spans on.
    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, Tracer>
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("refrom"))
    }

    /// Sends what has not been sent yet, for some seconds at most. A collector that is away loses traces and stops
    /// nothing.
    pub fn finish(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

fn is_wanted(environment: &dyn Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, value: &str| environment(name).is_some_and(|text| text.trim().eq_ignore_ascii_case(value));
    let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let is_named = names.iter().any(|name| environment(name).is_some_and(|text| !text.trim().is_empty()));
    is_named && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn otel_is_wanted_where_a_collector_is_named_and_nobody_says_no() {
        let wanted = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            is_wanted(&move |name| set.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone()))
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(wanted(&[endpoint]));
        assert!(wanted(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")]));
        assert!(!wanted(&[]) && !wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]));
        assert!(!wanted(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]));
        assert!(!wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }
}
