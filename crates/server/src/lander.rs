//! Landing: one chunk after the other, mostly on a thread of its own.
//!
//! While a chunk lands the next one grows: the disk's own pace decides how much one sync covers. Only a chunk of a
//! few records, with a disk that has been quick so far, is landed on the spot: there is next to nothing that could
//! be done meanwhile, and to wake the thread and be woken by it takes longer than the sync.

use admin::instruments::Instruments;
use std::io;
use std::sync::Arc;
use std::sync::mpsc as thread_mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::{Chunk, Landed, Store, StoreFailure};
use tokio::sync::mpsc;

/// A chunk of at most so many records may be landed on the spot. More are a load that has better things to do
/// than to wait.
const FEW_RECORDS: u32 = 16;

/// A chunk of at most so many bytes may be landed on the spot.
const FEW_BYTES: usize = 64 * 1024;

/// A landing that takes longer is not quick.
const QUICK: Duration = Duration::from_micros(500);

/// After one that was not quick so many landings go to the thread.
const CAUTIOUS_LANDINGS: u32 = 64;

/// What the thread answers: the store comes back with the outcome.
type Answer = (Box<dyn Store>, Result<Landed, StoreFailure>);

/// The shard's handle on its store.
pub struct Lander {
    /// Here unless the thread has it.
    store: Option<Box<dyn Store>>,
    chunks: thread_mpsc::Sender<(Box<dyn Store>, Chunk)>,
    landings: mpsc::UnboundedReceiver<Answer>,
    thread: JoinHandle<()>,
    /// So many landings go to the thread before one is tried on the spot again.
    cautious: u32,
    /// Where it is told how long landings take.
    instruments: Arc<Instruments>,
}

impl Lander {
    /// Starts the thread.
    pub fn start(store: Box<dyn Store>, instruments: Arc<Instruments>) -> io::Result<Self> {
        let (chunks, to_land) = thread_mpsc::channel();
        let (told, landings) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("landing".to_owned())
            .spawn({
                let instruments = instruments.clone();
                move || land(&to_land, &told, &instruments)
            })?;
        Ok(Self {
            store: Some(store),
            chunks,
            landings,
            thread,
            cautious: 0,
            instruments,
        })
    }

    /// Whether a chunk is being landed.
    pub fn is_landing(&self) -> bool {
        self.store.is_none()
    }

    /// Lands a chunk on the spot, or begins to: then [`landed`](Self::landed) tells the outcome. One at a time.
    pub fn land(&mut self, chunk: Chunk) -> Result<Option<Landed>, StoreFailure> {
        let mut store = self.store.take().expect("one chunk lands at a time");
        if self.cautious == 0 && chunk.count() <= FEW_RECORDS && chunk.bytes_len() <= FEW_BYTES {
            let (answer, took) = land_one(&mut *store, chunk, &self.instruments);
            if took > QUICK {
                self.cautious = CAUTIOUS_LANDINGS;
            }
            self.store = Some(store);
            return answer.map(Some);
        }
        self.cautious = self.cautious.saturating_sub(1);
        // If the thread has ended, `landed` tells why.
        let _ = self.chunks.send((store, chunk));
        Ok(None)
    }

    /// Waits until the thread has landed its chunk; for ever if it has none. May be dropped and called again.
    pub async fn landed(&mut self) -> Result<Landed, StoreFailure> {
        let Some((store, answer)) = self.landings.recv().await else {
            return Err(StoreFailure {
                what: "the landing thread ended".to_owned(),
                source: io::ErrorKind::BrokenPipe.into(),
            });
        };
        self.store = Some(store);
        answer
    }

    /// The outcome, if the thread has landed its chunk by now.
    pub fn landed_now(&mut self) -> Option<Result<Landed, StoreFailure>> {
        let (store, answer) = self.landings.try_recv().ok()?;
        self.store = Some(store);
        Some(answer)
    }

    /// Ends the thread and closes the store. Waits for both.
    ///
    /// # Panics
    /// If a chunk is being landed.
    pub fn close(self) -> Result<(), StoreFailure> {
        drop(self.chunks);
        self.thread.join().map_err(|_| StoreFailure {
            what: "the landing thread panicked".to_owned(),
            source: io::ErrorKind::Other.into(),
        })?;
        self.store.expect("nothing is landing").close()
    }
}

/// Lands a chunk, and tells how long that took.
fn land_one(
    store: &mut dyn Store,
    chunk: Chunk,
    instruments: &Instruments,
) -> (Result<Landed, StoreFailure>, Duration) {
    let (records, bytes) = (chunk.count(), chunk.bytes_len());
    let began = Instant::now();
    let answer = store.land(chunk);
    let took = began.elapsed();
    // A landing of nothing only asks how things stand.
    if records > 0 {
        instruments.sync.note(micros(took), 1);
        instruments.chunk_records.note(records.into(), 1);
        instruments.chunk_bytes.note(bytes as u64, 1);
    }
    (answer, took)
}

/// As histograms count time.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The thread.
fn land(
    chunks: &thread_mpsc::Receiver<(Box<dyn Store>, Chunk)>,
    told: &mpsc::UnboundedSender<Answer>,
    instruments: &Instruments,
) {
    for (mut store, chunk) in chunks {
        let (answer, _) = land_one(&mut *store, chunk, instruments);
        // Nobody listens only where the shard has ended, and then the next chunk does not come.
        let _ = told.send((store, answer));
    }
}
