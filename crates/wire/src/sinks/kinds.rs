//! What the keys of each type mean.

use super::read::Table;
use super::{
    Address, Auth, Compress, Credentials, Elasticsearch, File, Fluentd, Format, Kind, Loki, Lumberjack, Part, S3,
    Syslog, Target, Template, Tls, Url,
};

/// The facilities of RFC 5424 in the order of their codes, by their usual names.
pub(super) const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// What Amazon S3 takes as `x-amz-storage-class` in a PUT.
pub(super) const STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
];

const COMPRESS: [(&str, Compress); 4] =
    [("none", Compress::None), ("gzip", Compress::Gzip), ("zlib", Compress::Zlib), ("zstd", Compress::Zstd)];

const TLS_KEYS: [&str; 5] = ["ca-file", "cert-file", "key-file", "server-name", "insecure"];

/// Reads what only this type has.
pub(super) fn kind(table: &Table<'_, '_, '_>, word: &str) -> Option<Kind> {
    match word {
        "fluentd" => fluentd(table).map(Kind::Fluentd),
        "elasticsearch" => elasticsearch(table).map(Kind::Elasticsearch),
        "loki" => loki(table).map(Kind::Loki),
        "s3" => s3(table).map(Kind::S3),
        "lumberjack" => lumberjack(table).map(Kind::Lumberjack),
        "syslog" => syslog(table).map(Kind::Syslog),
        "file" => file(table).map(Kind::File),
        "stdout" => Some(Kind::Stdout(format(table))),
        _ => None,
    }
}

fn fluentd(table: &Table<'_, '_, '_>) -> Option<Fluentd> {
    let address = table.required("address", |text| Address::parse(text, 24224));
    let tls = optional_tls(table);
    let tag = table.template("tag", "app.production", &["service", "host"]);
    let shared_key = table.secret("shared-key-file", "shared-key-env");
    let login = login(table);
    if login.is_some() && shared_key.is_none() {
        let help = Some("the forward protocol asks for a name only together with a shared key".to_owned());
        table.problem(table.section.span_of("username"), "`username` needs a shared key".to_owned(), help);
    }
    let compress = compress(table, &["none", "gzip"], Compress::None);
    Some(Fluentd { address: address?, tls, tag, shared_key, login, compress })
}

fn elasticsearch(table: &Table<'_, '_, '_>) -> Option<Elasticsearch> {
    let url = table.required("url", Url::parse);
    let tls = url_tls(table, url.as_ref());
    let stream = table.template("data-stream", "logs-mainstay-default", &["service", "host"]);
    let index = table.parsed("index", |text| {
        Template::parse(text, &["service", "host", "yyyy", "mm", "dd", "hh"]).and_then(index_name)
    });
    if table.section.has("index") && table.section.has("data-stream") {
        let message = "it has both `index` and `data-stream`: take one of them out".to_owned();
        table.problem(table.section.span_of("index"), message, None);
    }
    let target = index.map_or(Target::DataStream(stream), Target::Index);
    if let Target::DataStream(stream) = &target
        && let Err(reason) = index_name(stream.clone())
    {
        table.problem(table.section.span_of("data-stream"), format!("`data-stream`: {reason}"), None);
    }
    let pipeline = table.text("pipeline");
    let api_key = table.secret("api-key-file", "api-key-env").map(Auth::ApiKey);
    let auth = auth(table, api_key);
    let compress = compress(table, &["none", "gzip"], Compress::Gzip);
    Some(Elasticsearch { url: url?, tls, target, pipeline, auth, compress })
}

/// What Elasticsearch says of names of indices.
fn index_name(template: Template) -> Result<Template, String> {
    let bad = |c: char| c.is_uppercase() || c.is_whitespace() || "\\/*?\"<>|,#:".contains(c);
    if template.texts().any(|text| text.contains(bad)) {
        return Err("an index's name has no upper case, no white space and none of \\ / * ? \" < > | , # :".to_owned());
    }
    if let Some(Part::Text(first)) = template.0.first()
        && first.starts_with(['-', '_', '+', '.'])
    {
        return Err("an index's name does not begin with -, _, + or .".to_owned());
    }
    Ok(template)
}

