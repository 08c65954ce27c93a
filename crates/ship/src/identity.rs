//! What a sink proves itself with and trusts, as its files and variables have it now: so that a renewed secret or certificate is taken up
//! without a new start.

use std::io::Read;
use std::path::Path;

use mainstay_wire::sinks::{Auth, Credentials, Kind, Secret, Tls};
use ring::digest::{Context, Digest, SHA256};

/// No file of keys and certificates is so long.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A digest of all of it. What can't be read is part of it too: it may be readable later.
pub(crate) fn fingerprint(kind: &Kind) -> Digest {
    let mut made = Context::new(&SHA256);
    for secret in secrets(kind) {
        let read = secret.read();
        part(&mut made, read.unwrap_or_else(|why| why).as_bytes());
    }
    let tls = tls(kind);
    let identity = tls.and_then(|tls| tls.identity.as_ref()).map(|(cert, key)| [cert, key]);
    let files = identity.into_iter().flatten().chain(tls.and_then(|tls| tls.ca_file.as_ref()));
    for path in files {
        let read = file(path);
        part(&mut made, &read.unwrap_or_else(|error| error.to_string().into_bytes()));
    }
    made.finish()
}

fn secrets(kind: &Kind) -> Vec<&Secret> {
    match kind {
        Kind::Fluentd(config) => {
            config.shared_key.iter().chain(config.login.iter().map(|(_, password)| password)).collect()
        }
        Kind::Elasticsearch(config) => of_auth(&config.auth),
        Kind::Loki(config) => of_auth(&config.auth),
        Kind::S3(config) => config.credentials.iter().flat_map(of_credentials).collect(),
        Kind::Lumberjack(_) | Kind::Syslog(_) | Kind::File(_) | Kind::Stdout(_) => Vec::new(),
    }
}

fn of_auth(auth: &Auth) -> Vec<&Secret> {
    match auth {
        Auth::None => Vec::new(),
        Auth::Basic(_, secret) | Auth::Bearer(secret) | Auth::ApiKey(secret) => vec![secret],
    }
}

fn of_credentials(credentials: &Credentials) -> impl Iterator<Item = &Secret> {
    let Credentials { access_key_id, secret_access_key, session_token } = credentials;
    [access_key_id, secret_access_key].into_iter().chain(session_token)
}

fn tls(kind: &Kind) -> Option<&Tls> {
    match kind {
        Kind::Fluentd(config) => config.tls.as_ref(),
        Kind::Lumberjack(config) => config.tls.as_ref(),
        Kind::Syslog(config) => config.tls.as_ref(),
        Kind::Elasticsearch(config) => Some(&config.tls),
        Kind::Loki(config) => Some(&config.tls),
        Kind::S3(config) => Some(&config.tls),
        Kind::File(_) | Kind::Stdout(_) => None,
    }
}

fn file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Its length before it: `ab` `c` is not `a` `bc`.
fn part(made: &mut Context, bytes: &[u8]) {
    made.update(&(bytes.len() as u64).to_be_bytes());
    made.update(bytes);
}
