//! Real programs as receivers, which `scripts/setup-receivers.sh` gets. The names of these tests begin with `receivers_`.

mod program;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use mainstay_ship::{Batch, Line, Stream};
use mainstay_wire::level::Level;
use serde_json::Value;

use crate::stand::{batch, deliver, delivered, later, sink, sink_in};
use program::{Answer, Program, ask, found, ports};

/// Lines of now: some receivers refuse what is old.
fn lines(count: usize) -> Vec<Line> {
    let now = Timestamp::now();
    let one = |number: usize| Line {
        time: now + Duration::from_millis(number as u64),
        service: if number.is_multiple_of(2) { "web@1" } else { "db" }.into(),
        stream: if number.is_multiple_of(3) { Stream::Stderr } else { Stream::Stdout },
        level: Some(Level::Warn).filter(|_| number.is_multiple_of(2)),
        run: Some(7),
        text: format!("line {number} \"quoted\" \\ \u{4e2d}\u{6587}").into_bytes(),
    };
    (0..count).map(one).collect()
}

/// Every text once, in any order.
fn assert_all(mut got: Vec<String>, batch: &Batch) {
    let mut sent: Vec<String> = batch.lines.iter().map(|line| String::from_utf8(line.text.clone()).unwrap()).collect();
    got.sort();
    sent.sort();
    assert_eq!(got.len(), sent.len());
    assert_eq!(got, sent);
}

const FLUENT_SERVER: &str = "
const { FluentServer } = require('@fluent-org/logger');
const fs = require('fs');
const [guarded, secure] = process.argv.slice(1);
const server = new FluentServer({
  listenOptions: { host: '127.0.0.1', port: 0 },
  security: guarded ? { serverHostname: 'receiver', sharedKey: 's3cret', authorize: true, userDict: { me: 'hunter2' } } : undefined,
  tlsOptions: secure ? { cert: fs.readFileSync(secure + '/server.pem'), key: fs.readFileSync(secure + '/server.key') } : undefined,
});
server.on('entry', (tag, time, record) => console.log(JSON.stringify({ tag, time: String(time), record })));
server.on('error', () => {});
server.listen().then(() => console.log(JSON.stringify({ port: server.port })));
";

fn fluent_server(guarded: &str, secure: &Path) -> (Program, u64) {
    let modules = found("node/node_modules");
    let secure = secure.to_str().expect("UTF-8");
    let mut program = Program::start("node", &["-e", FLUENT_SERVER, guarded, secure], &[("NODE_PATH", &modules)]);
    let port = program.json()["port"].as_u64().expect("its port");
    (program, port)
}

#[tokio::test]
async fn receivers_a_fluent_server_takes_every_form_of_chunk_and_acknowledges_it() {
    let (mut server, port) = fluent_server("", Path::new(""));
    for (keys, tag) in [("", "app.production"), ("compress = 'gzip'", "app.production"), ("tag = 'app.{service}'", "")]
    {
        let mut sink = sink(&format!("type = 'fluentd'\naddress = '127.0.0.1:{port}'\n{keys}"));
        let batch = batch("b", lines(1000));
        assert_eq!(deliver(&mut sink, &batch).await, delivered());
        let entries: Vec<Value> = (0..1000).map(|_| server.json()).collect();
        let first =
            entries.iter().find(|entry| entry["record"]["message"].as_str().unwrap().starts_with("line 0 ")).unwrap();
        let record = &first["record"];
        assert_eq!(
            (&record["service"], &record["stream"], &record["level"]),
            (&"web@1".into(), &"stderr".into(), &"warn".into())
        );
        assert_eq!((&record["run"], &record["host"]), (&7.into(), &"machine".into()));
        assert_eq!(first["tag"], if tag.is_empty() { "app.web@1" } else { tag });
        assert_all(
            entries.iter().map(|entry| entry["record"]["message"].as_str().unwrap().to_owned()).collect(),
            &batch,
        );
    }
}