fn loki(table: &Table<'_, '_, '_>) -> Option<Loki> {
    let url = table.required("url", Url::parse);
    let tls = url_tls(table, url.as_ref());
    let tenant = table.text("tenant");
    let level_label = table.section.take("level-label", |key, value| table.of.reader.boolean(key, value));
    let auth = auth(table, None);
    let compress = compress(table, &["none", "gzip"], Compress::Gzip);
    Some(Loki { url: url?, tls, tenant, level_label: level_label.unwrap_or(false), auth, compress })
}

fn s3(table: &Table<'_, '_, '_>) -> Option<S3> {
    let region = table.text("region").unwrap_or_else(|| "us-east-1".to_owned());
    let has_url = table.section.has("url");
    let url = if has_url {
        table.parsed("url", |text| {
            let url = Url::parse(text)?;
            if url.query.is_some() { Err("the URL of a server like S3 has no query".to_owned()) } else { Ok(url) }
        })
    } else {
        Url::parse(&format!("https://s3.{region}.amazonaws.com")).ok()
    };
    let tls = url_tls(table, url.as_ref());
    let bucket = table.required("bucket", |text| {
        // The rules of Amazon's user guide for general purpose buckets, of which others have no more.
        let fits = (3..=63).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-'));
        let rule = || format!("`{text}` cannot be a bucket: 3 to 63 lower-case letters, digits, `-` and `.`");
        fits.then(|| text.to_owned()).ok_or_else(rule)
    });
    let path_style = table.section.take("path-style", |key, value| table.of.reader.boolean(key, value));
    let default = "{service}/{yyyy}/{mm}/{dd}/{hh}/{from}-{to}-{host}-{id}";
    let all = ["service", "host", "yyyy", "mm", "dd", "hh", "from", "to", "id"];
    let key = table.template("key", default, &all);
    if !key.has(&Part::Id) {
        let message = "`key` must have `{id}` in it, or objects would replace one another".to_owned();
        table.problem(table.section.span_of("key"), message, None);
    }
    let classes = STORAGE_CLASSES.map(|word| (word, word));
    let class = table.section.take("storage-class", |key, value| table.of.reader.choice(key, value, &classes));
    let credentials = credentials(table);
    let compress = compress(table, &["none", "gzip", "zstd"], Compress::Zstd);
    let path_style = path_style.unwrap_or(has_url);
    Some(S3 { url: url?, tls, bucket: bucket?, region, path_style, key, storage_class: class, credentials, compress })
}

fn credentials(table: &Table<'_, '_, '_>) -> Option<Credentials> {
    let id = table.secret("access-key-id-file", "access-key-id-env");
    let key = table.secret("secret-access-key-file", "secret-access-key-env");
    let session_token = table.secret("session-token-file", "session-token-env");
    match (id, key) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Some(Credentials { access_key_id, secret_access_key, session_token })
        }
        (None, None) if session_token.is_none() => None,
        (_, _) => {
            let message = "an access key has two parts: `access-key-id-…` and `secret-access-key-…`".to_owned();
            table.problem(table.section.span(), message, None);
            None
        }
    }
}

fn lumberjack(table: &Table<'_, '_, '_>) -> Option<Lumberjack> {
    let address = table.required("address", |text| Address::parse(text, 5044));
    let tls = optional_tls(table);
    let beat = table.text("beat").unwrap_or_else(|| "mainstay".to_owned());
    let compress = compress(table, &["none", "zlib"], Compress::Zlib);
    Some(Lumberjack { address: address?, tls, beat, compress })
}

fn syslog(table: &Table<'_, '_, '_>) -> Option<Syslog> {
    let tls = optional_tls(table);
    // RFC 6587 registers no port; 601 is that of syslog over TCP (RFC 3195), 6514 that of RFC 5425.
    let port = if tls.is_some() { 6514 } else { 601 };
    let address = table.required("address", |text| Address::parse(text, port));
    let codes: Vec<(&str, u8)> = FACILITIES.into_iter().zip(0..).collect();
    let facility = table.section.take("facility", |key, value| table.of.reader.choice(key, value, &codes));
    let app_name = table.template("app-name", "{service}", &["service", "host"]);
    let sd_id = table.parsed("sd-id", |text| {
        let name = |c: char| c.is_ascii_graphic() && !matches!(c, '=' | ']' | '"');
        let fits = (1..=32).contains(&text.len()) && text.chars().all(name) && text.contains('@');
        fits.then(|| text.to_owned()).ok_or_else(|| format!("`{text}` is no SD-ID such as \"app@12345\""))
    });
    let most = table.section.take("max-message", |key, value| table.size(key, value, 480..=(16 << 20)));
    Some(Syslog {
        address: address?,
        tls,
        facility: facility.unwrap_or(1),
        app_name,
        sd_id: sd_id.unwrap_or_else(|| "fields@32473".to_owned()),
        message_bytes_max: most.unwrap_or(8 * 1024),
    })
}

