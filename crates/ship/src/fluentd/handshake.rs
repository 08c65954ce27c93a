//! HELO, PING, PONG: both sides prove that they know the shared key, and the receiver may ask for a name and a password.

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use rmp::encode::{ValueWriteError, write_array_len, write_bin, write_str};

use super::answer::{self, Item};
use crate::later::excerpt;
use crate::net::{Dialer, Socket};

const SALT_BYTES: usize = 16;

/// What this side knows.
pub(super) struct Handshake {
    hostname: String,
    shared_key: String,
    login: Option<(String, String)>,
}

impl Handshake {
    pub(super) fn new(hostname: &str, shared_key: String, login: Option<(String, String)>) -> Self {
        // Not the machine's bare name: a receiver on this machine has that, and a name like ours is refused below.
        Self { hostname: format!("mainstay.{hostname}"), shared_key, login }
    }

    pub(super) async fn perform(&self, dialer: &Dialer, socket: &mut Socket) -> Result<(), String> {
        let hello =
            answer::read(dialer, socket).await.map_err(|why| format!("the receiver did not say HELO: {why}"))?;
        let (nonce, auth) = greeting(&hello)?;
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).map_err(|_| "cannot get random bytes for the handshake".to_owned())?;
        let ping = self.ping(&salt, nonce, auth).map_err(|error| format!("cannot encode PING: {error}"))?;
        dialer.send(socket, &ping).await?;
        let pong = answer::read(dialer, socket).await.map_err(|why| format!("the receiver did not say PONG: {why}"))?;
        self.check(&pong, &salt, nonce)
    }

    /// `["PING", hostname, salt, digest of the key, name, digest of the password]`.
    fn ping(&self, salt: &[u8], nonce: &[u8], auth: &[u8]) -> Result<Vec<u8>, ValueWriteError> {
        let (name, password) = match (&self.login, auth.is_empty()) {
            (Some((name, password)), false) => (name.as_str(), hex(&[auth, name.as_bytes(), password.as_bytes()])),
            (_, _) => ("", String::new()),
        };
        let mut ping = Vec::with_capacity(512);
        write_array_len(&mut ping, 6)?;
        write_str(&mut ping, "PING")?;
        write_str(&mut ping, &self.hostname)?;
        write_bin(&mut ping, salt)?;
        write_str(&mut ping, &hex(&[salt, self.hostname.as_bytes(), nonce, self.shared_key.as_bytes()]))?;
        write_str(&mut ping, name)?;
        write_str(&mut ping, &password)?;
        Ok(ping)
    }

    /// `["PONG", whether we may, why not, its hostname, digest of the key]`.
    fn check(&self, pong: &Item, salt: &[u8], nonce: &[u8]) -> Result<(), String> {
        let [kind, result, reason, hostname, digest] = pong.list() else {
            return Err("the receiver's PONG has not five parts".to_owned());
        };
        if kind.text() != Some(b"PONG") {
            return Err("the receiver's answer to PING is no PONG".to_owned());
        }
        if *result != Item::Flag(true) {
            let reason = excerpt(reason.text().unwrap_or_default());
            return Err(format!("the receiver refuses our shared key or password: {reason}"));
        }
        let hostname = hostname.text().unwrap_or_default();
        if hostname == self.hostname.as_bytes() {
            return Err(format!(
                "the receiver says that it is {} too: it may only repeat our own proof",
                self.hostname
            ));
        }
        let right = hex(&[salt, hostname, nonce, self.shared_key.as_bytes()]);
        if digest.text() != Some(right.as_bytes()) {
            return Err("the receiver does not know the shared key".to_owned());
        }
        Ok(())
    }
}

/// `["HELO", {"nonce": …, "auth": …, "keepalive": …}]`.
fn greeting(hello: &Item) -> Result<(&[u8], &[u8]), String> {
    match hello.list() {
        [kind, options] if kind.text() == Some(b"HELO") => {
            let text = |key: &str| options.get(key).and_then(Item::text);
            let nonce = text("nonce").ok_or("the receiver's HELO has no nonce")?;
            Ok((nonce, text("auth").unwrap_or_default()))
        }
        _ => Err("the receiver did not begin with HELO: it may not ask for a shared key".to_owned()),
    }
}

/// SHA-512 in lower-case hexadecimal digits.
fn hex(parts: &[&[u8]]) -> String {
    let mut context = digest::Context::new(&digest::SHA512);
    for part in parts {
        context.update(part);
    }
    crate::json::hex(context.finish().as_ref())
}
