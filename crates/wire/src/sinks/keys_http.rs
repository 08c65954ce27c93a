//! Keys of the receivers that speak HTTP.

use crate::spec::keys::{Default, Key, Kind};

use super::keys::{PATH, VARIABLE};

const URL: Kind = Kind::Form("URL", "URL", "^https?://");

const USERNAME: Key = Key::new(
    "username",
    Kind::Text,
    Default::Nothing,
    "\"mainstay\"",
    "name for Basic authorization; needs a password",
    "Basic 认证的用户名；需同时有密码",
);
const PASSWORD_FILE: Key = Key::new(
    "password-file",
    PATH,
    Default::Nothing,
    "\"logs.password\"",
    "file with the password; or `password-env`",
    "密码所在文件；或用 `password-env`",
);
const PASSWORD_ENV: Key = Key::new(
    "password-env",
    VARIABLE,
    Default::Nothing,
    "\"LOGS_PASSWORD\"",
    "the variable that holds it",
    "密码所在变量",
);
const TOKEN_FILE: Key = Key::new(
    "token-file",
    PATH,
    Default::Nothing,
    "\"logs.token\"",
    "file with a token for Bearer authorization; or `token-env`",
    "Bearer 认证令牌所在文件；或用 `token-env`",
);
const TOKEN_ENV: Key =
    Key::new("token-env", VARIABLE, Default::Nothing, "\"LOGS_TOKEN\"", "the variable that holds it", "令牌所在变量");

const GZIP: Key = Key::new(
    "compress",
    Kind::Choice(&["none", "gzip"]),
    Default::Is("\"gzip\""),
    "\"none\"",
    "how requests are compressed",
    "请求如何压缩",
);

pub(super) const ELASTICSEARCH: &[Key] = &[
    Key::new(
        "url",
        URL,
        Default::Required,
        "\"https://logs.example.com:9200\"",
        "where it is; may have a path and a query: `/_bulk` is put behind the path",
        "地址；可含路径和查询：路径后会加 `/_bulk`",
    ),
    Key::new(
        "data-stream",
        Kind::Text,
        Default::Is("\"logs-mainstay-default\""),
        "\"logs-{service}-production\"",
        "the data stream; may have `{service}` and `{host}` in it, put in as lower case",
        "数据流；可含 `{service}` 和 `{host}`，以小写填入",
    ),
    Key::new(
        "index",
        Kind::Text,
        Default::Nothing,
        "\"app-{yyyy}.{mm}.{dd}\"",
        "an index instead of a data stream; may have `{service}`, `{host}` and the line's time (UTC) in it: `{yyyy}`, `{mm}`, `{dd}`, `{hh}`",
        "用索引代替数据流；可含 `{service}`、`{host}` 和该行时间（UTC）：`{yyyy}`、`{mm}`、`{dd}`、`{hh}`",
    ),
    Key::new(
        "pipeline",
        Kind::Text,
        Default::Nothing,
        "\"app\"",
        "an ingest pipeline of the receiver",
        "接收方的 ingest pipeline",
    ),
    USERNAME,
    PASSWORD_FILE,
    PASSWORD_ENV,
    Key::new(
        "api-key-file",
        PATH,
        Default::Nothing,
        "\"logs.api-key\"",
        "file with an API key in its encoded form; or `api-key-env`",
        "编码形式的 API key 所在文件；或用 `api-key-env`",
    ),
    Key::new(
        "api-key-env",
        VARIABLE,
        Default::Nothing,
        "\"LOGS_API_KEY\"",
        "the variable that holds it",
        "API key 所在变量",
    ),
    TOKEN_FILE,
    TOKEN_ENV,
    GZIP,
];

