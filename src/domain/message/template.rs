//! Templates that people write for title, body and commit message: rendered within limits, checked when they are read.

use std::io;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::context::Context;

/// Steps that a template may take: about twenty times what the default body takes for the most pins that fit.
const FUEL: u64 = 500_000;
/// How deep a template may nest.
const RECURSION_MAX: usize = 20;

pub(super) const TITLE: &str = "build(deps): refresh {% if count == 1 %}base image {{ image }}{% else %}\
{{ count }} base images{% endif %}{% if file %} in {{ file }}{% endif %}";

pub(super) const BODY: &str = "{{ summary }}

{{ table }}

{% if remarks %}{{ remarks }}

{% endif %}{{ digests }}

---

{{ instructions }}
";

pub(super) const COMMIT_MESSAGE: &str = "{{ title }}
{% for image in images %}
{{ image.reference }}{% if image.versions %} ({{ image.versions }}){% endif %}
  {{ image.old }}
  {{ image.new }}
{% endfor %}{% if left_out %}
and {{ left_out }} more
{% endif %}";

/// Which template a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateKind {
    Title,
    Body,
    CommitMessage,
}

impl TemplateKind {
    /// The longest text in bytes that is written out; what the forge takes is checked later.
    fn output_max(self) -> usize {
        match self {
            Self::Title => 10_000,
            Self::Body | Self::CommitMessage => 1 << 20,
        }
    }
}

/// Tries a template of the configuration on examples; the error is for people.
pub fn validate_template(kind: TemplateKind, template: &str) -> Result<(), String> {
    for example in Context::examples(kind) {
        let text = render(kind, template, &example)?;
        if text.trim().is_empty() {
            return Err("renders to nothing".to_owned());
        }
        if kind == TemplateKind::Body {
            forbid_comments(&text)?;
        }
    }
    Ok(())
}

/// A body has one hidden block, and nothing that could hide it or look like it.
pub(super) fn forbid_comments(body: &str) -> Result<(), String> {
    if body.contains("<!--") { Err("a body's template may not write HTML comments".to_owned()) } else { Ok(()) }
}

/// Renders within the limits; the error is for people.
pub(super) fn render(kind: TemplateKind, template: &str, context: &impl Serialize) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    // Values arrive harmless for the place they are for: see `escape`.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    let mut output = Bounded { bytes: Vec::new(), room: kind.output_max() };
    let rendered = environment
        .template_from_str(template)
        .and_then(|template| template.render_captured_to(minijinja::value::Serde(context), &mut output).map(drop));
    match rendered {
        Ok(()) => String::from_utf8(output.bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// A writer that takes no more than it has room for.
struct Bounded {
    bytes: Vec<u8>,
    room: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.room = self.room.checked_sub(buffer.len()).ok_or_else(|| io::Error::other("the text is too long"))?;
        self.bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [TemplateKind; 3] = [TemplateKind::Title, TemplateKind::Body, TemplateKind::CommitMessage];

    #[test]
    fn the_defaults_are_valid() {
        for (kind, template) in KINDS.into_iter().zip([TITLE, BODY, COMMIT_MESSAGE]) {
            assert_eq!(validate_template(kind, template), Ok(()));
        }
    }

    #[test]
    fn mistakes_are_found_when_the_template_is_read() {
        for template in ["{{ nosuch }}", "{{ image", "{% for %}", "{{ pins[0].nosuch }}", "{{ image|nosuch }}", " "] {
            for kind in KINDS {
                assert!(validate_template(kind, template).is_err(), "{template}");
            }
        }
    }

    #[test]
    fn a_template_that_does_too_much_or_hides_something_is_refused() {
        for template in
            ["{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}", "{{ 'x' * 50000000 }}"]
        {
            assert!(validate_template(TemplateKind::Body, template).is_err(), "{template}");
        }
    }
}
