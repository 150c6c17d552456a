//! A TCP cable between a service and a store that a test can cut, or clog, without touching the store itself.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const UP: u8 = 0;
const CUT: u8 = 1;
const CLOGGED: u8 = 2;
const GONE: u8 = 3;

/// Forwards connections to an address for as long as it is whole.
#[derive(Debug)]
pub struct Cable {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: String,
    state: AtomicU8,
    open: Mutex<Vec<TcpStream>>,
}

impl Cable {
    /// A cable to the server of `url`, and the URL with the cable's address in that server's place.
    pub(crate) fn to(url: &str) -> (Self, String) {
        let (head, rest) = url.split_once("://").unwrap();
        let target = authority(url);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let through = format!("{head}://{}", rest.replacen(&target, &address, 1));
        let shared = Arc::new(Shared { target, state: AtomicU8::new(UP), open: Mutex::default() });
        let cable = Self { shared: Arc::clone(&shared) };
        std::thread::spawn(move || serve(&listener, &shared));
        (cable, through)
    }

    /// Ends every connection, and each new one at once.
    pub fn cut(&self) {
        self.shared.set(CUT);
        self.shared.close_all();
    }

    /// Lets no byte through any more, and ends no connection: what a hung server looks like.
    pub fn clog(&self) {
        self.shared.set(CLOGGED);
    }

    /// Makes it whole again.
    pub fn mend(&self) {
        self.shared.set(UP);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.shared.set(GONE);
        self.shared.close_all();
    }
}

impl Shared {
    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }

    fn is(&self, state: u8) -> bool {
        self.state.load(Ordering::SeqCst) == state
    }

    fn close_all(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn authority(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    let authority = rest.split(['/', '?']).next().unwrap();
    authority.rsplit('@').next().unwrap().to_owned()
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming().map_while(Result::ok) {
        if shared.is(GONE) {
            return;
        }
        if !shared.is(CUT) {
            let _ = connect(client, shared);
        }
    }
}

fn connect(client: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let server = TcpStream::connect(&shared.target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    shared.open.lock().unwrap().extend([client.try_clone()?, server.try_clone()?]);
    for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || copy(from, to, &shared));
    }
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        while shared.is(CLOGGED) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
