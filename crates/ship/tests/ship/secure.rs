//! TLS: whom a sink trusts, and who it says it is.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use crate::stand::{Receiver, deliver, delivered, later, many, request, response, say, sink_in};

/// An authority of our own, in the files `ca.pem`, and for each name `NAME.pem` and `NAME.key`.
pub(crate) fn certificates(folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for (file, name) in [("server", "127.0.0.1"), ("elsewhere", "logs.example.com"), ("client", "client")] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

/// An HTTPS server with this certificate; it may ask for ours.
async fn server(folder: &Path, name: &str, asks: bool) -> Receiver {
    let read = |file: &str| CertificateDer::from_pem_file(folder.join(file)).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read("ca.pem")).unwrap();
    let builder = match asks {
        true => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
        false => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(vec![read(&format!("{name}.pem"))], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Receiver::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while request(&mut stream).await.is_some() {
                say(&mut stream, response("204 No Content", "", "")).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn only_the_right_authority_and_the_right_name_are_trusted() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let server = server(folder.path(), "server", false).await;
    let elsewhere = self::server(folder.path(), "elsewhere", false).await;
    for (server, keys, trusted) in [
        (&server, "ca-file = 'ca.pem'", true),
        (&server, "ca-file = 'client.pem'", false),
        (&server, "insecure = 'accept-any-certificate'", true),
        (&elsewhere, "ca-file = 'ca.pem'", false),
        (&elsewhere, "ca-file = 'ca.pem'\nserver-name = 'logs.example.com'", true),
        (&elsewhere, "insecure = 'accept-any-certificate'", true),
    ] {
        let text = format!("type = 'loki'\nurl = 'https://127.0.0.1:{}'\n{keys}", server.port());
        let mut sink = sink_in(folder.path(), &text);
        for _ in 0..2 {
            let outcome = deliver(&mut sink, &many(3)).await;
            match trusted {
                true => assert_eq!(outcome, delivered(), "{keys}"),
                false => {
                    let (why, _) = later(outcome);
                    assert!(why.contains("certificate"), "{keys}: {why}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_receiver_that_asks_who_we_are_gets_our_certificate() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let server = server(folder.path(), "server", true).await;
    let text = format!("type = 'loki'\nurl = 'https://127.0.0.1:{}'\nca-file = 'ca.pem'\n", server.port());
    let mut nobody = sink_in(folder.path(), &text);
    let (why, _) = later(deliver(&mut nobody, &many(3)).await);
    assert!(why.contains("CertificateRequired") || why.contains("connection"), "{why}");
    let mut known = sink_in(folder.path(), &format!("{text}cert-file = 'client.pem'\nkey-file = 'client.key'"));
    assert_eq!(deliver(&mut known, &many(3)).await, delivered());
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_without_a_new_start() {
    let [folder, others] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    certificates(folder.path());
    certificates(others.path());
    let server = server(folder.path(), "server", true).await;
    let keys = "ca-file = 'ca.pem'\ncert-file = 'client.pem'\nkey-file = 'client.key'";
    let text = format!("type = 'loki'\nurl = 'https://127.0.0.1:{}'\n{keys}", server.port());
    let mut sink = sink_in(others.path(), &text);
    later(deliver(&mut sink, &many(3)).await);
    for file in ["ca.pem", "client.pem", "client.key"] {
        std::fs::copy(folder.path().join(file), others.path().join(file)).unwrap();
    }
    assert_eq!(deliver(&mut sink, &many(3)).await, delivered());
}

#[tokio::test]
async fn a_receiver_without_tls_is_no_receiver_with_it() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let plain = crate::stand::http(|_, _| response("204 No Content", "", "")).await;
    for text in [
        format!("type = 'loki'\nurl = 'https://127.0.0.1:{}'\nca-file = 'ca.pem'\ntimeout = '500ms'", plain.port()),
        format!(
            "type = 'fluentd'\ntls = true\naddress = '127.0.0.1:{}'\nca-file = 'ca.pem'\ntimeout = '500ms'",
            plain.port()
        ),
    ] {
        later(deliver(&mut sink_in(folder.path(), &text), &many(3)).await);
    }
}

#[test]
fn files_that_are_none_are_told_when_the_sink_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    std::fs::write(folder.path().join("empty.pem"), "nothing").unwrap();
    for (keys, told) in [
        ("ca-file = 'none.pem'", "cannot read the certificates in "),
        ("ca-file = 'empty.pem'", "there is no certificate in "),
        ("ca-file = 'ca.pem'\ncert-file = 'client.pem'\nkey-file = 'ca.pem'", "cannot read the key in "),
        ("ca-file = 'ca.pem'\ncert-file = 'client.pem'\nkey-file = 'server.key'", "cannot use "),
        ("ca-file = 'ca.pem'\nserver-name = 'a b'", "`a b` cannot be the name of a certificate"),
    ] {
        let text = format!("type = 'syslog'\naddress = 'x'\ntls = true\n{keys}");
        let why = crate::stand::try_sink(folder.path(), &text).unwrap_err();
        assert!(why.starts_with(told), "{keys}: {why}");
    }
}
