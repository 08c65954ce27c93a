//! Every key of `[sinks.NAME]`: the reader checks names against these tables and the reference is made from them.

use crate::spec::keys::{Default, Group, Key, Kind};

use super::{keys_http, keys_tcp};

/// All keys: those of every type first, then those of each type.
pub const GROUPS: [Group; 9] = [
    Group { name: "sinks", prefix: "", keys: COMMON },
    Group { name: "sinks-tls", prefix: "", keys: TLS },
    Group { name: "sinks-fluentd", prefix: "", keys: keys_tcp::FLUENTD },
    Group { name: "sinks-elasticsearch", prefix: "", keys: keys_http::ELASTICSEARCH },
    Group { name: "sinks-loki", prefix: "", keys: keys_http::LOKI },
    Group { name: "sinks-s3", prefix: "", keys: keys_http::S3 },
    Group { name: "sinks-lumberjack", prefix: "", keys: keys_tcp::LUMBERJACK },
    Group { name: "sinks-syslog", prefix: "", keys: keys_tcp::SYSLOG },
    Group { name: "sinks-file", prefix: "", keys: FILE },
];

/// The words of `type`.
pub(super) const TYPES: [&str; 8] =
    ["fluentd", "elasticsearch", "loki", "s3", "lumberjack", "syslog", "file", "stdout"];

/// The keys of one type besides the common ones, table by table; empty for an unknown type.
pub(super) fn of_type(word: &str) -> Vec<&'static [Key]> {
    match word {
        "fluentd" => vec![keys_tcp::FLUENTD, keys_tcp::TLS_SWITCH, TLS],
        "elasticsearch" => vec![keys_http::ELASTICSEARCH, TLS],
        "loki" => vec![keys_http::LOKI, TLS],
        "s3" => vec![keys_http::S3, TLS],
        "lumberjack" => vec![keys_tcp::LUMBERJACK, keys_tcp::TLS_SWITCH, TLS],
        "syslog" => vec![keys_tcp::SYSLOG, keys_tcp::TLS_SWITCH, TLS],
        "file" => vec![FILE],
        "stdout" => vec![STDOUT],
        _ => Vec::new(),
    }
}

/// The file's one table so far.
pub(super) const ROOT: &[Key] = &[Key::new(
    "sinks",
    Kind::Map("name", "名称", &Kind::Keys),
    Default::Nothing,
    "{ main = { type = \"stdout\" } }",
    "where log lines are sent",
    "日志行发往何处",
)];

const TEXTS: Kind = Kind::List(&Kind::Text);

/// A text that names a file.
pub(super) const PATH: Kind = Kind::Form("path", "路径", "");

/// The name of a variable of the environment.
pub(super) const VARIABLE: Kind = Kind::Form("variable", "变量名", "");

