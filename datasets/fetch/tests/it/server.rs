//! A host of files on this machine, with the faults that hosts have.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the host does with a path.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The file, whole or from where it is asked for.
    File(Vec<u8>),
    /// The first time so many bytes and then nothing more; afterwards as `File`.
    Cut(Vec<u8>, usize),
    /// The whole file, whatever part is asked for.
    WithoutRanges(Vec<u8>),
    /// A status without a body.
    Status(u16),
    /// Somewhere else.
    Redirect(String),
}

/// A running host.
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves these paths until the test ends.
    pub(crate) fn new(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(vec![]));
        let answers: Arc<Mutex<HashMap<&str, Answer>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
        let log = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, log) = (answers.clone(), log.clone());
                std::thread::spawn(move || serve(stream, &answers, &log));
            }
        });
        Self { port, requests }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What was asked for so far: `PATH`, or `PATH from N`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic there").clone()
    }
}

/// Answers one request and closes the connection.
fn serve(stream: TcpStream, answers: &Mutex<HashMap<&str, Answer>>, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let path = lines.next().and_then(|line| Some(line.split(' ').nth(1)?.to_owned())).unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let from = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let range = name.eq_ignore_ascii_case("range").then_some(value)?;
        range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
    });
    let asked = from.map_or_else(|| path.clone(), |from| format!("{path} from {from}"));
    log.lock().expect("no panic there").push(asked);
    let answer = answers.lock().expect("no panic there").get(path.as_str()).cloned();
    let mut out = &stream;
    let _ = match answer {
        None => write!(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Some(Answer::Status(status)) => {
            write!(out, "HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        Some(Answer::Redirect(to)) => write!(
            out,
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        Some(Answer::WithoutRanges(body)) => whole(out, &body, body.len()),
        Some(Answer::Cut(body, length)) => {
            let mut answers = answers.lock().expect("no panic there");
            answers.iter_mut().filter(|(name, _)| **name == path).for_each(|(_, answer)| {
                *answer = Answer::File(body.clone());
            });
            whole(out, &body, length)
        }
        Some(Answer::File(body)) => match from {
            None => whole(out, &body, body.len()),
            Some(from) => {
                let rest = &body[from.min(body.len())..];
                write!(
                    out,
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len() - 1,
                    body.len(),
                    rest.len()
                )
                .and_then(|()| out.write_all(rest))
            }
        },
    };
}

/// The headers of the whole body, and so many bytes of it.
fn whole(mut out: &TcpStream, body: &[u8], length: usize) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    out.write_all(&body[..length])
}
