//! As much of HTTP/1.1 as a page needs that is only read: one request a connection, a bounded head, bounded times.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// The longest head of a request.
const LONGEST: usize = 16 * 1024;
/// How long a head may take to come, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked for.
pub(super) struct Request {
    /// Without what is behind `?`.
    pub(super) path: String,
    /// As the one header of this name says.
    pub(super) host: Option<String>,
    /// GET or HEAD.
    pub(super) reads: bool,
    head_only: bool,
}

/// What is answered.
pub(super) struct Answer {
    status: u16,
    kind: &'static str,
    tag: Option<String>,
    body: String,
}

impl Answer {
    pub(super) fn new(kind: &'static str, body: String) -> Self {
        Self { status: 200, kind, tag: None, body }
    }

    pub(super) fn error(status: u16, text: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", tag: None, body: text.to_owned() }
    }

    /// With what the content is known by.
    pub(super) fn tagged(self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), ..self }
    }

    fn head(&self) -> String {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "Request Header Fields Too Large",
        };
        let tag = self.tag.as_ref().map_or_else(String::new, |tag| format!("ETag: \"{tag}\"\r\n"));
        let allow = if self.status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{tag}{allow}Connection: close\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n\
             Content-Security-Policy: default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; \
             style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\r\n",
            self.status,
            self.kind,
            self.body.len()
        )
    }
}

/// Reads a request and answers it. Whoever sends nothing, or takes nothing, is left.
pub(super) fn answer(mut stream: TcpStream, answer: impl FnOnce(&Request) -> Answer) {
    // What the listener doesn't wait for, its connections do.
    let ready = stream.set_nonblocking(false).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    if ready.is_err() {
        return;
    }
    let (answer, head_only) = match read(&mut stream) {
        Ok(request) => (answer(&request), request.head_only),
        Err(Some(refused)) => (refused, false),
        Err(None) => return,
    };
    let mut text = answer.head();
    if !head_only {
        text.push_str(&answer.body);
    }
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.shutdown(Shutdown::Write));
    // What is still on its way would have the connection reset before the answer is read.
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let _ = stream.read(&mut [0; 1024]);
}

/// A request's head; what it is refused with, or nothing where nobody waits for an answer.
fn read(stream: &mut TcpStream) -> Result<Request, Option<Answer>> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = Vec::with_capacity(1024);
    let mut piece = [0; 2048];
    loop {
        // The whole head has this time: letter by letter it takes no longer.
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err(None);
        }
        let count = stream.read(&mut piece).map_err(|_| None)?;
        if count == 0 {
            return Err(None);
        }
        bytes.extend_from_slice(&piece[..count]);
        match parsed(&bytes) {
            Ok(Some(request)) => return Ok(request),
            Ok(None) if bytes.len() > LONGEST => {
                return Err(Some(Answer::error(431, "the request is too long\n")));
            }
            Ok(None) => {}
            Err(()) => return Err(Some(Answer::error(400, "this is no request\n"))),
        }
    }
}

/// A request, once its head is whole.
fn parsed(bytes: &[u8]) -> Result<Option<Request>, ()> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    if request.parse(bytes).map_err(|_| ())?.is_partial() {
        return Ok(None);
    }
    let hosts: Vec<&[u8]> = request
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("host"))
        .map(|h| h.value)
        .collect();
    // Of two it isn't known which one counts.
    let host = match hosts.as_slice() {
        [host] => std::str::from_utf8(host).ok().map(|host| host.trim().to_owned()),
        _ => None,
    };
    let method = request.method.unwrap_or_default();
    let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    Ok(Some(Request { path, host, reads: matches!(method, "GET" | "HEAD"), head_only: method == "HEAD" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let of = |text: &str| parsed(text.as_bytes());
        assert!(matches!(of("GET / HTTP/1.1\r\nHost: localh"), Ok(None)));
        let request = of("HEAD /part/part-1?x=2 HTTP/1.1\r\nhost: localhost:1 \r\n\r\n")
            .expect("whole")
            .expect("whole");
        assert_eq!((request.path.as_str(), request.host.as_deref()), ("/part/part-1", Some("localhost:1")));
        assert!(request.reads && request.head_only);
        let two = of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").expect("whole").expect("whole");
        assert_eq!(two.host, None);
        assert!(!of("POST / HTTP/1.1\r\nHost: a\r\n\r\n").expect("whole").expect("whole").reads);
        for bad in ["\u{0}\u{1}", "GET\r\n\r\n", "GET / HTTP/9\r\n\r\n"] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