#[tokio::test]
async fn receivers_a_fluent_server_asks_for_the_key_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    crate::secure::certificates(folder.path());
    for (file, text) in [("key", "s3cret"), ("bad-key", "guess"), ("password", "hunter2"), ("bad-password", "hunter3")]
    {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let (mut server, port) = fluent_server("guarded", folder.path());
    let mut outcomes = Vec::new();
    for (key, password) in [("key", "password"), ("bad-key", "password"), ("key", "bad-password")] {
        let keys = format!("shared-key-file = '{key}'\nusername = 'me'\npassword-file = '{password}'");
        let text = format!(
            "type = 'fluentd'\naddress = '127.0.0.1:{port}'\ntls = true\nca-file = 'ca.pem'\ntimeout = '5s'\n{keys}"
        );
        outcomes.push(deliver(&mut sink_in(folder.path(), &text), &batch(key, lines(10))).await);
    }
    assert_eq!(outcomes[0], delivered());
    assert_all(
        (0..10).map(|_| server.json()["record"]["message"].as_str().unwrap().to_owned()).collect(),
        &batch("", lines(10)),
    );
    for outcome in outcomes.drain(1..) {
        let (why, _) = later(outcome);
        assert!(!why.contains("hunter") && !why.contains("guess"), "{why}");
    }
}

/// With Basic authorization: name `me`, password `hunter2`.
fn victoria_logs(folder: &Path, more: &[&str]) -> (Program, u16) {
    let program = found("bin/victoria-logs");
    let [port] = ports();
    let listen = format!("-httpListenAddr=127.0.0.1:{port}");
    let data = format!("-storageDataPath={}", folder.join("data").display());
    let auth = ["-httpAuth.username=me", "-httpAuth.password=hunter2", "-loggerLevel=ERROR"];
    let words: Vec<&str> = [&*data, &*listen].iter().chain(&auth).chain(more).copied().collect();
    let program = Program::start(&program, &words, &[]);
    program.ready(|| ask(port, "GET", "/health", BASIC).is_some_and(|answer| answer.status == 200));
    std::fs::write(folder.join("password"), "hunter2").unwrap();
    (program, port)
}

const BASIC: &str = "authorization: Basic bWU6aHVudGVyMg==\r\n";

/// Records become visible about a second after they were taken.
fn stored(program: &Program, port: u16, count: usize) -> Vec<Value> {
    let mut read = Vec::new();
    program.ready(|| {
        let Some(Answer { body, .. }) = ask(port, "GET", "/select/logsql/query?query=*&limit=100000", BASIC) else {
            return false;
        };
        read = String::from_utf8(body).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        read.len() >= count
    });
    read
}

#[tokio::test]
async fn receivers_victoria_logs_takes_bulk_requests() {
    let folder = tempfile::tempdir().unwrap();
    let (program, port) = victoria_logs(folder.path(), &[]);
    let url = format!(
        "type = 'elasticsearch'\nurl = 'http://127.0.0.1:{port}/insert/elasticsearch?_time_field=@timestamp&_msg_field=message'\n"
    );
    let (why, _) = later(deliver(&mut sink(&url), &batch("b", lines(10))).await);
    assert!(why.starts_with("the receiver refuses who we are: 401"), "{why}");
    let mut sink = sink_in(
        folder.path(),
        &format!("{url}username = 'me'\npassword-file = 'password'\nfields = {{ env = 'prod' }}"),
    );
    let batch = batch("b", lines(2000));
    assert_eq!(deliver(&mut sink, &batch).await, delivered());
    let got = stored(&program, port, 2000);
    assert_all(got.iter().map(|record| record["_msg"].as_str().unwrap().to_owned()).collect(), &batch);
    let first = got.iter().find(|record| record["_msg"].as_str().unwrap().starts_with("line 0 ")).unwrap();
    assert_eq!(first["_time"].as_str().unwrap().parse::<Timestamp>().unwrap(), batch.lines[0].time);
    let part = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
    let parts = ["service.name", "host.name", "log.level", "log.iostream", "labels.run", "labels.env"].map(part);
    assert_eq!(parts, ["web@1", "machine", "warn", "stderr", "7", "prod"]);
}

/// Not Elasticsearch, but its answers: 201, 409 for an id that is there, 400 for what does not fit the mapping.
fn noida(folder: &Path) -> (Program, u16) {
    let libraries = found("noida/root/usr/lib/x86_64-linux-gnu");
    let (program, [port]) = (found("noida/noida_db/noida-db"), ports());
    let (data, number) = (folder.join("data").display().to_string(), port.to_string());
    let own = ["start", "--data-dir", &data, "--only", "elasticsearch", "--elasticsearch-port", &number];
    let words: Vec<&str> = ["--library-path", &libraries, &program].into_iter().chain(own).collect();
    let program = Program::start(&format!("{libraries}/ld-linux-x86-64.so.2"), &words, &[]);
    program.ready(|| ask(port, "GET", "/", "").is_some_and(|answer| answer.status == 200));
    (program, port)
}