fn file(table: &Table<'_, '_, '_>) -> Option<File> {
    table.must_have("path");
    let (path, format) = (table.path("path"), format(table));
    Some(File { path: path?, format })
}

fn format(table: &Table<'_, '_, '_>) -> Format {
    let choices = [("ndjson", Format::Ndjson), ("plain", Format::Plain)];
    let chosen = table.section.take("format", |key, value| table.of.reader.choice(key, value, &choices));
    chosen.unwrap_or(Format::Ndjson)
}

fn compress(table: &Table<'_, '_, '_>, words: &[&str], default: Compress) -> Compress {
    let choices: Vec<(&str, Compress)> = COMPRESS.into_iter().filter(|(word, _)| words.contains(word)).collect();
    let chosen = table.section.take("compress", |key, value| table.of.reader.choice(key, value, &choices));
    chosen.unwrap_or(default)
}

/// A name and its password: both or none.
fn login(table: &Table<'_, '_, '_>) -> Option<(String, super::Secret)> {
    let (name, password) = (table.text("username"), table.secret("password-file", "password-env"));
    match (name, password) {
        (Some(name), Some(password)) => Some((name, password)),
        (None, None) => None,
        (_, _) => {
            let message = "`username` and a password (`password-file` or `password-env`) go together".to_owned();
            table.problem(table.section.span(), message, None);
            None
        }
    }
}

fn auth(table: &Table<'_, '_, '_>, api_key: Option<Auth>) -> Auth {
    let basic = login(table).map(|(name, password)| {
        // RFC 7617, section 2.
        if name.contains(':') {
            let message = "`username` cannot have a `:` in it, which is where a name ends".to_owned();
            table.problem(table.section.span_of("username"), message, None);
        }
        Auth::Basic(name, password)
    });
    let token = table.secret("token-file", "token-env").map(Auth::Bearer);
    let mut ways = [api_key, basic, token].into_iter().flatten();
    let first = ways.next().unwrap_or(Auth::None);
    if ways.next().is_some() {
        table.problem(table.section.span(), "it has more than one way to say who we are: keep one".to_owned(), None);
    }
    first
}

/// Behind `tls = true`.
fn optional_tls(table: &Table<'_, '_, '_>) -> Option<Tls> {
    let on = table.section.take("tls", |key, value| table.of.reader.boolean(key, value)).unwrap_or(false);
    let tls = tls(table);
    pointless(table, on, "`tls = true`");
    on.then_some(tls)
}

/// For a URL of https.
fn url_tls(table: &Table<'_, '_, '_>, url: Option<&Url>) -> Tls {
    let tls = tls(table);
    pointless(table, url.is_none_or(|url| url.https), "a URL of https");
    tls
}

fn pointless(table: &Table<'_, '_, '_>, on: bool, without: &str) {
    for name in TLS_KEYS.iter().filter(|name| !on && table.section.has(name)) {
        table.problem(table.section.span_of(name), format!("`{name}` says nothing without {without}"), None);
    }
}

fn tls(table: &Table<'_, '_, '_>) -> Tls {
    let identity = match (table.path("cert-file"), table.path("key-file")) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (_, _) => {
            let message = "`cert-file` and `key-file` go together".to_owned();
            table.problem(table.section.span(), message, None);
            None
        }
    };
    let insecure = [("accept-any-certificate", true)];
    let insecure = table.section.take("insecure", |key, value| table.of.reader.choice(key, value, &insecure));
    let ca_file = table.path("ca-file");
    if insecure.is_some() && ca_file.is_some() {
        let message = "`ca-file` says nothing beside `insecure`: take one of them out".to_owned();
        table.problem(table.section.span_of("ca-file"), message, None);
    }
    Tls { ca_file, identity, server_name: table.text("server-name"), insecure: insecure.unwrap_or(false) }
}
