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

/// Copies a user and their session so many times, with names of their own: hashing as many passwords would take
/// minutes. Returns id, name, e-mail and session of each copy.
pub(crate) async fn copy_user(url: &str, id: &str, number: usize) -> Vec<[String; 4]> {
    const USERS: &str = "INSERT INTO users SELECT (jsonb_populate_record(u, jsonb_build_object(
            'id', nextval(pg_get_serial_sequence('users', 'id')), 'username', u.username || n,
            'username_key', u.username_key || n, 'email', n || u.email, 'email_key', n || u.email_key))).*
        FROM users u, generate_series(1, $2) n WHERE u.id = $1::bigint";
    const SESSIONS: &str = "INSERT INTO sessions SELECT (jsonb_populate_record(s, jsonb_build_object(
            'id', gen_random_uuid(), 'user_id', copy.id))).*
        FROM sessions s JOIN users u ON u.id = s.user_id
        JOIN users copy ON copy.username_key LIKE u.username_key || '_%' WHERE u.id = $1::bigint";
    const COPIES: &str = "SELECT copy.id::text, copy.username, copy.email, s.id::text
        FROM users u JOIN users copy ON copy.username_key LIKE u.username_key || '_%'
        JOIN sessions s ON s.user_id = copy.id WHERE u.id = $1::bigint ORDER BY copy.id";
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::query(USERS).bind(id).bind(i32::try_from(number).unwrap()).execute(&mut connection).await.unwrap();
    sqlx::query(SESSIONS).bind(id).execute(&mut connection).await.unwrap();
    let rows = sqlx::query_as(COPIES).bind(id).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.into_iter().map(|(id, name, email, session)| [id, name, email, session]).collect()
}

/// Every row of every table, as text.
pub(crate) async fn dump_postgres(url: &str) -> String {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
    let mut dump = String::new();
    for table in tables {
        let rows = sqlx::AssertSqlSafe(format!("SELECT row::text FROM \"{table}\" row"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap();
        rows.iter().for_each(|row| dump += &format!("{table}: {row}\n"));
    }
    connection.close().await.unwrap();
    dump
}

/// Every document of every collection, as text.
pub(crate) async fn dump_mongodb(url: &str) -> String {
    let client = mongodb::Client::with_uri_str(url).await.unwrap();
    let database = client.default_database().unwrap();
    let mut dump = String::new();
    for name in database.list_collection_names().await.unwrap() {
        let mut documents =
            database.collection::<mongodb::bson::Document>(&name).find(Default::default()).await.unwrap();
        while documents.advance().await.unwrap() {
            dump += &format!("{name}: {}\n", documents.deserialize_current().unwrap());
        }
    }
    dump
}
