//! TLS between the services, where it is wanted. Files are read when a service starts.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet, time::timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::{Env, Secret, env::ConfigError, link::Channel, net};

mod stream;

pub use self::stream::Stream;

const CERTIFICATE: &str = "TLS_CERT_FILE";
const KEY: &str = "TLS_KEY_FILE";
const CA: &str = "TLS_CA_FILE";
const REDIS_CA: &str = "REDIS_TLS_CA_FILE";
const CLIENT_CA: &str = "TLS_CLIENT_CA_FILE";
/// A caller that doesn't finish its handshake in this time is cut off.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The other end of a channel has no address of its own.
const UNTOLD: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What stands in a file.
type Pem = Vec<u8>;

/// What a server needs to speak TLS.
#[derive(Clone)]
pub struct ServerTls {
    http: Arc<ServerConfig>,
    grpc: ServerTlsConfig,
}

impl ServerTls {
    /// Reads `TLS_CERT_FILE` and `TLS_KEY_FILE`; `None` where neither is set. Where `TLS_CLIENT_CA_FILE` is set, gRPC
    /// is for callers with a certificate of that CA.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let Some((certificate, key)) = identity(env)? else {
            return match env.get(CLIENT_CA) {
                Some(_) => Err(ConfigError::Missing(CERTIFICATE, "TLS_CLIENT_CA_FILE is for servers that speak TLS")),
                None => Ok(None),
            };
        };
        let http = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(CERTIFICATE, env, &error))?
            .with_no_client_auth()
            .with_single_cert(chain(CERTIFICATE, env)?, private_key(env)?)
            .map_err(|error| wrong(CERTIFICATE, env, &error))?;
        let mut grpc = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key)).timeout(HANDSHAKE);
        if env.get(CLIENT_CA).is_some() {
            chain(CLIENT_CA, env)?;
            grpc = grpc.client_ca_root(Certificate::from_pem(read(CLIENT_CA, env)?));
        }
        Ok(Some(Self { http: Arc::new(http), grpc }))
    }

    pub(crate) fn grpc(&self) -> &ServerTlsConfig {
        &self.grpc
    }
}

/// A service that is called by TLS: whom its certificate must name, and who must have signed it.
#[derive(Debug, Clone)]
pub struct Peer {
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Peer {
    /// For a host; `variable` has the URL in which it stands. Reads `TLS_CA_FILE`, and where they are set,
    /// `TLS_CERT_FILE` and `TLS_KEY_FILE`, by which callers show who they are.
    pub fn from_env(env: &Env, variable: &'static str, host: &str, alpn: &[u8]) -> Result<Self, ConfigError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| ConfigError::Invalid(variable, host.to_owned(), error.to_string()))?;
        if env.get(CA).is_none() {
            return Err(ConfigError::Missing(CA, "https URLs need the file of the CA that signs the services"));
        }
        let mut roots = RootCertStore::empty();
        for certificate in chain(CA, env)? {
            roots.add(certificate).map_err(|error| wrong(CA, env, &error))?;
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(CA, env, &error))?
            .with_root_certificates(roots);
        let mut config = match identity(env)? {
            None => config.with_no_client_auth(),
            Some(_) => config
                .with_client_auth_cert(chain(CERTIFICATE, env)?, private_key(env)?)
                .map_err(|error| wrong(CERTIFICATE, env, &error))?,
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        Ok(Self { name, config: Arc::new(config) })
    }
}

/// Connects, by TLS where the peer speaks it. An error says which variable may have to be mended.
pub async fn connect(address: SocketAddr, peer: Option<&Peer>) -> io::Result<Stream> {
    let stream = TcpStream::connect(address).await?;
    net::tune(&stream);
    let Some(peer) = peer else { return Ok(Stream::Plain(stream)) };
    let connector = TlsConnector::from(Arc::clone(&peer.config));
    match connector.connect(peer.name.clone(), stream).await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream.into()))),
        Err(error) => {
            let name = peer.name.to_str();
            Err(io::Error::new(error.kind(), format!("TLS with {name}: {}", explained(&error.to_string(), CA))))
        }
    }
}

/// An error of any library, and where it is about a certificate, the variable by which it may be mended.
#[must_use]
pub fn explained(error: &str, variable: &str) -> String {
    if error.contains("invalid peer certificate") {
        format!("{error}: see that {variable} names the CA that signed it, and the URL a host that it is for")
    } else {
        error.to_owned()
    }
}

/// The error of a call that a server broke off though its own certificate was good: it may want another one of the
/// caller, which is told only after the handshake.
pub(crate) fn turned_away(error: &str) -> String {
    format!("{error}: see that {CERTIFICATE} and {KEY} hold a certificate that the other side's {CLIENT_CA} signed")
}

/// Whether an error says which variable may have to be mended.
pub(crate) fn names_a_file(error: &str) -> bool {
    [CA, CERTIFICATE].iter().any(|variable| error.contains(&format!("see that {variable}")))
}

/// A listener whose connections are tuned and, where so configured, encrypted.
pub struct Listener {
    tcp: tokio::net::TcpListener,
    tls: Option<TlsAcceptor>,
    handshakes: JoinSet<Option<(Stream, SocketAddr)>>,
    channels: Option<mpsc::UnboundedReceiver<Channel>>,
}

