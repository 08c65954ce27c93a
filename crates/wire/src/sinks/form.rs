//! Addresses as people write them.

use std::fmt;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The address of an HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// With TLS.
    pub https: bool,
    /// Where it listens.
    pub address: Address,
    /// What stands before every path: empty, or `/` and more, without a `/` at its end.
    pub prefix: String,
    /// What stands behind `?`.
    pub query: Option<String>,
}

impl Address {
    /// `host`, `host:24224`, `[::1]:24224`.
    ///
    /// # Errors
    /// Says what is wrong and shows the form.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let bad = || format!("`{text}` is no address: write \"host:{default_port}\" or \"[::1]:{default_port}\"");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']').ok_or_else(bad)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
                let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':').ok_or_else(bad)?) };
                (host, port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || !(text.starts_with('[') || host.chars().all(is_name)) {
            return Err(bad());
        }
        let port = match port {
            None => default_port,
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?,
        };
        Ok(Self { host: host.to_owned(), port })
    }

    /// The host as URLs have it: an IPv6 address in brackets.
    #[must_use]
    pub fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

impl Url {
    /// `https://host`, `http://host:9200/a/prefix?key=value`.
    ///
    /// # Errors
    /// Says what is wrong; never repeats a password that stands in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "write \"https://host\" or \"http://host:port/prefix\"";
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(format!("it is no URL of http or https: {form}")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        if authority.contains('@') {
            return Err("a name or password never stands in a URL: use the keys for them".to_owned());
        }
        if behind.contains('#') || behind.bytes().any(|byte| !(0x21..0x7f).contains(&byte)) {
            return Err(format!("behind the host it has `#`, white space or what is no ASCII: {form}"));
        }
        let address = Address::parse(authority, if https { 443 } else { 80 })?;
        let (path, query) = match behind.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned()).filter(|query| !query.is_empty())),
            None => (behind, None),
        };
        Ok(Self { https, address, prefix: path.trim_end_matches('/').to_owned(), query })
    }

    /// Path and query of a resource below this URL; `path` begins with `/`.
    #[must_use]
    pub fn target(&self, path: &str) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{path}{query}", self.prefix)
    }

    /// The `Host` header: without the port where it is the usual one.
    #[must_use]
    pub fn host_header(&self) -> String {
        let usual = if self.https { 443 } else { 80 };
        if self.address.port == usual { self.address.bracketed() } else { self.address.to_string() }
    }
}

impl fmt::Display for Url {
    /// Without the query, which may say more than logs should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host_header(), self.prefix)
    }
}