#[tokio::test]
async fn receivers_noida_keeps_a_repeated_batch_once_and_refuses_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let (_program, port) = noida(folder.path());
    let json = "content-type: application/json\r\n";
    let mapping = r#"{"mappings":{"properties":{"message":{"type":"long"}}}}"#;
    assert_eq!(program::ask_with(port, "PUT", "/numbers", json, mapping).unwrap().status, 200);
    let url = format!("type = 'elasticsearch'\nurl = 'http://127.0.0.1:{port}'\n");
    let mut numbers = sink(&format!("{url}index = 'numbers'"));
    let mut few = batch("b", lines(4));
    few.lines.iter_mut().zip(["1", "two", "3", "four"]).for_each(|(line, text)| line.text = text.into());
    for _ in 0..2 {
        let refused = crate::stand::refused(deliver(&mut numbers, &few).await);
        let places: Vec<usize> = refused.iter().map(|(index, _)| *index).collect();
        assert_eq!(places, [1, 3]);
        assert!(
            refused.iter().all(|(_, reason)| reason.starts_with("400 document_parsing_exception: ")),
            "{refused:?}"
        );
    }
    let mut by_day = sink(&format!("{url}index = 'app-{{service}}-{{yyyy}}.{{mm}}.{{dd}}'"));
    let many = batch("many", lines(1000));
    for _ in 0..3 {
        assert_eq!(deliver(&mut by_day, &many).await, delivered());
    }
    assert_eq!(ask(port, "POST", "/_refresh", "").unwrap().status, 200);
    for (index, count) in [("numbers", 2), ("app-web@1-*", 500), ("app-db-*", 500)] {
        let answer = ask(port, "GET", &format!("/{index}/_count"), "").unwrap();
        let read: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(read["count"], count, "{index}: {read}");
    }
}

#[tokio::test]
async fn receivers_victoria_logs_takes_pushes() {
    let folder = tempfile::tempdir().unwrap();
    let (program, port) = victoria_logs(folder.path(), &[]);
    let keys = "username = 'me'\npassword-file = 'password'\nlevel-label = true\nfields = { env = 'prod' }";
    let text = format!("type = 'loki'\nurl = 'http://127.0.0.1:{port}/insert'\n{keys}");
    let mut sink = sink_in(folder.path(), &text);
    let batch = batch("b", lines(2000));
    assert_eq!(deliver(&mut sink, &batch).await, delivered());
    let got = stored(&program, port, 2000);
    assert_all(got.iter().map(|record| record["_msg"].as_str().unwrap().to_owned()).collect(), &batch);
    let mut streams: Vec<&str> = got.iter().map(|record| record["_stream"].as_str().unwrap()).collect();
    streams.sort_unstable();
    streams.dedup();
    // Two services, two streams, and the level goes with the service.
    assert_eq!(streams.len(), 4, "{streams:?}");
    assert!(streams.iter().all(|stream| stream.contains("env=\"prod\"") && stream.contains("host=\"machine\"")));
}

#[tokio::test]
async fn receivers_victoria_logs_takes_syslog_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    crate::secure::certificates(folder.path());
    let [port] = ports();
    let [address, cert, key] = [
        format!("-syslog.listenAddr.tcp=127.0.0.1:{port}"),
        format!("-syslog.tlsCertFile={}/server.pem", folder.path().display()),
        format!("-syslog.tlsKeyFile={}/server.key", folder.path().display()),
    ];
    let (program, http) = victoria_logs(folder.path(), &[&address, "-syslog.tls", &cert, &key]);
    let text = format!(
        "type = 'syslog'\naddress = '127.0.0.1:{port}'\ntls = true\nca-file = 'ca.pem'\nfields = {{ env = 'prod' }}"
    );
    let mut sink = sink_in(folder.path(), &text);
    let batch = batch("b", lines(500));
    assert_eq!(deliver(&mut sink, &batch).await, delivered());
    let got = stored(&program, http, 500);
    assert_all(got.iter().map(|record| record["_msg"].as_str().unwrap().to_owned()).collect(), &batch);
    let first = got.iter().find(|record| record["_msg"].as_str().unwrap().starts_with("line 0 ")).unwrap();
    let part = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
    let parts = ["app_name", "hostname", "proc_id", "msg_id", "severity", "fields@32473.env"].map(part);
    assert_eq!(parts, ["web@1", "machine", "7", "stderr", "4", "prod"]);
}

