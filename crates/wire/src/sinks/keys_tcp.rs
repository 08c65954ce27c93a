//! Keys of the receivers with a protocol of their own over TCP.

use crate::spec::keys::{Default, Key, Kind};

use super::keys::{PATH, VARIABLE};

pub(super) const TLS_SWITCH: &[Key] =
    &[Key::new("tls", Kind::Flag, Default::Is("false"), "true", "over TLS", "通过 TLS")];

const ADDRESS: Kind = Kind::Form("host:port", "主机:端口", r"^(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(:[0-9]+)?$");

pub(super) const FLUENTD: &[Key] = &[
    Key::new(
        "address",
        ADDRESS,
        Default::Required,
        "\"logs.example.com:24224\"",
        "where it listens; without a port 24224",
        "监听地址；不写端口则为 24224",
    ),
    Key::new(
        "tag",
        Kind::Text,
        Default::Is("\"app.production\""),
        "\"app.{service}\"",
        "the tag of the lines; may have `{service}` and `{host}` in it",
        "标签；可含 `{service}` 和 `{host}`",
    ),
    Key::new(
        "shared-key-file",
        PATH,
        Default::Nothing,
        "\"fluentd.key\"",
        "file with the key that both sides must know; or the variable that holds it: `shared-key-env`",
        "双方共享的密钥所在文件；或用 `shared-key-env` 指定变量",
    ),
    Key::new(
        "shared-key-env",
        VARIABLE,
        Default::Nothing,
        "\"FLUENTD_KEY\"",
        "the variable that holds it",
        "密钥所在变量",
    ),
    Key::new(
        "username",
        Kind::Text,
        Default::Nothing,
        "\"mainstay\"",
        "name for a receiver that asks for one; needs a password",
        "接收方要求时的用户名；需同时有密码",
    ),
    Key::new(
        "password-file",
        PATH,
        Default::Nothing,
        "\"fluentd.password\"",
        "file with the password; or `password-env`",
        "密码所在文件；或用 `password-env`",
    ),
    Key::new(
        "password-env",
        VARIABLE,
        Default::Nothing,
        "\"FLUENTD_PASSWORD\"",
        "the variable that holds it",
        "密码所在变量",
    ),
    Key::new(
        "compress",
        Kind::Choice(&["none", "gzip"]),
        Default::Is("\"none\""),
        "\"gzip\"",
        "how entries are compressed (CompressedPackedForward)",
        "条目如何压缩（CompressedPackedForward）",
    ),
];

pub(super) const LUMBERJACK: &[Key] = &[
    Key::new(
        "address",
        ADDRESS,
        Default::Required,
        "\"logs.example.com:5044\"",
        "where it listens; without a port 5044",
        "监听地址；不写端口则为 5044",
    ),
    Key::new(
        "beat",
        Kind::Text,
        Default::Is("\"mainstay\""),
        "\"filebeat\"",
        "`[@metadata][beat]`, which Logstash's usual output begins an index's name with",
        "`[@metadata][beat]`，Logstash 通常用作索引名的开头",
    ),
    Key::new(
        "compress",
        Kind::Choice(&["none", "zlib"]),
        Default::Is("\"zlib\""),
        "\"none\"",
        "how events are compressed",
        "事件如何压缩",
    ),
];

pub(super) const SYSLOG: &[Key] = &[
    Key::new(
        "address",
        ADDRESS,
        Default::Required,
        "\"logs.example.com:6514\"",
        "where it listens; without a port 601, with TLS 6514",
        "监听地址；不写端口则为 601，TLS 为 6514",
    ),
    Key::new(
        "facility",
        Kind::Choice(&super::kinds::FACILITIES),
        Default::Is("\"user\""),
        "\"local0\"",
        "the facility of the messages",
        "消息的 facility",
    ),
    Key::new(
        "app-name",
        Kind::Text,
        Default::Is("\"{service}\""),
        "\"app\"",
        "APP-NAME; may have `{service}` and `{host}` in it",
        "APP-NAME；可含 `{service}` 和 `{host}`",
    ),
    Key::new(
        "sd-id",
        Kind::Form("NAME@NUMBER", "NAME@NUMBER", r"^[!-~]{1,32}$"),
        Default::Is("\"fields@32473\""),
        "\"app@12345\"",
        "the SD-ID that `fields` stand under; 32473 is the number for examples (RFC 5612), so take your own",
        "`fields` 所在的 SD-ID；32473 是示例用编号（RFC 5612），请换成自己的",
    ),
    Key::new(
        "max-message",
        Kind::Size(Some("480")),
        Default::Is("\"8KiB\""),
        "\"64KiB\"",
        "the longest message, at most 16MiB; of a longer line the beginning is sent and the whole is kept as refused",
        "最长的消息，最多 16MiB；更长的行只发送开头，整行按被拒绝保存",
    ),
];
