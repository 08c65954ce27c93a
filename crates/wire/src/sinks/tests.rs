//! What a sink may say, and what is said back when it says something else.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;
use crate::spec::Platform;
use crate::spec::keys::Default;

fn read(text: &str) -> Result<Vec<Sink>, String> {
    let sinks = super::read(text, Platform::Linux, std::path::Path::new("/home"));
    sinks.map_err(|problems| problems.0.iter().map(|problem| format!("{problem}\n")).collect())
}

fn one(text: &str) -> Sink {
    let sink = read(text).unwrap_or_else(|problems| panic!("{problems}\n{text}")).remove(0);
    assert_eq!(differences_from_schema(text), Vec::<String>::new(), "good for editors too:\n{text}");
    sink
}

fn differences_from_schema(text: &str) -> Vec<String> {
    let document: serde_json::Value = toml::from_str(text).expect("TOML");
    crate::spec::schema::tests::differences(&schema(), &document, "")
}

#[test]
fn what_is_wrong_differs_from_the_schema() {
    for text in [
        "sink = {}",
        "[sinks.a]\naddress = 'x'",
        "[sinks.a]\ntype = 'loki'\naddress = 'x'",
        "[sinks.a]\ntype = 'fluentd'",
        "[sinks.a]\ntype = 'fluentd'\naddress = 'x'\nshared-key = 'x'",
        "[sinks.a]\ntype = 'stdout'\nbatch-lines = 0",
        "[sinks.a]\ntype = 'loki'\nurl = 'ftp://x'",
    ] {
        assert_ne!(differences_from_schema(text), Vec::<String>::new(), "{text}");
    }
}

fn check_problems(text: &str, expected: &Expect) {
    expected.assert_eq(&read(text).expect_err("the text has problems"));
}

/// What each type needs at least.
const LEAST: [(&str, &str); 8] = [
    ("fluentd", "address = 'logs'"),
    ("elasticsearch", "url = 'https://logs:9200'"),
    ("loki", "url = 'https://logs'"),
    ("s3", "bucket = 'app-logs'"),
    ("lumberjack", "address = 'logs'"),
    ("syslog", "address = 'logs'"),
    ("file", "path = 'all.log'"),
    ("stdout", ""),
];

#[test]
fn every_type_has_defaults_for_the_rest() {
    for (word, least) in LEAST {
        let sink = one(&format!("[sinks.a]\ntype = '{word}'\n{least}\n"));
        assert_eq!((sink.name.as_str(), sink.kind.word()), ("a", word));
        assert_eq!(sink.route.services, ["*"]);
        assert!(sink.delivery.dead_letter && sink.delivery.spool_bytes.is_none());
    }
}