impl Listener {
    /// For an HTTP server.
    #[must_use]
    pub fn new(tcp: tokio::net::TcpListener, tls: Option<&ServerTls>) -> Self {
        let tls = tls.map(|tls| TlsAcceptor::from(Arc::clone(&tls.http)));
        Self { tcp, tls, handshakes: JoinSet::new(), channels: None }
    }

    /// Accepts channels of links, too, each as if it were a connection.
    #[must_use]
    pub fn with_channels(self, channels: mpsc::UnboundedReceiver<Channel>) -> Self {
        Self { channels: Some(channels), ..self }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            let (stream, address) = tokio::select! {
                accepted = axum::serve::Listener::accept(&mut self.tcp) => accepted,
                Some(channel) = channel(&mut self.channels) => return (Stream::Channel(channel), UNTOLD),
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Some(accepted)) => return accepted,
                    _ => continue,
                },
            };
            net::tune(&stream);
            let Some(tls) = self.tls.clone() else { return (Stream::Plain(stream), address) };
            self.handshakes.spawn(async move {
                match timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => return Some((Stream::Tls(Box::new(stream.into())), address)),
                    Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
                }
                None
            });
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

async fn channel(channels: &mut Option<mpsc::UnboundedReceiver<Channel>>) -> Option<Channel> {
    channels.as_mut()?.recv().await
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Certificate and key as they stand in their files: both or neither.
fn identity(env: &Env) -> Result<Option<(Pem, Pem)>, ConfigError> {
    match (env.get(CERTIFICATE), env.get(KEY)) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::Missing(KEY, "TLS_CERT_FILE needs the file of its private key")),
        (None, Some(_)) => Err(ConfigError::Missing(CERTIFICATE, "TLS_KEY_FILE needs the file of its certificate")),
        (Some(_), Some(_)) => Ok(Some((read(CERTIFICATE, env)?, read(KEY, env)?))),
    }
}

/// A client of the Redis at a URL. For `rediss://`, `REDIS_TLS_CA_FILE` may name a CA other than the system's.
pub fn redis(env: &Env, url: &Secret) -> Result<redis::Client, ConfigError> {
    // The value holds a password.
    let invalid = |mend: &str| ConfigError::Invalid("REDIS_URL", "***".into(), mend.to_owned());
    let client = redis::Client::open(url.expose());
    let client = client.map_err(|_| invalid("use redis://user:password@host:6379, or rediss:// for TLS"))?;
    if env.get(REDIS_CA).is_none() {
        return Ok(client);
    }
    chain(REDIS_CA, env)?;
    let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(read(REDIS_CA, env)?) };
    redis::Client::build_with_tls(url.expose(), certificates)
        .map_err(|_| invalid("REDIS_TLS_CA_FILE is set, so it must begin with rediss://"))
}

/// The file that a variable names.
fn read(variable: &'static str, env: &Env) -> Result<Pem, ConfigError> {
    std::fs::read(Path::new(env.get(variable).unwrap_or_default())).map_err(|error| wrong(variable, env, &error))
}

fn chain(variable: &'static str, env: &Env) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let pem = read(variable, env)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates.map_err(|error| wrong(variable, env, &error))? {
        none if none.is_empty() => Err(wrong(variable, env, &"the file holds no certificate in PEM form")),
        some => Ok(some),
    }
}

fn private_key(env: &Env) -> Result<PrivateKeyDer<'static>, ConfigError> {
    PrivateKeyDer::from_pem_slice(&read(KEY, env)?).map_err(|error| wrong(KEY, env, &error))
}

/// A variable whose file can't be used.
fn wrong(variable: &'static str, env: &Env, error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Invalid(variable, env.text(variable, ""), error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(env: &Env) -> String {
        ServerTls::from_env(env).err().unwrap().to_string()
    }

    #[test]
    fn without_files_there_is_no_tls() {
        assert!(ServerTls::from_env(&Env::default()).unwrap().is_none());
    }

    #[test]
    fn a_variable_that_is_missing_or_wrong_is_named() {
        let env = |name| Env::default().with(name, "/no/such/file");
        assert!(refusal(&env(CERTIFICATE)).starts_with("TLS_KEY_FILE is not set"));
        assert!(refusal(&env(KEY)).starts_with("TLS_CERT_FILE is not set"));
        assert!(refusal(&env(CLIENT_CA)).starts_with("TLS_CERT_FILE is not set"));
        let both = env(CERTIFICATE).with(KEY, "/no/such/file");
        assert!(refusal(&both).starts_with("TLS_CERT_FILE=/no/such/file is not valid"), "{}", refusal(&both));
        let peer = |env: &Env| Peer::from_env(env, "URL", "auth", b"h2").err().unwrap().to_string();
        assert!(peer(&Env::default()).starts_with("TLS_CA_FILE is not set"));
        let url = Secret::new("redis://:hunter2@redis:6379");
        let redis = |env: &Env| self::redis(env, &url).err().unwrap().to_string();
        assert!(redis(&env(REDIS_CA)).starts_with("REDIS_TLS_CA_FILE=/no/such/file is not valid"));
        assert!(peer(&env(CA)).starts_with("TLS_CA_FILE=/no/such/file is not valid"));
    }
}
