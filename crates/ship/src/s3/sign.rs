//! AWS Signature Version 4 in the `Authorization` header, with the payload's digest.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.

use hyper::header::{AUTHORIZATION, HeaderName};
use jiff::Timestamp;
use ring::{digest, hmac};

use crate::json::hex;
use crate::name::compact;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// A key and what it is for.
pub(super) struct Signer {
    region: String,
    id: String,
    key: String,
    token: Option<String>,
}

impl Signer {
    pub(super) fn new(region: &str, id: String, key: String, token: Option<String>) -> Self {
        Self { region: region.to_owned(), id, key, token }
    }

    /// The headers with those that the signature needs; all of them and `Host` are signed. `path` is percent-encoded and has no
    /// query.
    pub(super) fn sign(
        &self,
        method: &str,
        server: &str,
        path: &str,
        mut headers: Vec<(HeaderName, String)>,
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(HeaderName, String)> {
        let time = compact(now);
        let payload = sha256(body);
        headers.push((DATE, time.clone()));
        headers.push((CONTENT, payload.clone()));
        headers.extend(self.token.iter().map(|token| (TOKEN, token.clone())));

        let mut signed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.trim())).collect();
        signed.push(("host", server));
        signed.sort_unstable();
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let request = format!("{method}\n{path}\n\n{lines}\n{names}\n{payload}");

        let day = time.get(..8).unwrap_or(&time);
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(request.as_bytes()));
        let mut key = hmac_sha256(format!("AWS4{}", self.key).as_bytes(), day.as_bytes());
        for step in [self.region.as_str(), "s3", "aws4_request"] {
            key = hmac_sha256(key.as_ref(), step.as_bytes());
        }
        let signature = hex(hmac_sha256(key.as_ref(), text.as_bytes()).as_ref());
        let value =
            format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", self.id);
        headers.push((AUTHORIZATION, value));
        headers
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hmac_sha256(key: &[u8], bytes: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes)
}

/// The path of a key: everything but unreserved characters and `/` percent-encoded.
pub(super) fn encoded_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len() + 16);
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Amazon's page: "PUT Object".
    #[test]
    fn the_signature_is_that_of_the_published_example() {
        let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned();
        let signer = Signer::new("us-east-1", "AKIAIOSFODNN7EXAMPLE".to_owned(), key, None);
        let headers = vec![
            (HeaderName::from_static("date"), "Fri, 24 May 2013 00:00:00 GMT".to_owned()),
            (HeaderName::from_static("x-amz-storage-class"), "REDUCED_REDUNDANCY".to_owned()),
        ];
        let path = encoded_path("/test$file.text");
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        let signed =
            signer.sign("PUT", "examplebucket.s3.amazonaws.com", &path, headers, b"Welcome to Amazon S3.", now);
        let (_, authorization) = signed.last().unwrap();
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,\
             Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
    }

    #[test]
    fn the_token_of_a_key_that_ends_soon_is_sent_and_signed() {
        let signer = Signer::new("r", "id".to_owned(), "key".to_owned(), Some("token".to_owned()));
        let signed = signer.sign("PUT", "h", "/x", Vec::new(), b"", Timestamp::UNIX_EPOCH);
        assert!(signed.contains(&(TOKEN, "token".to_owned())));
        let (_, authorization) = signed.last().unwrap();
        let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,";
        assert!(authorization.contains(names), "{authorization}");
    }

    #[test]
    fn paths_keep_only_what_needs_no_code() {
        assert_eq!(encoded_path("/a b/web@2/\u{e9}~-_.x+"), "/a%20b/web%402/%C3%A9~-_.x%2B");
    }
}
