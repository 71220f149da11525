//! A stretch of network between the store and its database that can be cut at any byte.

use crate::server;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// Where to cut the connection that lands; its bytes are counted from the cut before, or from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// When so many bytes have gone to the server.
    Request(usize),
    /// When so many bytes have come back.
    Answer(usize),
}

/// What only connections that land, or ask what has landed, send.
const LANDING: &[&[u8]] = &[b"shard s set head", b"set since = since"];

/// Where the next cuts are.
#[derive(Debug, Default)]
struct Plan {
    cuts: VecDeque<Cut>,
    /// Every connection is cut now and then, at places that this makes up (xorshift64*).
    random: Option<u64>,
}

/// In chaos a connection is cut somewhere in so many bytes to the server, or of its answers.
const CHAOS: (u64, u64) = (600_000, 12_000);

impl Plan {
    fn next(&mut self) -> Option<&mut Cut> {
        if let Some(state) = self.random.as_mut().filter(|_| self.cuts.is_empty()) {
            *state ^= *state >> 12;
            *state ^= *state << 25;
            *state ^= *state >> 27;
            let random = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8;
            let within = |bytes: u64| usize::try_from(random / 2 % bytes).expect("a small number");
            self.cuts.push_back(match random % 2 {
                0 => Cut::Request(within(CHAOS.0)),
                _ => Cut::Answer(within(CHAOS.1)),
            });
        }
        self.cuts.front_mut()
    }
}

/// The socket of a server, at another place.
pub(crate) struct Proxy {
    directory: TempDir,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    /// Stands before the server whose socket is in `target`.
    pub(crate) fn start(target: &Path) -> Self {
        const SOCKET: &str = ".s.PGSQL.5432";
        let directory = tempfile::tempdir().expect("a scratch directory can be made");
        let listener = UnixListener::bind(directory.path().join(SOCKET));
        let listener = listener.expect("a socket can be made there");
        let plan = Arc::new(Mutex::new(Plan::default()));
        let (target, plans) = (target.join(SOCKET), plan.clone());
        // It ends with the tests.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                pass(client.expect("a client comes"), &target, &plans);
            }
        });
        Self { directory, plan }
    }

    pub(crate) fn address(&self, database: &str) -> String {
        server::address(self.directory.path(), database)
    }

    /// Cuts there, one after the other.
    pub(crate) fn cut(&self, plan: &[Cut]) {
        self.plan().cuts = plan.iter().copied().collect();
    }

    /// From now on cuts every connection now and then.
    pub(crate) fn begin_chaos(&self, seed: u64) {
        self.plan().random = Some(seed);
    }

    /// The cuts that have not happened; they will not.
    pub(crate) fn disarm(&self) -> Vec<Cut> {
        self.plan().cuts.drain(..).collect()
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, in both directions.
struct Link {
    plan: Arc<Mutex<Plan>>,
    lands: Mutex<bool>,
}

fn pass(client: UnixStream, target: &PathBuf, plan: &Arc<Mutex<Plan>>) {
    let Ok(server) = UnixStream::connect(target) else {
        return;
    };
    let link = Arc::new(Link {
        plan: plan.clone(),
        lands: Mutex::new(false),
    });
    let clone = |stream: &UnixStream| stream.try_clone().expect("a socket can be shared");
    let ends = [(clone(&client), clone(&server)), (server, client)];
    for ((from, to), is_request) in ends.into_iter().zip([true, false]) {
        let link = link.clone();
        std::thread::spawn(move || link.forward(from, to, is_request));
    }
}

impl Link {
    fn forward(&self, mut from: UnixStream, mut to: UnixStream, is_request: bool) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..length];
            let pass = self.allowed(bytes, is_request);
            if to.write_all(&bytes[..pass]).is_err() || pass < length {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// How many of these bytes may pass before the connection is cut.
    fn allowed(&self, bytes: &[u8], is_request: bool) -> usize {
        let mut lands = self.lands.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |text: &&[u8]| bytes.windows(text.len()).any(|window| window == *text);
        *lands |= is_request && LANDING.iter().any(has);
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        if !*lands && plan.random.is_none() {
            return bytes.len();
        }
        let left = match plan.next() {
            Some(Cut::Request(left)) if is_request => left,
            Some(Cut::Answer(left)) if !is_request => left,
            _ => return bytes.len(),
        };
        if *left >= bytes.len() {
            *left -= bytes.len();
            return bytes.len();
        }
        let pass = *left;
        plan.cuts.pop_front();
        pass
    }
}
