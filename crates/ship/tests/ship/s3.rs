//! Objects: their names, their contents, and what is said about them.

use std::io::Read;

use expect_test::expect;

use crate::stand::{Request, Seen, deliver, delivered, http, later, many, note, response, sink, taken, two};

fn lines(request: &Request) -> String {
    let mut text = String::new();
    match request.first_line() {
        line if line.contains(".ndjson.zst ") => {
            zstd::Decoder::new(&*request.body).unwrap().read_to_string(&mut text).unwrap()
        }
        line if line.contains(".ndjson.gz ") => {
            flate2::read::GzDecoder::new(&*request.body).read_to_string(&mut text).unwrap()
        }
        _ => (&*request.body).read_to_string(&mut text).unwrap(),
    };
    text
}

#[tokio::test]
async fn a_batch_becomes_an_object_for_each_service_and_the_same_when_it_is_repeated() {
    let seen: Seen<Request> = Seen::default();
    let for_it = seen.clone();
    let server = http(move |_, request| {
        note(&for_it, request.clone());
        response("200 OK", "etag: x\r\n", "")
    })
    .await;
    let url = format!("type = 's3'\nurl = 'http://127.0.0.1:{}/storage'\nbucket = 'app-logs'\n", server.port());
    let mut by_default = sink(&url);
    assert_eq!(deliver(&mut by_default, &two()).await, delivered());
    assert_eq!(deliver(&mut by_default, &two()).await, delivered());
    let mut other =
        sink(&format!("{url}key = 'all/{{yyyy}}-{{mm}}/{{id}}'\ncompress = 'gzip'\nstorage-class = 'DEEP_ARCHIVE'"));
    assert_eq!(deliver(&mut other, &two()).await, delivered());
    let seen = taken(&seen);
    assert_eq!((seen[0].first_line(), &seen[0].body), (seen[2].first_line(), &seen[2].body));
    let mut shown = String::new();
    for request in [&seen[0], &seen[1], &seen[4]] {
        let class = request.header("x-amz-storage-class");
        shown +=
            &format!("{} {class:?} {:?}\n{}", request.first_line(), request.header("authorization"), lines(request));
    }
    expect![[r#"
        PUT /storage/app-logs/db/2026/11/28/07/20261128T070328Z-20261128T070328Z-machine-ecadc585efc8225a632d6ef13c4dee42.ndjson.zst HTTP/1.1 None None
        {"time":"2026-11-28T07:03:28.000000005Z","service":"db","stream":"stdout","host":"machine","message":"a�b\u0000","message_base64":"Yf9iAA=="}
        PUT /storage/app-logs/web%402/2026/11/28/07/20261128T070327Z-20261128T070327Z-machine-0a5a3481221cb5b7d277ecdc5649599a.ndjson.zst HTTP/1.1 None None
        {"time":"2026-11-28T07:03:27.000000005Z","service":"web@2","stream":"stderr","level":"warn","run":3,"host":"machine","message":"pay \"1\" 中"}
        PUT /storage/app-logs/all/2026-11/4903eaa77a67d77833f278dc8b70c882.ndjson.gz HTTP/1.1 Some("DEEP_ARCHIVE") None
        {"time":"2026-11-28T07:03:27.000000005Z","service":"web@2","stream":"stderr","level":"warn","run":3,"host":"machine","message":"pay \"1\" 中"}
        {"time":"2026-11-28T07:03:28.000000005Z","service":"db","stream":"stdout","host":"machine","message":"a�b\u0000","message_base64":"Yf9iAA=="}
    "#]]
    .assert_eq(&shown);
}

#[tokio::test]
async fn nothing_of_a_bucket_is_given_up_because_of_an_answer() {
    let xml = "<Error><Code>SignatureDoesNotMatch</Code></Error>";
    let answers = [
        response("403 Forbidden", "", xml),
        response("400 Bad Request", "", "<Code>InvalidStorageClass</Code>"),
        response("503 Slow Down", "", ""),
        response("307 Temporary Redirect", "location: http://169.254.169.254/\r\n", ""),
    ];
    let server = http(move |number, _| answers[number].clone()).await;
    let mut sink =
        sink(&format!("type = 's3'\nurl = 'http://127.0.0.1:{}'\nbucket = 'app-logs'\nkey = '{{id}}'", server.port()));
    let mut told = String::new();
    for _ in 0..4 {
        told += &format!("{}\n", later(deliver(&mut sink, &many(2)).await).0);
    }
    expect![[r#"
        the receiver refuses who we are: 403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code></Error>
        cannot put 7d4926d6cabab0e9615d9e3d7ca9d2b5.ndjson.zst: 400 Bad Request: <Code>InvalidStorageClass</Code>
        503 Service Unavailable
        the receiver is elsewhere (307 Temporary Redirect): set the URL to http://169.254.169.254/
    "#]]
    .assert_eq(&told);
}
