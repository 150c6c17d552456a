//! A line of a log, and how it is shown. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::output::Paint;

/// Who said it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Source {
    pub(crate) component: String,
    pub(crate) pod: String,
    pub(crate) container: String,
}

/// What was said, and when by the clock of the node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) source: Source,
    pub(crate) at: Option<Timestamp>,
    pub(crate) text: String,
}

/// Keys of a structured line that stand elsewhere, or say nothing to people.
const KNOWN: [&str; 7] = ["timestamp", "level", "message", "target", "span", "spans", "name"];

impl Source {
    fn prefix(&self) -> String {
        let Self { component, pod, container } = self;
        if container == component { format!("{component}/{pod}") } else { format!("{component}/{pod}:{container}") }
    }
}

impl Line {
    /// Takes a line with its time in front, as the cluster gives it.
    pub(crate) fn parse(source: &Source, line: &str) -> Self {
        let (at, text) = match line.split_once(' ') {
            Some((time, text)) => (time.parse().ok(), text),
            None => (line.parse().ok(), ""),
        };
        let text = if at.is_some() { text } else { line };
        Self { source: source.clone(), at, text: text.to_owned() }
    }

    /// As an object for programs; what the service wrote stays as it is.
    pub(crate) fn json(&self) -> String {
        let log = serde_json::from_str::<Value>(&self.text).ok().filter(Value::is_object);
        let Source { component, pod, container } = &self.source;
        json!({
            "component": component, "pod": pod, "container": container, "time": self.at.map(|at| at.to_string()),
            "log": log.unwrap_or_else(|| json!(self.text)),
        })
        .to_string()
    }

    /// For people.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let prefix = self.source.prefix();
        let colour = self.source.component.bytes().map(usize::from).sum();
        let at = self.at.map(|at| at.strftime("%H:%M:%S%.3fZ ").to_string()).unwrap_or_default();
        let said = match serde_json::from_str(&self.text) {
            Ok(Value::Object(fields)) => structured(&fields, paint),
            _ => None,
        };
        let said = said.unwrap_or_else(|| harmless(&self.text));
        format!("{} {}{said}", paint.nth(colour, &prefix), paint.faint(&at))
    }
}

/// A line of the services (or of MongoDB) in words; none when it is neither.
fn structured(fields: &Map<String, Value>, paint: Paint) -> Option<String> {
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    let level = text("level").or_else(|| text("s"))?;
    let shown = format!("{level:<5}");
    let level = match level {
        "ERROR" | "E" | "F" => paint.bad(&shown),
        "WARN" | "W" => paint.waiting(&shown),
        "INFO" | "I" => paint.good(&shown),
        _ => paint.faint(&shown),
    };
    let mut line = format!("{level} {}", harmless(text("message").or_else(|| text("msg")).unwrap_or_default()));
    let spans = fields.get("spans").and_then(Value::as_array).cloned();
    let spans = spans.unwrap_or_else(|| fields.get("span").cloned().into_iter().collect());
    let of_spans = spans.iter().filter_map(Value::as_object).flatten();
    let mongodb = fields.contains_key("s") && !fields.contains_key("level");
    let own = fields.iter().filter(|(key, _)| !mongodb || *key == "attr");
    for (key, value) in own.chain(of_spans).filter(|(key, _)| !KNOWN.contains(&key.as_str())) {
        let value = match value {
            Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => text.clone(),
            other => other.to_string(),
        };
        line += &format!(" {}{}", paint.faint(&format!("{}=", harmless(key))), harmless(&value));
    }
    Some(line)
}

/// Without what a terminal would take for an order.
fn harmless(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control() && c != '\t';
            let (as_it_is, as_text) = if escaped { (None, Some(c.escape_default())) } else { (Some(c), None) };
            as_it_is.into_iter().chain(as_text.into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let source = Source { component: "auth".into(), pod: "chat-auth-1".into(), container: "auth".into() };
        Line::parse(&source, text)
    }

    #[test]
    fn a_line_of_a_service_reads_as_a_sentence_with_its_fields() {
        let line = line(concat!(
            r#"2026-01-02T03:04:05.678901234Z {"timestamp":"…","level":"WARN","message":"late","seconds":2,"#,
            r#""peer":"a b","target":"aether_auth","span":{"name":"call","request_id":"r1"}}"#
        ));
        let told = line.text(Paint::none());
        assert_eq!(told, "auth/chat-auth-1 03:04:05.678Z WARN  late seconds=2 peer=\"a b\" request_id=r1");
    }

    #[test]
    fn other_lines_stay_as_they_are_but_give_the_terminal_no_orders() {
        let told = line("2026-01-02T03:04:05Z LOG:  ready \u{1b}[2J").text(Paint::none());
        assert_eq!(told, "auth/chat-auth-1 03:04:05.000Z LOG:  ready \\u{1b}[2J");
        let nested = line(r#"2026-01-02T03:04:05Z {"level":"INFO","message":"a\u001b[2J"}"#).text(Paint::none());
        assert!(nested.ends_with(r"INFO  a\u{1b}[2J"), "{nested}");
    }

    #[test]
    fn a_line_of_mongodb_is_understood() {
        let told = line(
            r#"2026-01-02T03:04:05Z {"t":{"$date":"x"},"s":"I","c":"NETWORK","id":1,"msg":"Listening","attr":{"port":1}}"#,
        );
        assert!(
            told.text(Paint::none()).ends_with(r#"I     Listening attr={"port":1}"#),
            "{}",
            told.text(Paint::none())
        );
    }

    #[test]
    fn another_container_than_the_components_own_is_named() {
        let source = Source { component: "migration".into(), pod: "chat-m".into(), container: "auth".into() };
        assert!(Line::parse(&source, "x").text(Paint::none()).starts_with("migration/chat-m:auth x"));
    }

    #[test]
    fn for_programs_a_line_holds_what_the_service_wrote() {
        let read = |text| serde_json::from_str::<Value>(&line(text).json()).unwrap();
        let structured = read(r#"2026-01-02T03:04:05Z {"level":"INFO","message":"hi"}"#);
        assert_eq!(structured["log"], json!({"level": "INFO", "message": "hi"}));
        assert_eq!(structured["time"], "2026-01-02T03:04:05Z");
        assert_eq!(read("2026-01-02T03:04:05Z plain text")["log"], "plain text");
        assert_eq!(read("no time at all")["log"], "no time at all");
    }
}