/// moto wants a signature, and does not look at it.
const SIGNED: &str = "authorization: AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n";

#[tokio::test]
async fn receivers_moto_keeps_objects_in_glacier_until_they_are_restored() {
    let [port] = ports();
    let number = port.to_string();
    let server = Program::start(&found("python/bin/moto_server"), &["-H", "127.0.0.1", "-p", &number], &[]);
    server.ready(|| ask(port, "GET", "/moto-api/", "").is_some_and(|answer| answer.status == 200));
    assert_eq!(ask(port, "PUT", "/app-logs", SIGNED).unwrap().status, 200);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("id"), "id").unwrap();
    std::fs::write(folder.path().join("key"), "key").unwrap();
    let keys = "access-key-id-file = 'id'\nsecret-access-key-file = 'key'\nkey = 'all/{id}'";
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        let text = format!(
            "type = 's3'\nurl = 'http://127.0.0.1:{port}'\nbucket = 'app-logs'\nstorage-class = '{class}'\n{keys}"
        );
        let mut sink = sink_in(folder.path(), &text);
        let batch = batch(class, lines(100));
        assert_eq!(deliver(&mut sink, &batch).await, delivered());
        let list = String::from_utf8(ask(port, "GET", "/app-logs", SIGNED).unwrap().body).unwrap();
        let contents =
            list.split("<Contents>").find(|part| part.contains(&format!(">{class}<"))).expect("the class is listed");
        let key = contents.split("<Key>").nth(1).unwrap().split("</Key>").next().unwrap();
        let path = format!("/app-logs/{key}");
        let early = ask(port, "GET", &path, SIGNED).unwrap();
        assert!(
            String::from_utf8_lossy(&early.body).contains("InvalidObjectState"),
            "not before it is restored: {early:?}"
        );
        let restore = program::ask_with(
            port,
            "POST",
            &format!("{path}?restore"),
            SIGNED,
            "<RestoreRequest><Days>1</Days></RestoreRequest>",
        );
        assert_eq!(restore.unwrap().status, 202);
        let object = ask(port, "GET", &path, SIGNED).unwrap();
        assert_eq!(object.status, 200);
        assert_all(messages(&object.body), &batch);
    }
}

fn messages(object: &[u8]) -> Vec<String> {
    let text = String::from_utf8(zstd::decode_all(object).expect("zstd")).unwrap();
    let message = |line: &str| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
    text.lines().map(message).collect()
}

const IDENTITIES: &str = r#"{"identities":[
    {"name":"anonymous","actions":["Admin","Read","Write","List"]},
    {"name":"ship","credentials":[{"accessKey":"AKtest","secretKey":"SKtest"}],"actions":["Admin","Read","Write","List"]}]}"#;

#[tokio::test]
async fn receivers_seaweedfs_checks_the_signature_and_holds_a_repeated_batch_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s3.json"), IDENTITIES).unwrap();
    for (file, text) in [("id", "AKtest"), ("key", "SKtest"), ("bad-id", "nobody"), ("bad-key", "guess")] {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let (server, port) = seaweed(folder.path());
    server.ready(|| ask(port, "PUT", "/app-logs", "").is_some_and(|answer| answer.status == 200));
    let with = |id: &str, key: &str| {
        let keys =
            format!("access-key-id-file = '{id}'\nsecret-access-key-file = '{key}'\nstorage-class = 'STANDARD_IA'");
        sink_in(folder.path(), &format!("type = 's3'\nurl = 'http://127.0.0.1:{port}'\nbucket = 'app-logs'\n{keys}"))
    };
    let batch = batch("b", lines(500));
    for (id, key, told) in [("id", "bad-key", "SignatureDoesNotMatch"), ("bad-id", "key", "InvalidAccessKeyId")] {
        let (why, _) = later(deliver(&mut with(id, key), &batch).await);
        assert!(why.contains(told) && !why.contains("guess"), "{why}");
    }
    let mut sink = with("id", "key");
    for _ in 0..2 {
        assert_eq!(deliver(&mut sink, &batch).await, delivered());
    }
    let list = String::from_utf8(ask(port, "GET", "/app-logs?list-type=2", "").unwrap().body).unwrap();
    let keys: Vec<&str> = list.split("<Key>").skip(1).map(|part| part.split("</Key>").next().unwrap()).collect();
    assert_eq!(keys.len(), 2, "one for each service: {list}");
    assert!(keys[0].starts_with("db/20") && keys[1].starts_with("web@1/20"), "{keys:?}");
    let read =
        |key: &&str| messages(&ask(port, "GET", &format!("/app-logs/{}", key.replace('@', "%40")), "").unwrap().body);
    assert_all(keys.iter().flat_map(read).collect(), &batch);
}

