//! The API's description as a page: no script, one style sheet that the policy knows by its hash.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;\
color:#1a1a1a;background:#fff}h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin:2rem 0 .2rem;font-size:1rem}\
code{background:#f2f2f2;padding:.1rem .3rem;border-radius:3px}table{border-collapse:collapse;width:100%;\
margin:.4rem 0}th,td{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #eee}\
th{font-weight:600}.method{display:inline-block;min-width:3.2rem;font-weight:700}.lock{color:#8a4b00}\
@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}code{background:#2a2a2a}\
th,td{border-color:#333}.lock{color:#ffb566}a{color:#8ab4ff}}";

/// What the page may load: its own style and nothing else.
pub(super) fn policy() -> String {
    let hash = BASE64_STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'")
}

/// The whole page.
pub(super) fn page(api: &Value) -> String {
    let title = escape(text(&api["info"]["title"]));
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title} API</title><style>{STYLE}</style></head><body>\
         <h1>{title} API {}</h1><p>{}</p><p>For programs: <a href=\"/api/docs/openapi.json\">openapi.json</a>, \
         and for the socket <a href=\"/api/docs/asyncapi.json\">asyncapi.json</a></p>",
        escape(text(&api["info"]["version"])),
        escape(text(&api["info"]["description"])),
    );
    for tag in array(&api["tags"]) {
        let _ = write!(html, "<h2>{}</h2>", escape(text(&tag["description"])));
        for (path, methods) in object(&api["paths"]) {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                if array(&operation["tags"]).any(|name| *name == tag["name"]) {
                    operation_html(&mut html, api, path, method, operation);
                }
            }
        }
    }
    html.push_str("</body></html>\n");
    html
}

fn operation_html(html: &mut String, api: &Value, path: &str, method: &str, operation: &Value) {
    let guarded = array(&operation["security"]).next().is_some();
    let lock = if guarded { " <span class=\"lock\">needs Authorization: Bearer</span>" } else { "" };
    let _ = write!(
        html,
        "<h3><span class=\"method\">{}</span> <code>{}</code></h3><div>{}{lock}</div>",
        method.to_uppercase(),
        escape(path),
        escape(text(&operation["summary"])),
    );
    for parameter in array(&operation["parameters"]) {
        let (name, place) = (escape(text(&parameter["name"])), escape(text(&parameter["in"])));
        let _ = write!(html, "<div><code>{name}</code> ({place}) {}</div>", escape(text(&parameter["description"])));
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        html.push_str("<table><tr><th>Field of the body</th><th>Type</th><th></th></tr>");
        fields_html(html, api, body);
        html.push_str("</table>");
    }
    html.push_str("<table><tr><th>Status</th><th>When</th><th>Body</th></tr>");
    for (status, response) in object(&operation["responses"]) {
        let content = &response["content"]["application/json"];
        let body =
            if content["example"].is_null() { example(api, &content["schema"]) } else { content["example"].clone() };
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            escape(status),
            escape(text(&response["description"])),
            escape(&body.to_string()),
        );
    }
    html.push_str("</table>");
}

fn fields_html(html: &mut String, api: &Value, schema: &Value) {
    let schema = resolved(api, schema);
    for (name, field) in object(&schema["properties"]) {
        let required = array(&schema["required"]).any(|required| required == name);
        let kind = field["type"].as_str().or_else(|| field["type"][0].as_str()).unwrap_or("string");
        let _ = write!(
            html,
            "<tr><td><code>{}</code>{}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            if required { "" } else { " (optional)" },
            escape(kind),
            escape(text(&field["description"])),
        );
    }
}

/// What a body of a schema looks like.
fn example(api: &Value, schema: &Value) -> Value {
    let schema = resolved(api, schema);
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    match schema["type"].as_str() {
        Some("object") if schema["properties"].is_object() => {
            object(&schema["properties"]).map(|(name, field)| (name.clone(), example(api, field))).collect()
        }
        Some("object") => {
            Value::Object([("…".to_owned(), example(api, &schema["additionalProperties"]))].into_iter().collect())
        }
        Some("array") => Value::Array(vec![example(api, &schema["items"])]),
        Some("string") => Value::from("…"),
        Some("integer" | "number") => Value::from(0),
        Some("boolean") => Value::from(true),
        _ => Value::Null,
    }
}

/// A schema itself, where there is only its name.
fn resolved<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => api.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_shows_every_operation_and_no_script() {
        let page = super::page(&crate::docs::description());
        for part in ["/api/auth/register", "/api/rooms/{roomId}/messages", "john@example.com", "Invalid credentials"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("<script"));
        assert!(!page.contains("style=\""));
    }
}