pub(super) const LOKI: &[Key] = &[
    Key::new(
        "url",
        URL,
        Default::Required,
        "\"https://loki.example.com\"",
        "where it is; may have a path and a query: `/loki/api/v1/push` is put behind the path",
        "地址；可含路径和查询：路径后会加 `/loki/api/v1/push`",
    ),
    Key::new(
        "tenant",
        Kind::Text,
        Default::Nothing,
        "\"team-a\"",
        "the tenant (`X-Scope-OrgID`), where the receiver has several",
        "租户（`X-Scope-OrgID`），接收方有多个租户时使用",
    ),
    Key::new(
        "level-label",
        Kind::Flag,
        Default::Is("false"),
        "true",
        "the level is a label too, besides `service`, `stream` and `host`",
        "除 `service`、`stream`、`host` 外，级别也作为标签",
    ),
    USERNAME,
    PASSWORD_FILE,
    PASSWORD_ENV,
    TOKEN_FILE,
    TOKEN_ENV,
    GZIP,
];

pub(super) const S3: &[Key] = &[
    Key::new(
        "url",
        URL,
        Default::Told("`\"https://s3.REGION.amazonaws.com\"`", "`\"https://s3.REGION.amazonaws.com\"`"),
        "\"http://storage.example.com:8333\"",
        "a server like S3",
        "与 S3 兼容的服务器",
    ),
    Key::new("bucket", Kind::Text, Default::Required, "\"app-logs\"", "the bucket; it must be there", "桶；必须已存在"),
    Key::new("region", Kind::Text, Default::Is("\"us-east-1\""), "\"eu-central-1\"", "its region", "桶所在区域"),
    Key::new(
        "path-style",
        Kind::Flag,
        Default::Told("`true` with `url`, else `false`", "有 `url` 时 `true`，否则 `false`"),
        "true",
        "the bucket stands in the path instead of the host name",
        "桶名放在路径中而不是主机名中",
    ),
    Key::new(
        "key",
        Kind::Text,
        Default::Is("\"{service}/{yyyy}/{mm}/{dd}/{hh}/{from}-{to}-{host}-{id}\""),
        "\"logs/{service}/{yyyy}-{mm}-{dd}/{from}-{id}\"",
        "the names of objects, without their ending; `{id}` must be in it. `{from}` and `{to}` are the times of the first and last line (UTC)",
        "对象名，不含扩展名；必须含 `{id}`。`{from}`、`{to}` 是第一行和最后一行的时间（UTC）",
    ),
    Key::new(
        "storage-class",
        Kind::Choice(&super::kinds::STORAGE_CLASSES),
        Default::Told("that of the bucket", "桶的默认值"),
        "\"DEEP_ARCHIVE\"",
        "the storage class of the objects",
        "对象的存储类别",
    ),
    Key::new(
        "access-key-id-file",
        PATH,
        Default::Nothing,
        "\"s3.id\"",
        "file with the id of the access key; or `access-key-id-env`. Without one nothing is signed",
        "access key 的 id 所在文件；或用 `access-key-id-env`。没有则不签名",
    ),
    Key::new(
        "access-key-id-env",
        VARIABLE,
        Default::Nothing,
        "\"AWS_ACCESS_KEY_ID\"",
        "the variable that holds it",
        "其所在变量",
    ),
    Key::new(
        "secret-access-key-file",
        PATH,
        Default::Nothing,
        "\"s3.key\"",
        "file with the access key; or `secret-access-key-env`",
        "access key 所在文件；或用 `secret-access-key-env`",
    ),
    Key::new(
        "secret-access-key-env",
        VARIABLE,
        Default::Nothing,
        "\"AWS_SECRET_ACCESS_KEY\"",
        "the variable that holds it",
        "其所在变量",
    ),
    Key::new(
        "session-token-file",
        PATH,
        Default::Nothing,
        "\"s3.token\"",
        "file with the session token of a temporary key; or `session-token-env`",
        "临时密钥的 session token 所在文件；或用 `session-token-env`",
    ),
    Key::new(
        "session-token-env",
        VARIABLE,
        Default::Nothing,
        "\"AWS_SESSION_TOKEN\"",
        "the variable that holds it",
        "其所在变量",
    ),
    Key::new(
        "compress",
        Kind::Choice(&["none", "gzip", "zstd"]),
        Default::Is("\"zstd\""),
        "\"gzip\"",
        "how objects are compressed; their names end in `.ndjson`, `.ndjson.gz` or `.ndjson.zst`",
        "对象如何压缩；对象名以 `.ndjson`、`.ndjson.gz` 或 `.ndjson.zst` 结尾",
    ),
];
