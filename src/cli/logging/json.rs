//! One JSON object per line: `timestamp`, `level`, `message`, `target`, `spans`, and beside them every field of the event
//! and of the spans around it, so that a log store can be asked for `repo="acme/web"` whatever logged it.

use std::fmt;

use jiff::Timestamp;
use serde::Serializer as _;
use serde::ser::SerializeMap as _;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The format of events; the fields of spans have to be formatted as `JsonFields`.
#[derive(Debug)]
pub struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (mut spans, mut fields) = (Vec::new(), Fields::default());
        // From the outermost in: the nearest word counts.
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            spans.push(span.name());
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<N>>().map(|formatted| formatted.fields.as_str());
            if let Some(Ok(Value::Object(of_span))) = formatted.map(serde_json::from_str) {
                fields.0.extend(of_span);
            }
        }
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        let metadata = event.metadata();
        let line = Line {
            level: metadata.level().as_str(),
            message: message.as_str().unwrap_or_default(),
            target: Some(metadata.target()),
            spans: &spans,
            fields: Some(&fields.0),
        };
        writeln!(writer, "{}", line.write(Timestamp::now()))
    }
}

/// One line.
#[derive(Debug, Default)]
pub struct Line<'a> {
    /// `ERROR`, `WARN`, …
    pub level: &'a str,
    pub message: &'a str,
    /// The module.
    pub target: Option<&'a str>,
    /// From the outermost in.
    pub spans: &'a [&'a str],
    pub fields: Option<&'a Map<String, Value>>,
}

impl Line<'_> {
    /// The object, in the order in which people read it.
    pub fn write(&self, now: Timestamp) -> String {
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut bytes);
        let written = serializer.serialize_map(None).and_then(|mut map| {
            map.serialize_entry("timestamp", &format!("{now:.6}"))?;
            map.serialize_entry("level", self.level)?;
            map.serialize_entry("message", self.message)?;
            if let Some(target) = self.target {
                map.serialize_entry("target", target)?;
            }
            if !self.spans.is_empty() {
                map.serialize_entry("spans", self.spans)?;
            }
            let own = ["timestamp", "level", "message", "target", "spans"];
            for (name, value) in self.fields.into_iter().flatten().filter(|(name, _)| !own.contains(&name.as_str())) {
                map.serialize_entry(name, value)?;
            }
            map.end()
        });
        // Texts, numbers and lists always become JSON.
        written.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// Fields as values.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(Lines)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn fields_of_the_event_and_of_all_spans_stand_beside_the_message() {
        let lines = logged(|| {
            let _cycle = tracing::info_span!("cycle", repositories = 3).entered();
            let _repository = tracing::info_span!("repository", repo = %"acme/web", pr.number = 1).entered();
            tracing::warn!(pr.number = 7, is_late = true, "a \"word\"\nand\u{1b}[31m more");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(line["message"], "a \"word\"\nand\u{1b}[31m more");
        assert_eq!(
            (&line["level"], &line["repo"], &line["repositories"]),
            (&"WARN".into(), &"acme/web".into(), &3.into())
        );
        assert_eq!((&line["pr.number"], &line["is_late"]), (&7.into(), &true.into()), "the nearest counts");
        assert_eq!(line["spans"], serde_json::json!(["cycle", "repository"]));
        assert!(line["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }

    #[test]
    fn no_field_takes_the_place_of_a_lines_own() {
        let lines = logged(|| {
            let _span = tracing::info_span!("odd", level = "none", target = "nowhere").entered();
            tracing::info!("words");
        });
        assert_eq!((&lines[0]["level"], &lines[0]["message"]), (&"INFO".into(), &"words".into()));
        assert!(lines[0]["target"].as_str().unwrap().starts_with("refrom"));
    }

    #[test]
    fn an_object_is_one_line_in_a_readers_order() {
        let lines = logged(|| tracing::info!(a = 1, "b"));
        let fields = Map::from_iter([("a".to_owned(), Value::from(1))]);
        let text = Line { level: "INFO", message: "b\nc", fields: Some(&fields), ..Line::default() };
        let text = text.write(Timestamp::UNIX_EPOCH);
        assert_eq!(text, r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"INFO","message":"b\nc","a":1}"#);
        assert_eq!(lines.len(), 1);
    }
}
