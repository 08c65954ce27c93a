//! JSON written straight into a buffer.

use base64::Engine;

use crate::line::Line;

/// Puts a text in quotes behind `out`; what is no UTF-8 becomes U+FFFD.
pub(crate) fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        escaped(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

/// RFC 8259, section 7.
fn escaped(out: &mut Vec<u8>, valid: &[u8]) {
    let mut rest = valid;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let (plain, behind) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((special, behind)) = behind.split_first() else { break };
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
}

/// `,"name":"text"`; without the comma at the beginning of an object.
pub(crate) fn member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    name_of(out, name);
    text(out, value);
}

/// `,"name":`.
pub(crate) fn name_of(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    text(out, name.as_bytes());
    out.push(b':');
}

/// One line as the object that files and buckets hold, with its line feed.
pub(crate) fn record(out: &mut Vec<u8>, line: &Line, host: &str, fields: &[(String, String)]) {
    out.push(b'{');
    member(out, "time", line.time.to_string().as_bytes());
    member(out, "service", line.service.as_bytes());
    member(out, "stream", line.stream.word().as_bytes());
    if let Some(level) = line.level {
        member(out, "level", level.word().as_bytes());
    }
    if let Some(run) = line.run {
        name_of(out, "run");
        out.extend_from_slice(run.to_string().as_bytes());
    }
    member(out, "host", host.as_bytes());
    for (name, value) in fields {
        member(out, name, value.as_bytes());
    }
    member(out, "message", &line.text);
    if std::str::from_utf8(&line.text).is_err() {
        // The exact bytes: the message has lost some.
        let exact = base64::engine::general_purpose::STANDARD.encode(&line.text);
        member(out, "message_base64", exact.as_bytes());
    }
    out.extend_from_slice(b"}\n");
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_json() {
        for bytes in
            [&b""[..], b"plain", b"\"q\" \\ \n\r\t\x00\x1f\x7f", "\u{4e2d}\u{6587}".as_bytes(), b"a\xff\xfeb\xc3"]
        {
            let mut out = Vec::new();
            text(&mut out, bytes);
            let read: String = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, String::from_utf8_lossy(bytes), "{}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn a_record_keeps_every_byte() {
        let line = Line {
            time: "2026-11-28T07:03:27.000000001Z".parse().unwrap(),
            service: "web".into(),
            stream: crate::Stream::Stderr,
            level: Some(mainstay_wire::level::Level::Warn),
            run: Some(7),
            text: b"a\xffb".to_vec(),
        };
        let mut out = Vec::new();
        record(&mut out, &line, "h", &[("env".to_owned(), "prod".to_owned())]);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"time\":\"2026-11-28T07:03:27.000000001Z\",\"service\":\"web\",\"stream\":\"stderr\",\"level\":\"warn\",\"run\":7,\
             \"host\":\"h\",\"env\":\"prod\",\"message\":\"a\u{fffd}b\",\"message_base64\":\"Yf9i\"}\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_become_a_text_of_json(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            text(&mut out, &bytes);
            let read: String = serde_json::from_slice(&out).unwrap();
            proptest::prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }
    }
}