/// For every type.
pub(super) const COMMON: &[Key] = &[
    Key::new("type", Kind::Choice(&TYPES), Default::Required, "\"loki\"", "the kind of receiver", "接收方的种类"),
    Key::new(
        "services",
        TEXTS,
        Default::Is("[\"*\"]"),
        "[\"web*\", \"payment\"]",
        "the services whose lines it gets: names, or patterns with `*` and `?`; `web` is all instances of `web` too",
        "发送哪些服务的日志：名称，或带 `*`、`?` 的模式；`web` 也包括 `web` 的全部实例",
    ),
    Key::new(
        "streams",
        Kind::List(&Kind::Choice(&["stdout", "stderr"])),
        Default::Is("[\"stdout\", \"stderr\"]"),
        "[\"stderr\"]",
        "from these streams",
        "来自哪些流",
    ),
    Key::new(
        "min-level",
        Kind::Choice(&["trace", "debug", "info", "warn", "error", "fatal"]),
        Default::Nothing,
        "\"warn\"",
        "lines at least this grave; one whose level nobody knows counts as `info`",
        "至少这么严重的行；级别未知的按 `info` 计",
    ),
    Key::new(
        "match",
        TEXTS,
        Default::Nothing,
        "['payment failed']",
        "lines in which one of these regular expressions is found (crate `regex-lite`)",
        "含有这些正则表达式之一的行（`regex-lite`）",
    ),
    Key::new(
        "except",
        TEXTS,
        Default::Nothing,
        "['GET /health']",
        "without lines in which one of these is found",
        "不含这些正则表达式的行",
    ),
    Key::new(
        "fields",
        Kind::Map("name", "名称", &Kind::Text),
        Default::Nothing,
        "{ environment = \"production\" }",
        "added to every line; for `loki` they are labels, so few values each",
        "附加到每一行；对 `loki` 是标签，每个的取值应当很少",
    ),
    Key::new(
        "batch-bytes",
        Kind::Size(Some("1KiB")),
        Default::Told("`\"1MiB\"`; s3: `\"8MiB\"`", "`\"1MiB\"`；s3：`\"8MiB\"`"),
        "\"4MiB\"",
        "a batch is sent when it has so much text, at most 64MiB",
        "一批达到这么多文本就发送，最多 64MiB",
    ),
    Key::new(
        "batch-lines",
        Kind::Number(1, 1_000_000),
        Default::Told("`5000`; s3: `100000`; lumberjack: `2000`", "`5000`；s3：`100000`；lumberjack：`2000`"),
        "1000",
        "or so many lines",
        "或达到这么多行",
    ),
    Key::new(
        "batch-age",
        Kind::Duration(Some("10 ms")),
        Default::Told("`\"1s\"`; s3: `\"5m\"`", "`\"1s\"`；s3：`\"5m\"`"),
        "\"200ms\"",
        "or when its first line has waited so long",
        "或第一行等了这么久",
    ),
    Key::new(
        "timeout",
        Kind::Duration(Some("10 ms")),
        Default::Is("\"30s\""),
        "\"10s\"",
        "the longest that one step takes: connecting with its handshake, one request with its answer",
        "一步最长的时间：连接及其握手，或一次请求及其应答",
    ),
    Key::new(
        "retry-max",
        Kind::Duration(Some("10 ms")),
        Default::Is("\"1m\""),
        "\"5m\"",
        "the longest pause between two attempts; pauses grow up to it",
        "两次尝试之间最长的间隔；间隔逐次增长到此为止",
    ),
    Key::new(
        "spool",
        Kind::Size(Some("1MiB")),
        Default::Told("what the log files hold", "日志文件所保存的"),
        "\"2GiB\"",
        "how much text may wait for this receiver; beyond it the oldest is given up and counted. The log files are what waits: what their \
         rotation removes before it was sent is lost, and counted too",
        "最多有多少文本等待发往此接收方；超出时放弃最旧的并计数。等待的内容就是日志文件：发送之前被轮转删除的会丢失，同样计数",
    ),
    Key::new(
        "dead-letter",
        Kind::Flag,
        Default::Is("true"),
        "false",
        "lines that the receiver refuses for good are kept in a file; without it they are only counted",
        "接收方彻底拒绝的行保存到文件；否则只计数",
    ),
];

/// For every receiver that is reached over TLS.
pub(super) const TLS: &[Key] = &[
    Key::new(
        "ca-file",
        PATH,
        Default::Told("the authorities that the system trusts", "系统信任的机构"),
        "\"ca.pem\"",
        "PEM file of the certificate authorities to trust, and no others",
        "只信任此 PEM 文件中的证书机构",
    ),
    Key::new(
        "cert-file",
        PATH,
        Default::Nothing,
        "\"client.pem\"",
        "PEM file of our own certificate, with those above it; needs `key-file`",
        "我方证书（含上级证书）的 PEM 文件；需同时有 `key-file`",
    ),
    Key::new("key-file", PATH, Default::Nothing, "\"client.key\"", "PEM file of its key", "其私钥的 PEM 文件"),
    Key::new(
        "server-name",
        Kind::Text,
        Default::Told("the host of the address", "地址中的主机"),
        "\"logs.example.com\"",
        "the name that the receiver's certificate must have",
        "接收方证书必须具有的名称",
    ),
    Key::new(
        "insecure",
        Kind::Choice(&["accept-any-certificate"]),
        Default::Nothing,
        "\"accept-any-certificate\"",
        "the receiver's certificate is not looked at: whoever is on the way can read and change what is sent",
        "不检查接收方证书：途中任何人都能读取和篡改所发内容",
    ),
];

const FORMAT: Kind = Kind::Choice(&["ndjson", "plain"]);

pub(super) const STDOUT: &[Key] = &[Key::new(
    "format",
    FORMAT,
    Default::Is("\"ndjson\""),
    "\"plain\"",
    "one JSON object a line, or the line's bytes as they came",
    "每行一个 JSON 对象，或原样输出该行的字节",
)];

pub(super) const FILE: &[Key] = &[
    Key::new(
        "path",
        PATH,
        Default::Required,
        "\"/var/log/all.ndjson\"",
        "the file that lines are put at the end of; it is opened for each batch, so others may rotate it",
        "日志行追加到此文件末尾；每批重新打开，因此可由其他程序轮转",
    ),
    Key::new(
        "format",
        FORMAT,
        Default::Is("\"ndjson\""),
        "\"plain\"",
        "one JSON object a line, or the line's bytes as they came",
        "每行一个 JSON 对象，或原样写入该行的字节",
    ),
];