fn seaweed(folder: &Path) -> (Program, u16) {
    let weed = found("python/bin/weed");
    let numbers: [u16; 8] = ports();
    let folder = folder.display();
    let mut words: Vec<String> = [
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port",
        "s3.port.grpc",
    ]
    .iter()
    .zip(numbers)
    .map(|(name, port)| format!("-{name}={port}"))
    .collect();
    words.insert(0, "server".to_owned());
    words.extend([
        format!("-dir={folder}"),
        format!("-s3.config={folder}/s3.json"),
        format!("-filer.localSocket={folder}/filer.sock"),
        format!("-s3.localSocket={folder}/s3.sock"),
    ]);
    words.extend(
        [
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=20",
            "-master.telemetry=false",
        ]
        .map(str::to_owned),
    );
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let program = Program::start(&weed, &words, &[]);
    let port = numbers[6];
    program.ready(|| ask(port, "GET", "/status", "").is_some_and(|answer| answer.status == 200));
    (program, port)
}

#[tokio::test]
async fn receivers_rsyslog_reads_every_part_of_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let [port] = ports();
    let out = folder.path().join("out");
    let config = format!(
        r#"global(workDirectory="{folder}" parser.escapeControlCharactersOnReceive="off" maxMessageSize="64k")
        module(load="imtcp")
        input(type="imtcp" address="127.0.0.1" port="{port}")
        template(name="parts" type="list" option.jsonf="on") {{
            property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
            property(outname="severity" name="syslogseverity-text" format="jsonf")
            property(outname="facility" name="syslogfacility-text" format="jsonf")
            property(outname="host" name="hostname" format="jsonf")
            property(outname="app" name="app-name" format="jsonf")
            property(outname="run" name="procid" format="jsonf")
            property(outname="stream" name="msgid" format="jsonf")
            property(outname="data" name="structured-data" format="jsonf")
            property(outname="text" name="msg" format="jsonf")
        }}
        action(type="omfile" file="{out}" template="parts")"#,
        folder = folder.path().display(),
        out = out.display(),
    );
    let file = folder.path().join("rsyslog.conf");
    std::fs::write(&file, config).unwrap();
    let root = found("rsyslog/root");
    let libraries = format!("{root}/usr/lib/x86_64-linux-gnu");
    let (modules, pid) = (format!("{libraries}/rsyslog"), folder.path().join("pid").display().to_string());
    let words = ["-n", "-f", file.to_str().unwrap(), "-i", &pid, "-M", &modules];
    let server = Program::start(&format!("{root}/usr/sbin/rsyslogd"), &words, &[("LD_LIBRARY_PATH", &libraries)]);
    server.ready(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let keys = "facility = 'local3'\nsd-id = 'app@1'\nfields = { env = 'a \"b\" ]' }\nmax-message = '32KiB'";
    let mut sink = sink(&format!("type = 'syslog'\naddress = '127.0.0.1:{port}'\n{keys}"));
    let mut batch = batch("b", lines(1000));
    batch.lines[1].text = b"two\nlines".to_vec();
    batch.lines[2].text = vec![b'x'; 20_000];
    assert_eq!(deliver(&mut sink, &batch).await, delivered());
    let mut read: Vec<Value> = Vec::new();
    server.ready(|| {
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        read = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        read.len() >= batch.lines.len()
    });
    assert_all(read.iter().map(|message| message["text"].as_str().unwrap().trim_start().to_owned()).collect(), &batch);
    let first = &read[0];
    let part = |name: &str| first[name].as_str().unwrap().to_owned();
    let parts = ["severity", "facility", "host", "app", "run", "stream"].map(part);
    assert_eq!(parts, ["warning", "local3", "machine", "web@1", "7", "stderr"]);
    assert_eq!(part("data"), "[app@1 env=\"a \\\"b\\\" \\]\"]");
}
