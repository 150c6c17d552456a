//! A database of its own for each backend, on the servers that `tests/tools/with-servers` starts.

use sqlx::Connection;

/// The value of a variable that `with-servers` sets.
pub(crate) fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} isn't set: this test needs real servers, so run it by `make test` or `tests/tools/with-servers cargo test …`")
    })
}

/// Makes an empty PostgreSQL database and returns its URL.
pub(crate) fn postgres(name: &str) -> String {
    let admin = server("TEST_POSTGRES_URL");
    let create = format!("CREATE DATABASE {name}");
    let (base, _) = admin.rsplit_once('/').unwrap();
    let url = format!("{base}/{name}");
    // On a thread of its own, since the caller may be inside a runtime.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = sqlx::PgConnection::connect(&admin).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    })
    .join()
    .unwrap();
    url
}

/// The URL of a MongoDB database that doesn't exist yet: the first write makes it.
pub(crate) fn mongodb(name: &str) -> String {
    let url = server("TEST_MONGODB_URL");
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, query) = match rest.split_once('?') {
        Some((host, query)) => (host, format!("?{query}")),
        None => (rest, String::new()),
    };
    let host = host.split('/').next().unwrap();
    format!("{scheme}://{host}/{name}{query}")
}
