//! An HTTP client that keeps answers whole and never turns a status into an error.

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::Value;

/// A gateway's address with a client. Make one for each test: a client belongs to the runtime that it was used in.
#[derive(Clone, Debug)]
pub struct Api {
    /// The base URL, without a slash at the end.
    pub url: String,
    client: Client,
}

/// A whole answer; a body that isn't JSON is kept as a JSON string.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// A header's value, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Panics unless status and body (see [`crate::assert_json`]) are these.
    #[track_caller]
    pub fn assert(&self, status: u16, body: Value) {
        assert_eq!(self.status, status, "the body is {}", self.body);
        crate::assert_json(&self.body, body);
    }
}

impl Api {
    /// A client for the server at `url`.
    pub fn new(url: &str) -> Self {
        let client = Client::builder().timeout(std::time::Duration::from_secs(60)).build().unwrap();
        Self { url: url.trim_end_matches('/').to_owned(), client }
    }

    /// A request to be refined; send it by [`Api::send`].
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// As [`Api::send`]; an error when the connection fails.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, headers, body })
    }

    /// GET, with an access token if one is given.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    /// POST of a JSON body.
    pub async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.call(Method::POST, path, token, Some(body)).await
    }

    /// PUT of a JSON body.
    pub async fn put(&self, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.call(Method::PUT, path, token, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str, token: Option<&str>) -> Answer {
        self.call(Method::DELETE, path, token, None).await
    }

    /// Any method, with an access token and a JSON body if they are given.
    pub async fn call(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send(request).await
    }
}
