//! Certificates of a test's own, and TLS in front of stores that don't speak it.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// One that signs certificates. Its files are gone when it is dropped.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("dir", &self.dir).finish()
    }
}

impl Authority {
    /// A new one, with a certificate for this machine.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let (authority, key) = (Self { issuer, dir: tempfile::tempdir().unwrap() }, KeyPair::generate().unwrap());
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority.issuer).unwrap();
        std::fs::write(authority.ca(), authority.issuer.pem()).unwrap();
        std::fs::write(authority.certificate(), certificate.pem()).unwrap();
        std::fs::write(authority.key(), key.serialize_pem()).unwrap();
        authority
    }

    /// The file of its own certificate.
    pub fn ca(&self) -> String {
        self.file("ca.pem")
    }

    /// The file of this machine's certificate.
    pub fn certificate(&self) -> String {
        self.file("certificate.pem")
    }

    /// The file of that one's key.
    pub fn key(&self) -> String {
        self.file("key.pem")
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Speaks TLS in front of the server of `url`, as long as this test runs: the URL with that place in it.
    pub(crate) fn in_front_of(&self, url: &str) -> String {
        let (head, rest) = url.split_once("://").unwrap();
        let place = rest.split(['/', '?']).next().unwrap().rsplit('@').next().unwrap().to_owned();
        let certificates: Vec<_> =
            CertificateDer::pem_file_iter(self.certificate()).unwrap().map(Result::unwrap).collect();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(certificates, PrivateKeyDer::from_pem_file(self.key()).unwrap()).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let through = format!("{head}://{}", rest.replacen(&place, &here, 1));
        let postgres = head.starts_with("postgres");
        // It outlives the runtime of whoever started it.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, place, TlsAcceptor::from(Arc::new(config)), postgres));
        });
        through
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

async fn serve(listener: std::net::TcpListener, place: String, tls: TlsAcceptor, postgres: bool) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((client, _)) = listener.accept().await {
        let (tls, place) = (tls.clone(), place.clone());
        tokio::spawn(async move { pass(client, &place, tls, postgres).await });
    }
}

async fn pass(mut client: TcpStream, place: &str, tls: TlsAcceptor, postgres: bool) -> std::io::Result<()> {
    if postgres {
        // A client asks for TLS first: an `SSLRequest`, and an `S` in answer.
        client.read_exact(&mut [0; 8]).await?;
        client.write_all(b"S").await?;
    }
    let (mut client, mut server) = (tls.accept(client).await?, TcpStream::connect(place).await?);
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
