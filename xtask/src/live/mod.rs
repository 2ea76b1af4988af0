//! `report --serve`: a page that follows runs while they are trained.

mod http;
mod names;
mod watched;

use std::io::ErrorKind;
use std::net::{TcpListener, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use palimpsest_core::{Error, Result};
use serde_json::json;

use self::http::{Answer, Request};
use self::names::Names;
use self::watched::Watched;
use crate::cli::Report;
use crate::{interrupt, output};

/// Connections at a time. Each ends with its answer, and within a few seconds.
const CONNECTIONS: usize = 32;

/// How often it is looked whether the program shall end.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves the page until the program is asked to end.
///
/// # Errors
/// No run, an address that can't be listened at.
pub(crate) fn serve(args: &Report) -> Result<()> {
    let watched = Watched::of(&args.runs)?;
    let place = format!("{}:{}", bracketed(&args.host), args.port);
    let failed = |e: std::io::Error| {
        let error = Error::user(format!("can't listen: {e}")).at(&place);
        match e.kind() {
            ErrorKind::AddrInUse => error.help("choose another --port; 0 takes a free one"),
            _ => error.help("give an address of this machine"),
        }
    };
    let address = (args.host.as_str(), args.port).to_socket_addrs().map_err(failed)?.next();
    let address = address.ok_or_else(|| Error::user("is no address").at(&args.host))?;
    let listener = TcpListener::bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let interrupted = interrupt::flag()?;
    if !address.ip().is_loopback() {
        output::note(&format!(
            "warning: whoever reaches {address} can read these runs; nothing is asked for, nothing is encrypted. From elsewhere \
             one gets at the page of this machine alone by: ssh -L {0}:localhost:{0} HOST",
            address.port()
        ));
    }
    output::line(&format!("http://{}/", shown(address, &args.host)));
    output::note("Ctrl-C ends it; the runs go on");
    let site = Arc::new(Site { watched: Mutex::new(watched), names: Names::of(&args.host) });
    let open = Arc::new(AtomicUsize::new(0));
    while !interrupted.load(Ordering::Relaxed) {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(PAUSE);
                continue;
            }
            // The other side is gone, or this process has too many files open: neither is a reason to end.
            Err(_) => {
                std::thread::sleep(PAUSE);
                continue;
            }
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            // Closed unread.
            drop(stream);
            continue;
        }
        let (site, open) = (site.clone(), open.clone());
        let work = move || {
            http::answer(stream, |request| site.answer(request));
            open.fetch_sub(1, Ordering::Relaxed);
        };
        if std::thread::Builder::new().name("page".to_owned()).spawn(work).is_err() {
            output::note("warning: a request was left, since the system has no more threads");
        }
    }
    Ok(())
}

/// The address as a browser wants it.
fn shown(address: std::net::SocketAddr, host: &str) -> String {
    match host.parse::<std::net::IpAddr>() {
        Ok(_) if address.ip().is_unspecified() => format!("localhost:{}", address.port()),
        Ok(_) => address.to_string(),
        Err(_) => format!("{host}:{}", address.port()),
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

struct Site {
    watched: Mutex<Watched>,
    names: Names,
}

impl Site {
    fn answer(&self, request: &Request) -> Answer {
        // A page of another site can have its name resolved to this machine, and its script then asks here: the name that it
        // asks for is still its own.
        if !request.host.as_deref().is_some_and(|host| self.names.has(host)) {
            return Answer::error(403, "this server is not asked by that name\n");
        }
        if !request.reads {
            return Answer::error(405, "this server is only read\n");
        }
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let page = watched.page();
        match request.path.as_str() {
            "/" => Answer::new("text/html; charset=utf-8", page.html()),
            "/live.js" => Answer::new("text/javascript; charset=utf-8", include_str!("live.js").to_owned()),
            "/state" => {
                let parts: Vec<_> =
                    page.parts.iter().map(|part| json!({ "id": part.id, "hash": part.hash })).collect();
                let state = json!({ "title": page.title, "running": page.running, "parts": parts });
                Answer::new("application/json", state.to_string())
            }
            path => {
                let id = path.strip_prefix("/part/");
                let found = page.parts.iter().find(|part| Some(part.id.as_str()) == id);
                found.map_or_else(
                    || Answer::error(404, "there is no such page\n"),
                    |part| Answer::new("text/html; charset=utf-8", part.html.clone()).tagged(&part.hash),
                )
            }
        }
    }
}
