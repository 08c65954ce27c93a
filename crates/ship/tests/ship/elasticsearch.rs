//! `_bulk`: what is sent, and what each answer means.

use std::time::Duration;

use expect_test::expect;
use serde_json::{Value, json};

use crate::stand::{
    Seen, batch, deliver, delivered, http, later, line, many, note, refused, response, sink, taken, two,
};

/// The items' answers, in order: status, and what is wrong.
fn items(statuses: &[(u16, &str)]) -> String {
    let item = |(status, reason): &(u16, &str)| match *reason {
        "" => json!({ "create": { "_index": "i", "status": status } }),
        reason => json!({ "create": { "status": status, "error": { "type": "t", "reason": reason } } }),
    };
    let items: Vec<Value> = statuses.iter().map(item).collect();
    let errors = statuses.iter().any(|(status, _)| *status >= 300);
    response("200 OK", "", &json!({ "took": 1, "errors": errors, "items": items }).to_string())
}

#[tokio::test]
async fn a_line_becomes_an_action_and_a_document() {
    let seen: Seen<_> = Seen::default();
    let seen_by = seen.clone();
    let server = http(move |_, request| {
        note(&seen_by, (request.first_line().to_owned(), request.text()));
        items(&[(201, ""), (201, "")])
    })
    .await;
    let url = format!("type = 'elasticsearch'\nurl = 'http://127.0.0.1:{}/prefix/?x=y'\n", server.port());
    let mut by_day = sink(&format!(
        "{url}index = 'app-{{service}}-{{yyyy}}.{{mm}}.{{dd}}'\npipeline = 'a b'\nfields = {{ env = 'prod' }}\n"
    ));
    assert_eq!(deliver(&mut by_day, &two()).await, delivered());
    let mut stream = sink(&format!("{url}compress = 'none'\n"));
    assert_eq!(deliver(&mut stream, &two()).await, delivered());
    let seen = taken(&seen);
    expect![[r#"
        POST /prefix/_bulk?x=y&filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,error&pipeline=a%20b HTTP/1.1
        {"create":{"_index":"app-web@2-2026.11.28","_id":"60041ac7d71dac9c55ebfbac09c0056f-0"}}
        {"@timestamp":"2026-11-28T07:03:27.000000005Z","message":"pay \"1\" 中","service":{"name":"web@2"},"host":{"name":"machine"},"log":{"level":"warn","iostream":"stderr"},"labels":{"env":"prod","run":"3"}}
        {"create":{"_index":"app-db-2026.11.28","_id":"60041ac7d71dac9c55ebfbac09c0056f-1"}}
        {"@timestamp":"2026-11-28T07:03:28.000000005Z","message":"a�b\u0000","service":{"name":"db"},"host":{"name":"machine"},"log":{"iostream":"stdout"},"labels":{"env":"prod"}}
    "#]]
    .assert_eq(&format!("{}\n{}", seen[0].0, seen[0].1));
    let head = "POST /prefix/_bulk?x=y&filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,error HTTP/1.1";
    assert_eq!(seen[1].0, head);
    assert!(seen[1].1.starts_with("{\"create\":{\"_index\":\"logs-mainstay-default\",\"_id\":"), "{}", seen[1].1);
}

#[tokio::test]
async fn each_line_has_its_own_fate() {
    let answers = [
        // What is wrong with a line stays wrong; what is there already is ours.
        items(&[(201, ""), (400, "no date"), (409, "version conflict")]),
        // Somebody has to wait or to mend something: all again, with the same ids.
        items(&[(201, ""), (400, "no date"), (429, "queue full")]),
        items(&[(201, ""), (201, ""), (503, "no shard")]),
        items(&[(201, ""), (201, ""), (404, "no such index")]),
        // Not one item for each line.
        items(&[(201, ""), (201, "")]),
        response("200 OK", "", "{\"errors\":false}"),
        response("200 OK", "", "<html>"),
        response("200 OK", "", "{\"items\":[{\"index\":{\"status\":201}},{},{}]}"),
        response(
            "200 OK",
            "",
            "{\"items\":[{\"create\":{\"status\":500,\"error\":\"old\"}},{\"create\":{\"status\":201}},{\"create\":{\"status\":201}}]}",
        ),
        response("429 Too Many Requests", "retry-after: 7\r\n", ""),
        response("503 Service Unavailable", "retry-after: Mon, 28 Nov 2044 07:03:27 GMT\r\n", "over\x07load"),
        response("401 Unauthorized", "", "{\"error\":\"who\"}"),
        response("301 Moved Permanently", "location: https://elsewhere/\r\n", ""),
    ];
    let server = http(move |number, _| answers[number].clone()).await;
    let mut sink = sink(&format!("type = 'elasticsearch'\nurl = 'http://127.0.0.1:{}'", server.port()));
    let batch = many(3);
    let first = refused(deliver(&mut sink, &batch).await);
    assert_eq!(first, [(1, "400 t: no date".to_owned())]);
    let mut told = Vec::new();
    for _ in 1..13 {
        told.push(later(deliver(&mut sink, &batch).await));
    }
    let address = format!("127.0.0.1:{}", server.port());
    let told: String =
        told.into_iter().map(|(why, after)| format!("{} {after:?}\n", why.replace(&address, "ADDRESS"))).collect();
    expect![[r#"
        the receiver could not take a line: 429 t: queue full None
        the receiver could not take a line: 503 t: no shard None
        the receiver could not take a line: 404 t: no such index None
        the answer tells of 2 lines, but 3 were sent None
        the answer tells of 0 lines, but 3 were sent None
        the answer is none of _bulk (expected value at line 1 column 1): <html> None
        the answer is none of _bulk (missing field `create` at line 1 column 34): {"items":[{"index":{"status":201}},{},{}]} None
        the receiver could not take a line: 500 old None
        429 Too Many Requests Some(7s)
        503 Service Unavailable: over load Some(3600s)
        the receiver refuses who we are: 401 Unauthorized: {"error":"who"} None
        the receiver is elsewhere (301 Moved Permanently): set the URL to https://elsewhere/ None
    "#]]
    .assert_eq(&told);
}

#[tokio::test]
async fn what_is_too_large_at_once_is_sent_in_halves_and_a_line_that_is_too_large_is_refused() {
    let seen: Seen<usize> = Seen::default();
    let seen_by = seen.clone();
    let server = http(move |_, request| {
        let text = request.text();
        let lines = text.lines().count() / 2;
        if text.len() > 2500 {
            return response("413 Payload Too Large", "", "");
        }
        note(&seen_by, lines);
        items(&vec![(201, ""); lines])
    })
    .await;
    let mut sink = sink(&format!("type = 'elasticsearch'\nurl = 'http://127.0.0.1:{}'", server.port()));
    let mut lines = many(40).lines;
    lines[17].text = vec![b'x'; 3000];
    let refused = refused(deliver(&mut sink, &batch("b", lines)).await);
    assert_eq!(refused, [(17, "413 Payload Too Large".to_owned())]);
    assert_eq!(taken(&seen).iter().sum::<usize>(), 39);
}

#[tokio::test]
async fn a_repeated_batch_has_the_same_ids_and_another_has_others() {
    let seen: Seen<String> = Seen::default();
    let seen_by = seen.clone();
    let server = http(move |_, request| {
        note(&seen_by, request.text());
        items(&[(201, "")])
    })
    .await;
    let mut sink = sink(&format!("type = 'elasticsearch'\nurl = 'http://127.0.0.1:{}'", server.port()));
    for id in ["a", "a", "b"] {
        assert_eq!(deliver(&mut sink, &batch(id, vec![line("web", 0, b"x")])).await, delivered());
    }
    let seen = taken(&seen);
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_made_anew() {
    let server = crate::stand::Receiver::start(|_, mut stream| async move {
        // One request, then the server goes away without a word, as when it is restarted.
        if crate::stand::request(&mut stream).await.is_some() {
            crate::stand::say(&mut stream, items(&[(201, "")])).await;
        }
    })
    .await;
    let mut sink = sink(&format!("type = 'elasticsearch'\nurl = 'http://127.0.0.1:{}'", server.port()));
    for id in ["a", "b", "c"] {
        assert_eq!(deliver(&mut sink, &batch(id, vec![line("web", 0, b"x")])).await, delivered());
    }
}

#[tokio::test]
async fn every_way_to_say_who_we_are_is_sent_and_never_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
    // It tells everybody what it was sent.
    let server = http(|_, request| {
        let authorization = request.header("authorization").unwrap_or("none").to_owned();
        response("401 Unauthorized", "", &format!("you sent {authorization}"))
    })
    .await;
    for (keys, told) in [
        ("", "none"),
        ("username = 'me'\npassword-file = 'secret'", "Basic ***"),
        ("token-file = 'secret'", "Bearer ***"),
        ("api-key-file = 'secret'", "ApiKey ***"),
    ] {
        let text = format!("type = 'elasticsearch'\nurl = 'http://127.0.0.1:{}'\n{keys}", server.port());
        let mut sink = crate::stand::sink_in(folder.path(), &text);
        assert!(!format!("{sink:?}").contains("hunter2"));
        let (why, after) = later(deliver(&mut sink, &many(1)).await);
        assert_eq!(
            (why.as_str(), after),
            (&*format!("the receiver refuses who we are: 401 Unauthorized: you sent {told}"), None::<Duration>)
        );
    }
}

/// What is skipped costs nothing; what is taken apart has an end.
#[tokio::test]
async fn a_large_answer_full_of_nothing_is_no_memory() {
    let zeros = "0,".repeat(30_000);
    let server = http(move |number, _| {
        let body = match number {
            0 => format!("{{\"more\":[{zeros}0],\"items\":[{{\"create\":{{\"status\":201,\"more\":[{zeros}0]}}}}]}}"),
            _ => format!("{{\"items\":[{{\"create\":{{\"status\":400,\"error\":[{}0]}}}}]}}", "0,".repeat(20_000)),
        };
        response("200 OK", "", &body)
    })
    .await;
    let mut sink = sink(&format!("type = 'elasticsearch'\nurl = 'http://127.0.0.1:{}'", server.port()));
    // Longer than one line's answer can be.
    assert!(later(deliver(&mut sink, &many(1)).await).0.contains("longer than"));
    assert_eq!(refused(deliver(&mut sink, &many(1)).await), [(0, "400 ".to_owned())]);
}

#[tokio::test]
async fn a_renewed_secret_is_taken_up_without_a_new_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "old").unwrap();
    let server = http(|_, request| match request.header("authorization") {
        Some("Bearer new") => items(&[(201, "")]),
        _ => response("401 Unauthorized", "", "new? no, old"),
    })
    .await;
    let text = format!("type = 'elasticsearch'\nurl = 'http://127.0.0.1:{}'\ntoken-file = 'token'", server.port());
    let mut sink = crate::stand::sink_in(folder.path(), &text);
    assert!(later(deliver(&mut sink, &many(1)).await).0.ends_with("new? no, ***"));
    std::fs::remove_file(folder.path().join("token")).unwrap();
    assert!(later(deliver(&mut sink, &many(1)).await).0.starts_with("cannot read the secret in "));
    std::fs::write(folder.path().join("token"), "new").unwrap();
    assert_eq!(deliver(&mut sink, &many(1)).await, delivered());
}
