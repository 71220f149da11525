//! The landing thread: it owns the store, and lands one chunk after the other.
//!
//! While a chunk lands the next one grows: the disk's own pace decides how much one sync covers.

use std::io;
use std::sync::mpsc as thread_mpsc;
use std::thread::JoinHandle;
use store::{Chunk, Landed, Store, StoreFailure};
use tokio::sync::mpsc;

/// The shard's handle on the landing thread.
#[derive(Debug)]
pub struct Lander {
    chunks: thread_mpsc::Sender<Chunk>,
    landings: mpsc::UnboundedReceiver<Result<Landed, StoreFailure>>,
    thread: JoinHandle<Result<(), StoreFailure>>,
    landing: bool,
}

impl Lander {
    /// Starts the thread.
    pub fn start(store: Box<dyn Store>) -> io::Result<Self> {
        let (chunks, to_land) = thread_mpsc::channel();
        let (told, landings) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("landing".to_owned())
            .spawn(move || land(store, &to_land, &told))?;
        Ok(Self {
            chunks,
            landings,
            thread,
            landing: false,
        })
    }

    /// Whether a chunk is being landed.
    pub fn is_landing(&self) -> bool {
        self.landing
    }

    /// Begins to land a chunk. One at a time.
    pub fn land(&mut self, chunk: Chunk) {
        assert!(!self.landing, "one chunk lands at a time");
        self.landing = true;
        // If the thread has ended, `landed` tells why.
        let _ = self.chunks.send(chunk);
    }

    /// Waits until the chunk has landed; for ever if none is landing. May be dropped and called again.
    pub async fn landed(&mut self) -> Result<Landed, StoreFailure> {
        let answer = match self.landings.recv().await {
            Some(answer) => answer,
            None => Err(StoreFailure {
                what: "the landing thread ended".to_owned(),
                source: io::ErrorKind::BrokenPipe.into(),
            }),
        };
        self.landing = false;
        answer
    }

    /// The outcome, if the chunk has landed by now.
    pub fn landed_now(&mut self) -> Option<Result<Landed, StoreFailure>> {
        let answer = self.landings.try_recv().ok()?;
        self.landing = false;
        Some(answer)
    }

    /// Ends the thread and closes the store. Waits for both.
    pub fn close(self) -> Result<(), StoreFailure> {
        drop(self.chunks);
        self.thread.join().unwrap_or_else(|_| {
            Err(StoreFailure {
                what: "the landing thread panicked".to_owned(),
                source: io::ErrorKind::Other.into(),
            })
        })
    }
}

/// The thread: after a failure it lands nothing more (promise P7).
fn land(
    mut store: Box<dyn Store>,
    chunks: &thread_mpsc::Receiver<Chunk>,
    told: &mpsc::UnboundedSender<Result<Landed, StoreFailure>>,
) -> Result<(), StoreFailure> {
    for chunk in chunks {
        let answer = store.land(chunk);
        let failed = answer.is_err();
        // Nobody listens only where the shard has ended, and then the next chunk does not come.
        let _ = told.send(answer);
        if failed {
            return Ok(());
        }
    }
    store.close()
}
