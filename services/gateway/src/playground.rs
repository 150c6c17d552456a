//! `GET /playground`: a chat client as a web page, for a first look. Off unless `PLAYGROUND_ENABLED` is set. Its code
//! is in `playground/` and, what any client has to do, in `clients/typescript/src/`; the official Socket.IO client is
//! read from where its npm package is.

use std::{fs, path::PathBuf};

use aether_common::{Env, env::ConfigError};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};

use crate::{app::App, error::refusal};

const PAGE: &str = "/playground";
const SOCKET_IO: &str = "PLAYGROUND_SOCKET_IO";
/// The page may load what is beside it and talk to this gateway, and nothing else; forms go nowhere by themselves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! file {
    ($url:literal, $kind:expr, $path:literal) => {
        ($url, $kind, include_str!(concat!("../../../", $path)))
    };
}

/// URL, type, content.
#[rustfmt::skip]
const FILES: [(&str, &str, &str); 17] = [
    file!("/playground",                      HTML,   "playground/index.html"),
    file!("/playground/style.css",            CSS,    "playground/style.css"),
    file!("/playground/icon.svg",             SVG,    "playground/icon.svg"),
    file!("/playground/app.js",               SCRIPT, "playground/app.js"),
    file!("/playground/chat.js",              SCRIPT, "playground/chat.js"),
    file!("/playground/dom.js",               SCRIPT, "playground/dom.js"),
    file!("/playground/people.js",            SCRIPT, "playground/people.js"),
    file!("/playground/rooms.js",             SCRIPT, "playground/rooms.js"),
    file!("/playground/view.js",              SCRIPT, "playground/view.js"),
    file!("/playground/welcome.js",           SCRIPT, "playground/welcome.js"),
    file!("/playground/client/client.js",     SCRIPT, "clients/typescript/src/client.js"),
    file!("/playground/client/connection.js", SCRIPT, "clients/typescript/src/connection.js"),
    file!("/playground/client/emitter.js",    SCRIPT, "clients/typescript/src/emitter.js"),
    file!("/playground/client/feed.js",       SCRIPT, "clients/typescript/src/feed.js"),
    file!("/playground/client/http.js",       SCRIPT, "clients/typescript/src/http.js"),
    file!("/playground/client/room.js",       SCRIPT, "clients/typescript/src/room.js"),
    file!("/playground/client/session.js",    SCRIPT, "clients/typescript/src/session.js"),
];

/// What the page needs beside its own files.
#[derive(Clone)]
pub(crate) struct Playground {
    /// `dist/socket.io.esm.min.js` of the npm package `socket.io-client`; the page says what to do where it is absent.
    socket_io: Option<Bytes>,
}

impl Playground {
    /// `None` where it isn't wanted.
    pub(crate) fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        if !env.flag("PLAYGROUND_ENABLED", false)? {
            return Ok(None);
        }
        let socket_io = env.get(SOCKET_IO).map(PathBuf::from).or_else(beside_program).map(|path| {
            fs::read(&path).map(Bytes::from).map_err(|error| {
                let mend = format!("{error}; it has to be socket.io.esm.min.js of the npm package socket.io-client");
                ConfigError::Invalid(SOCKET_IO, path.display().to_string(), mend)
            })
        });
        Ok(Some(Self { socket_io: socket_io.transpose()? }))
    }

    /// The page, its files, and the way to it from `/`.
    pub(crate) fn routes(&self) -> Router<App> {
        let mut router = Router::new().route("/", get(|| async { Redirect::temporary(PAGE) }));
        for (url, kind, content) in FILES {
            router =
                router.route(url, get(move || async move { answer(kind, Bytes::from_static(content.as_bytes())) }));
        }
        let socket_io = self.socket_io.clone();
        let missing = || refusal(StatusCode::NOT_FOUND, "The Socket.IO client is missing: set PLAYGROUND_SOCKET_IO");
        router.route(
            "/playground/socket.io.js",
            get(move || async move { socket_io.map_or_else(missing, |content| answer(SCRIPT, content)) }),
        )
    }
}

/// Where images and archives have it.
fn beside_program() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name("socket.io.esm.min.js");
    path.exists().then_some(path)
}

fn answer(kind: &'static str, content: Bytes) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    #[test]
    fn it_is_off_unless_it_is_asked_for() {
        assert!(Playground::from_env(&Env::default()).unwrap().is_none());
        let on = Env::default().with("PLAYGROUND_ENABLED", true);
        assert!(Playground::from_env(&on).unwrap().unwrap().socket_io.is_none());
    }

    #[test]
    fn the_socket_io_client_is_read_from_where_the_variable_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("socket.io.js");
        fs::write(&file, "export const io = 1;").unwrap();
        let env = Env::default().with("PLAYGROUND_ENABLED", true).with(SOCKET_IO, file.display());
        assert_eq!(Playground::from_env(&env).unwrap().unwrap().socket_io.unwrap(), "export const io = 1;");
    }

    #[test]
    fn a_socket_io_client_that_cannot_be_read_is_named_with_its_mend() {
        let env = Env::default().with("PLAYGROUND_ENABLED", true).with(SOCKET_IO, "/nowhere/socket.io.js");
        let error = Playground::from_env(&env).err().unwrap().to_string();
        assert!(error.starts_with("PLAYGROUND_SOCKET_IO=/nowhere") && error.contains("npm package"), "{error}");
    }

    #[test]
    fn every_file_of_the_page_is_served_and_what_it_imports_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let in_folder: BTreeSet<String> = fs::read_dir(root.join("playground"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".js") || name.ends_with(".css") || name.ends_with(".svg"))
            .map(|name| format!("{PAGE}/{name}"))
            .collect();
        let served: BTreeSet<String> = FILES.iter().map(|(url, ..)| (*url).to_owned()).collect();
        assert!(in_folder.is_subset(&served), "{:?}", in_folder.difference(&served));
        for (url, _, content) in FILES.into_iter().filter(|(_, kind, _)| *kind == SCRIPT) {
            let folder = url.rsplit_once('/').unwrap().0;
            let code = content.lines().filter(|line| line.starts_with("import ") || line.starts_with("export "));
            for import in code.filter_map(|line| line.split(" from \"./").nth(1)) {
                let import = format!("{folder}/{}", import.split('"').next().unwrap());
                assert!(served.contains(&import), "{url} imports {import}");
            }
        }
    }

    #[test]
    fn nothing_in_the_page_needs_what_its_policy_refuses() {
        for (url, kind, content) in FILES {
            for forbidden in ["style=\"", "innerHTML", "outerHTML", "insertAdjacentHTML", " onclick=", "eval("] {
                assert!(!content.contains(forbidden), "{url} has {forbidden}");
            }
            if kind == HTML {
                assert!(!content.contains("<script>") && !content.contains("<style"), "{url} has inline code");
            }
        }
    }
}
