//! What proves to a receiver that a request came from here, and when: HMAC-SHA256 over time and body, as Slack and Stripe sign theirs.

use std::fmt::Write;

use ring::hmac::{HMAC_SHA256, Key, sign};

/// The header with the seconds since 1970 at which the request was made.
pub const TIMESTAMP_HEADER: &str = "X-Pgairlock-Timestamp";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "X-Pgairlock-Signature";

/// The value of [`SIGNATURE_HEADER`]: `v1=` and the HMAC of `v1:TIMESTAMP:BODY` in hexadecimal digits.
#[must_use]
pub fn signature(secret: &[u8], timestamp: i64, body: &str) -> String {
    let tag = sign(&Key::new(HMAC_SHA256, secret), format!("v1:{timestamp}:{body}").as_bytes());
    tag.as_ref().iter().fold("v1=".to_owned(), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'v1:1700000000:{"a":"é"}' | openssl dgst -sha256 -hmac 'a secret of sixteen'`
    #[test]
    fn it_is_what_openssl_says() {
        assert_eq!(
            signature(b"a secret of sixteen", 1_700_000_000, "{\"a\":\"é\"}"),
            "v1=423e5b13940fa7db5cff1e4a50b89085df3e4c7fde27642ee9e2f887fca44599"
        );
    }
}