#[test]
fn everything_of_one_sink_is_read() {
    let sink = one(
        "[sinks.main]\ntype = 'fluentd'\naddress = '[::1]'\ntls = true\nca-file = 'ca.pem'\nserver-name = 'x'\n\
        cert-file = 'c'\nkey-file = '/k'\ntag = 'app.{service}'\nshared-key-file = 'key'\nusername = 'me'\npassword-env = 'PW'\n\
        compress = 'gzip'\nservices = ['web*']\nstreams = ['stderr']\nmin-level = 'warn'\nmatch = ['x']\nexcept = ['y']\n\
        batch-bytes = '2MiB'\nbatch-lines = 7\nbatch-age = '3s'\ntimeout = '4s'\nretry-max = '5s'\nspool = '1GiB'\n\
        dead-letter = false\nfields = { a = 'b' }\n",
    );
    expect![[r#"
        Sink {
            name: "main",
            route: Route {
                services: [
                    "web*",
                ],
                streams: [
                    Stderr,
                ],
                min_level: Some(
                    Warn,
                ),
                matches: [
                    "x",
                ],
                except: [
                    "y",
                ],
            },
            batch: Batching {
                bytes: 2097152,
                lines: 7,
                age: 3s,
            },
            delivery: Delivery {
                timeout: 4s,
                retry_max: 5s,
                spool_bytes: Some(
                    1073741824,
                ),
                dead_letter: false,
            },
            fields: [
                (
                    "a",
                    "b",
                ),
            ],
            kind: Fluentd(
                Fluentd {
                    address: Address {
                        host: "::1",
                        port: 24224,
                    },
                    tls: Some(
                        Tls {
                            ca_file: Some(
                                "/home/ca.pem",
                            ),
                            identity: Some(
                                (
                                    "/home/c",
                                    "/k",
                                ),
                            ),
                            server_name: Some(
                                "x",
                            ),
                            insecure: false,
                        },
                    ),
                    tag: Template(
                        [
                            Text(
                                "app.",
                            ),
                            Service,
                        ],
                    ),
                    shared_key: Some(
                        File(
                            "/home/key",
                        ),
                    ),
                    login: Some(
                        (
                            "me",
                            Env(
                                "PW",
                            ),
                        ),
                    ),
                    compress: Gzip,
                },
            ),
        }
    "#]]
    .assert_eq(&format!("{sink:#?}\n").replace(r"/home\\", "/home/"));
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    check_problems(
        "[sinks.a]\ntype = 'fluentd'\nadress = 'x'\nindex = 'y'\nca-file = 'ca'\nbatch-bytes = 5\nservices = []\n\
         [sinks.b]\ntype = 'lokki'\nbatch-age = 5\nnonsense = 1\n[sinks.c]\nmin-level = 'warning'\n[sink.d]\n[sinks.'e/f']\ntype = 'stdout'\n",
        &expect![[r#"
            1:1: `sinks.a`: it needs `address`
            3:1: there is no key `sinks.a.adress` (did you mean `address`?)
            4:1: there is no key `sinks.a.index` (it is a key of the type elasticsearch)
            5:11: `sinks.a`: `ca-file` says nothing without `tls = true`
            6:15: `sinks.a.batch-bytes` must be at least 1024 and at most 67108864 bytes
            7:12: `sinks.a.services` is empty: the sink would get nothing (leave the key out to get all)
            9:8: `sinks.b.type` cannot be "lokki" (did you mean `loki`?)
            10:13: `sinks.b.batch-age` must be a duration with its unit (for seconds write "5s", for milliseconds "5ms")
            11:1: there is no key `sinks.b.nonsense` (it can be type, services, streams, min-level, match, except, fields, batch-bytes, batch-lines, batch-age, timeout, retry-max, spool, dead-letter, address, tag, shared-key-file, shared-key-env, username, password-file, password-env, compress, tls, ca-file, cert-file, key-file, server-name, insecure, url, data-stream, index, pipeline, username, password-file, password-env, api-key-file, api-key-env, token-file, token-env, compress, ca-file, cert-file, key-file, server-name, insecure, url, tenant, level-label, username, password-file, password-env, token-file, token-env, compress, ca-file, cert-file, key-file, server-name, insecure, url, bucket, region, path-style, key, storage-class, access-key-id-file, access-key-id-env, secret-access-key-file, secret-access-key-env, session-token-file, session-token-env, compress, ca-file, cert-file, key-file, server-name, insecure, address, beat, compress, tls, ca-file, cert-file, key-file, server-name, insecure, address, facility, app-name, sd-id, max-message, tls, ca-file, cert-file, key-file, server-name, insecure, path, format, format)
            12:8: `sinks.c` needs `type` (it can be fluentd, elasticsearch, loki, s3, lumberjack, syslog, file, stdout)
            13:13: `sinks.c.min-level` cannot be "warning" (it can be trace, debug, info, warn, error, fatal)
            14:2: there is no key `sink` (did you mean `sinks`?)
            15:8: `e/f` cannot be a sink's name: use letters, digits, `-`, `_` and `.`
        "#]],
    );
}

#[test]
fn no_secret_stands_in_the_file_and_none_is_repeated() {
    let text = "[sinks.a]\ntype = 'elasticsearch'\nurl = 'https://me:hunter2@logs'\npassword = 'hunter2'\napi-key = 'hunter2'\n\
         token = 'hunter2'\n[sinks.b]\ntype = 's3'\nbucket = 'app-logs'\nsecret-access-key = 'hunter2'\naccess-key-id-env = 'ID'\n\
         [sinks.c]\ntype = 'fluentd'\naddress = 'x'\nshared-key = 'hunter2'\n";
    check_problems(
        text,
        &expect![[r#"
            3:7: `sinks.a.url`: a name or password never stands in a URL: use the keys for them
            4:1: there is no key `sinks.a.password` (a secret never stands in the file itself: use `password-file` or `password-env`)
            5:1: there is no key `sinks.a.api-key` (a secret never stands in the file itself: use `api-key-file` or `api-key-env`)
            6:1: there is no key `sinks.a.token` (a secret never stands in the file itself: use `token-file` or `token-env`)
            7:1: `sinks.b`: an access key has two parts: `access-key-id-…` and `secret-access-key-…`
            10:1: there is no key `sinks.b.secret-access-key` (a secret never stands in the file itself: use `secret-access-key-file` or `secret-access-key-env`)
            15:1: there is no key `sinks.c.shared-key` (a secret never stands in the file itself: use `shared-key-file` or `shared-key-env`)
        "#]],
    );
    assert!(!read(text).unwrap_err().contains("hunter2"));
}

#[test]
fn what_does_not_go_together_is_told() {
    check_problems(
        "[sinks.a]\ntype = 'elasticsearch'\nurl = 'http://logs'\nindex = 'App'\ndata-stream = 'logs-{servce}'\nusername = 'me'\n\
         token-file = 't'\ntoken-env = 'T'\napi-key-env = 'K'\ninsecure = true\n[sinks.b]\ntype = 's3'\nbucket = 'A'\nkey = '{service}/{hh}'\n\
         storage-class = 'glacier'\nurl = 'ftp://x'\n[sinks.c]\ntype = 'fluentd'\naddress = 'a:b'\nusername = 'u'\npassword-env = 'P'\n\
         [sinks.d]\ntype = 'syslog'\naddress = 'a'\ntls = true\ncert-file = 'c'\nmax-message = 10\nfields = { 'a b' = 'x', time = 'y' }\n",
        &expect![[r#"
            1:1: `sinks.a`: `username` and a password (`password-file` or `password-env`) go together
            1:1: `sinks.a`: it has more than one way to say who we are: keep one
            4:9: `sinks.a.index`: an index's name has no upper case, no white space and none of \ / * ? " < > | , # :
            4:9: `sinks.a`: it has both `index` and `data-stream`: take one of them out
            5:15: `sinks.a.data-stream`: there is no `{servce}` here; it can be {service}, {host}
            8:13: `sinks.a`: it has both `token-file` and `token-env`: one secret has one place
            10:12: `sinks.a.insecure` must be a string in quotes, not true or false
            10:12: `sinks.a`: `insecure` says nothing without a URL of https
            13:10: `sinks.b.bucket`: `A` cannot be a bucket: 3 to 63 lower-case letters, digits, `-` and `.`
            14:7: `sinks.b`: `key` must have `{id}` in it, or objects would replace one another
            15:17: `sinks.b.storage-class` cannot be "glacier" (did you mean `GLACIER`?)
            16:7: `sinks.b.url`: it is no URL of http or https: write "https://host" or "http://host:port/prefix"
            19:11: `sinks.c.address`: `a:b` is no address: write "host:24224" or "[::1]:24224"
            20:12: `sinks.c`: `username` needs a shared key (the forward protocol asks for a name only together with a shared key)
            22:1: `sinks.d`: `cert-file` and `key-file` go together
            27:15: `sinks.d.max-message` must be at least 480 and at most 16777216 bytes
            28:12: `a b` cannot be a field's name (use letters, digits and `_`, not beginning with a digit)
            28:25: `time` is a field of every line already
        "#]],
    );
}

#[test]
fn urls_and_addresses() {
    let shown = |text: &str| Url::parse(text).map(|url| format!("{url} {} {}", url.target("/x"), url.address));
    for (text, expected) in [
        ("http://a", "http://a /x a:80"),
        ("https://a:9200/insert/elasticsearch/", "https://a:9200/insert/elasticsearch /insert/elasticsearch/x a:9200"),
        ("https://[::1]:443/p?q=1", "https://[::1]/p /p/x?q=1 [::1]:443"),
    ] {
        assert_eq!(shown(text), Ok(expected.to_owned()), "{text}");
    }
    for text in ["a", "http://", "http://a b", "http://a/b c", "http://a/#b", "http://a:0", "http://a\r\nx: y/"] {
        assert!(Url::parse(text).is_err(), "{text}");
    }
    for text in ["", ":1", "a:", "a:99999", "[::1", "[a]:1", "[::1]1", "a/b:1"] {
        assert!(Address::parse(text, 1).is_err(), "{text}");
    }
}

#[test]
fn a_secret_is_read_and_what_is_wrong_with_it_told_without_it() {
    let folder = std::env::temp_dir().join(format!("mainstay-secret-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let secret = |text: &str| {
        let path = folder.join("secret");
        std::fs::write(&path, text).unwrap();
        Secret::File(path).read()
    };
    assert_eq!(secret("hunter2\r\n"), Ok("hunter2".to_owned()));
    assert!(secret(" \n").unwrap_err().ends_with("is empty"));
    let two_lines = secret("hunter2\nhunter3").unwrap_err();
    assert!(two_lines.contains("more than one line") && !two_lines.contains("hunter"), "{two_lines}");
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(Secret::Env("MAINSTAY_NO_SUCH".to_owned()).read().unwrap_err().contains("MAINSTAY_NO_SUCH"));
}

/// Every example of the tables, in a sink of its type with all that it needs beside it.
#[test]
fn every_example_of_the_tables_is_taken_and_makes_a_difference() {
    for (word, least) in LEAST {
        for key in keys::COMMON.iter().chain(keys::of_type(word).into_iter().flatten()).filter(|key| key.path != "type")
        {
            let beside = beside(word, key.path);
            let lines = |without: &str| {
                let lines = format!("{least}\n{beside}\n");
                lines
                    .lines()
                    .filter(|line| !line.starts_with(without))
                    .map(|line| format!("{line}\n"))
                    .collect::<String>()
            };
            let without = format!("[sinks.a]\ntype = '{word}'\n{}", lines("?"));
            let with = format!(
                "[sinks.a]\ntype = '{word}'\n{}{} = {}\n",
                lines(&format!("{} =", key.path)),
                key.path,
                key.example
            );
            let changed = one(&with);
            let needs_more = ["url", "address", "bucket", "path", "cert-file", "key-file"].contains(&key.path)
                || key.path.contains("-key-id-")
                || key.path.contains("-access-key-")
                || key.path == "username"
                || key.path.starts_with("password-");
            assert!(needs_more || one(&without) != changed, "{word}: {}", key.path);
            if let Default::Is(value) = key.default {
                let default = with.replace(key.example, value);
                assert_eq!(one(&without), one(&default), "{word}: {}", key.path);
            }
        }
    }
}

/// What a key needs beside it.
fn beside(word: &str, key: &str) -> String {
    let mut lines: BTreeMap<&str, &str> = BTreeMap::new();
    if keys::TLS.iter().any(|tls| tls.path == key) {
        match word {
            "fluentd" | "lumberjack" | "syslog" => drop(lines.insert("tls", "true")),
            _ => {}
        }
    }
    match key {
        "cert-file" => drop(lines.insert("key-file", "'k'")),
        "key-file" => drop(lines.insert("cert-file", "'c'")),
        "username" => drop(lines.insert("password-env", "'P'")),
        "password-file" | "password-env" => drop(lines.insert("username", "'u'")),
        _ => {}
    }
    if word == "fluentd" && matches!(key, "username" | "password-file" | "password-env") {
        lines.insert("shared-key-env", "'S'");
    }
    if key.starts_with("access-key-id-") || key.starts_with("session-token-") {
        lines.insert("secret-access-key-env", "'S'");
    }
    if key.starts_with("secret-access-key-") || key.starts_with("session-token-") {
        lines.insert("access-key-id-env", "'I'");
    }
    lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

#[test]
fn every_key_is_told_in_both_languages() {
    for key in keys::GROUPS.iter().flat_map(|group| group.keys).chain(keys::ROOT) {
        assert!(!key.en.is_empty() && !key.zh.is_empty(), "{}", key.path);
        assert!(toml::from_str::<toml::Table>(&format!("x = {}", key.example)).is_ok(), "{}", key.path);
    }
}

/// What people read first.
#[test]
fn every_example_of_the_documents_is_taken() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    for page in ["sinks.md", "zh-CN/sinks.md"] {
        let text = std::fs::read_to_string(docs.join(page)).unwrap().replace("\r\n", "\n");
        let mut blocks = text.split("\n```toml\n").skip(1).map(|block| block.split("\n```").next().unwrap_or_default());
        assert_eq!(read(blocks.next().expect("an example")).unwrap().len(), 2, "{page}");
        assert!(blocks.all(|block| read(block).is_ok()));
    }
}
