//! Loki's push: what is sent, and what each answer means.

use expect_test::expect;

use crate::stand::{
    Seen, batch, deliver, delivered, http, later, line, many, note, refused, response, sink, taken, two,
};

#[tokio::test]
async fn lines_are_grouped_by_few_labels_and_stand_in_the_order_of_time() {
    let seen: Seen<_> = Seen::default();
    let seen_by = seen.clone();
    let server = http(move |_, request| {
        let tenant = request.header("x-scope-orgid").map(str::to_owned);
        note(&seen_by, (request.first_line().to_owned(), tenant, request.text()));
        response("204 No Content", "", "")
    })
    .await;
    let url = format!("type = 'loki'\nurl = 'http://127.0.0.1:{}/insert/'\n", server.port());
    let mut plain = sink(&url);
    let lines =
        vec![line("web", 5, b"later"), line("web", 1, b"earlier"), line("db", 2, b"x"), line("web", 5, b"same")];
    assert_eq!(deliver(&mut plain, &batch("b", lines)).await, delivered());
    let mut all =
        sink(&format!("{url}tenant = 'team'\nlevel-label = true\nfields = {{ env = 'prod' }}\ncompress = 'none'"));
    assert_eq!(deliver(&mut all, &two()).await, delivered());
    let shown: String =
        taken(&seen).iter().map(|(head, tenant, text)| format!("{head} {tenant:?}\n{text}\n")).collect();
    expect![[r#"
        POST /insert/loki/api/v1/push HTTP/1.1 None
        {"streams":[{"stream":{"service":"db","stream":"stdout","host":"machine"},"values":[["1795849409000000005","x"]]},{"stream":{"service":"web","stream":"stdout","host":"machine"},"values":[["1795849408000000005","earlier"],["1795849412000000005","later"],["1795849412000000005","same"]]}]}
        POST /insert/loki/api/v1/push HTTP/1.1 Some("team")
        {"streams":[{"stream":{"service":"db","stream":"stdout","host":"machine","env":"prod"},"values":[["1795849408000000005","a�b\u0000"]]},{"stream":{"service":"web@2","stream":"stderr","host":"machine","level":"warn","env":"prod"},"values":[["1795849407000000005","pay \"1\" 中"]]}]}
    "#]]
    .assert_eq(&shown);
}

/// As Loki does: takes what is right, and answers 400 if anything was wrong.
#[tokio::test]
async fn a_line_that_is_too_old_is_found_and_not_sent_for_ever() {
    let kept: Seen<String> = Seen::default();
    let kept_by = kept.clone();
    let server = http(move |_, request| {
        let text = request.text();
        for number in 0..100 {
            if number != 42 && text.contains(&format!("\"line {number}\"")) {
                note(&kept_by, format!("line {number}"));
            }
        }
        match text.contains("\"line 42\"") {
            true => response("400 Bad Request", "", "entry for stream '{}' has timestamp too old"),
            false => response("204 No Content", "", ""),
        }
    })
    .await;
    let mut sink = sink(&format!("type = 'loki'\nurl = 'http://127.0.0.1:{}'", server.port()));
    let refused = refused(deliver(&mut sink, &many(100)).await);
    assert_eq!(refused, [(42, "400 Bad Request: entry for stream '{}' has timestamp too old".to_owned())]);
    let mut kept = taken(&kept);
    kept.sort();
    kept.dedup();
    assert_eq!(kept.len(), 99);
}

#[tokio::test]
async fn a_receiver_that_is_busy_or_broken_gets_it_later() {
    let answers = [
        response("429 Too Many Requests", "retry-after: 2\r\n", "rate limit"),
        response("500 Internal Server Error", "", "at least 2 live replicas required"),
        response("404 Not Found", "", ""),
    ];
    let server = http(move |number, _| answers[number].clone()).await;
    let mut sink = sink(&format!("type = 'loki'\nurl = 'http://127.0.0.1:{}'", server.port()));
    let mut told = String::new();
    for _ in 0..3 {
        told += &format!("{:?}\n", later(deliver(&mut sink, &many(2)).await));
    }
    expect![[r#"
        ("429 Too Many Requests: rate limit", Some(2s))
        ("500 Internal Server Error: at least 2 live replicas required", None)
        ("there is no such receiver at this URL: 404 Not Found", None)
    "#]]
    .assert_eq(&told);
}
