//! The writing half: one write and one sync for each chunk.

use crate::directory::Directory;
use crate::disk::{self, Disk, RealDisk};
use crate::error::{OpenError, failed};
use crate::identity::Key;
use crate::keeper::{Job, Keeper};
use crate::lane::Lane;
use crate::mark;
use crate::names::Layout;
use crate::places::Segment;
use crate::reader::Shared;
use crate::reclaim::Reclaiming;
use crate::recover::{self, Listing, Recovered};
use crate::stock::{Dead, Maker, Stock};
use crate::summary::SummaryBuilder;
use model::Position;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use store::{Chunk, Density, Landed, LandedChunk, LiveSet, Reader, Store, StoreFailure, Told};

/// How a data directory is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// The length of a segment file in bytes, 4 KiB to 2 GiB. A chunk that does not fit gets a file of its own
    /// length.
    pub segment_bytes: u64,
    /// Free bytes of the disk that are left alone: with fewer, publishers are told to wait.
    pub disk_free_limit: u64,
    /// The most bytes of chunks that are kept in memory.
    pub cache_bytes: usize,
}

impl Options {
    /// The defaults, for the data directory `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 * 1024 * 1024,
            disk_free_limit: 256 * 1024 * 1024,
            cache_bytes: 64 * 1024 * 1024,
        }
    }
}

/// The store on this machine's disk. Dropping it without [`Store::close`] is a crash: nothing landed is lost.
pub struct Journal {
    pub(crate) directory: Arc<Directory>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) live: LiveSet,
    pub(crate) stock: Stock,
    pub(crate) keeper: Keeper,
    pub(crate) reclaiming: Reclaiming,
    /// Of the segment that is written to.
    summary: SummaryBuilder,
    pub(crate) key: Key,
    /// What this opening's chunks are marked with.
    pub(crate) epoch: u64,
    /// The position of the next record.
    next: Position,
    pub(crate) segment_bytes: u64,
    /// What failed; nothing lands after it.
    failed: Option<String>,
    _lock: Box<dyn Send>,
}

impl Journal {
    /// Opens a data directory and tells what it holds ([`Told`]).
    ///
    /// # Errors
    /// If another process holds the directory, something that had landed is damaged or missing, a newer version
    /// wrote it, or the disk fails. What was told until then is to be forgotten.
    pub fn open(
        options: Options,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(Self, Recovered), OpenError> {
        Self::open_on(Arc::new(RealDisk::default()), Maker::Thread, options, tell)
    }

    /// Opens a data directory on any disk.
    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        maker: Maker,
        options: Options,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(Self, Recovered), OpenError> {
        let began = Instant::now();
        if !(4096..=1 << 31).contains(&options.segment_bytes) {
            return Err(OpenError::Option(
                "the length of a segment is 4 KiB to 2 GiB",
            ));
        }
        let layout = Layout::new(&options.dir);
        let make = |dir| disk.make_dir(dir).map_err(failed("make", dir));
        make(layout.dir())?;
        let lock = recover::lock(&*disk, &layout)?;
        make(layout.segments())?;
        let key = recover::key(&*disk, &layout)?;
        let listing = Listing::read(&*disk, &layout)?;
        let directory = Arc::new(Directory::new(disk.clone(), layout));
        let mut lane = Lane::read(&directory, key, &listing, tell)?;
        let spares = recover::spares(&directory, &listing, options.segment_bytes)?;
        let next_spare = listing.spares.last().map_or(1, |last| last + 1);
        let lengths = (options.segment_bytes, options.disk_free_limit);
        let mut stock = Stock::new(directory.clone(), lengths, spares, next_spare);
        let segments = directory.layout.segments();
        for segment in lane.take_dead() {
            let dead = Dead::new(&directory.layout, segment);
            stock
                .put_back(dead)
                .map_err(failed("give back a segment of", segments))?;
        }
        lane.renew_tail(&directory, &stock)?;
        stock
            .begin(maker)
            .map_err(failed("start the thread for", segments))?;
        let mut keeper = Keeper::start(directory.clone(), maker)
            .map_err(failed("start the thread for", segments))?;
        for (segment, file) in lane.summaries {
            keeper.put(Job::Summary { segment, file });
        }
        let recovered = Recovered {
            took: began.elapsed(),
            ..lane.recovered
        };
        let journal = Self {
            shared: Arc::new(Shared::new(lane.places, options.cache_bytes)),
            live: lane.live,
            stock,
            keeper,
            reclaiming: Reclaiming::new(lane.begin),
            summary: lane.summary,
            key,
            epoch: epoch_after(key, lane.opening),
            next: lane.next,
            segment_bytes: options.segment_bytes,
            failed: None,
            directory,
            _lock: lock,
        };
        Ok((journal, recovered))
    }

    /// Writes a chunk to the tail and returns when it has landed there.
    fn append(&mut self, mut chunk: Chunk) -> Result<Arc<LandedChunk>, StoreFailure> {
        if !self.shared.places().tail().has_room(chunk.bytes_len()) {
            self.begin_segment(chunk.bytes_len())?;
        }
        let (number, file, offset, padding) = {
            let places = self.shared.places();
            let tail = places.tail();
            let padding = tail.padding(chunk.bytes_len());
            (tail.number, tail.file.clone(), tail.used, padding)
        };
        self.live.enter_chunk(&chunk);
        let items = chunk.take_summary();
        let chunk = chunk.seal_padded(self.epoch, number, padding);
        disk::write_all(&*file, offset, chunk.bytes())
            .map_err(|error| self.failure("write to segment", number, error))?;
        file.sync()
            .map_err(|error| self.failure("sync segment", number, error))?;
        self.summary.add(&chunk, offset, &items);
        self.shared.places_mut().append(&chunk);
        Ok(chunk)
    }

    /// Ends the tail with its end mark and begins the next segment.
    fn begin_segment(&mut self, chunk_bytes: usize) -> Result<(), StoreFailure> {
        let (number, file, used, last) = {
            let places = self.shared.places();
            let tail = places.tail();
            (tail.number, tail.file.clone(), tail.used, tail.last)
        };
        // The end mark lands before the next segment has its name: so every segment but the last has one.
        disk::write_all(
            &*file,
            used,
            &mark::block(self.epoch, number, file.granularity()),
        )
        .and_then(|()| file.sync())
        .map_err(|error| self.failure("end segment", number, error))?;
        let block = file.granularity();
        let blocks = |bytes: usize| bytes.next_multiple_of(block) as u64;
        let needed = blocks(chunk_bytes) + blocks(mark::LENGTH);
        let next = number + 1;
        let path = self.directory.layout.segment(next);
        let spare = self.stock.take(needed).and_then(|spare| {
            self.directory.rename(&spare.path, &path)?;
            Ok(spare)
        });
        let spare = spare.map_err(|error| self.failure("begin segment", next, error))?;
        let segment = Segment::new(next, spare.file, spare.length, last);
        self.shared.places_mut().push(segment);
        let from = last.next();
        let summary = SummaryBuilder::new(Density::Dense, from);
        let file = std::mem::replace(&mut self.summary, summary).finish(number, used, from);
        self.keeper.put(Job::Summary {
            segment: number,
            file,
        });
        self.live.begin(next, from, Density::Dense);
        self.look_again();
        Ok(())
    }

    fn land_chunk(&mut self, chunk: Chunk) -> Result<Landed, StoreFailure> {
        let (first, last, checkpoint) = (chunk.first(), chunk.last(), chunk.checkpoint());
        if first != Position::NONE {
            assert!(
                first == self.next,
                "chunks land in the order of their positions"
            );
        }
        self.stock
            .tend()
            .map_err(|error| self.stock_failure(error))?;
        let bytes = chunk.bytes_len();
        if !chunk.is_empty() {
            let landed = self.append(chunk)?;
            if last != Position::NONE {
                self.shared.cache().landed(landed);
                self.next = last.next();
            }
        }
        let begin = checkpoint.map(|checkpoint| checkpoint.begin);
        self.reclaiming.landed(bytes, begin);
        self.reclaim()?;
        let nothing_came = bytes == 0;
        Ok(Landed {
            upto: Position(self.next.0 - 1),
            room: self.stock.room(),
            checkpoint_wanted: self.wants_checkpoint(nothing_came),
            busy: self.goes_on(),
        })
    }

    /// The disk has failed under a file that was to be used later.
    pub(crate) fn stock_failure(&self, source: io::Error) -> StoreFailure {
        let dir = self.directory.layout.segments().display();
        let what = format!("make files ahead of use in {dir}");
        StoreFailure { what, source }
    }

    /// Says what failed, and where.
    pub(crate) fn failure(&self, what: &str, segment: u64, source: io::Error) -> StoreFailure {
        let path = self.directory.layout.segment(segment);
        StoreFailure {
            what: format!("{what} {}", path.display()),
            source,
        }
    }
}

/// The epoch of the opening behind the last one that wrote anything.
fn epoch_after(key: Key, opening: u32) -> u64 {
    let next = opening.checked_add(1);
    key.epoch(next.expect("a directory is opened fewer than 2^32 times"))
}

impl Store for Journal {
    fn land(&mut self, chunk: Chunk) -> Result<Landed, StoreFailure> {
        if let Some(what) = &self.failed {
            return Err(StoreFailure {
                what: "anything after a failure".into(),
                source: io::Error::other(what.clone()),
            });
        }
        let outcome = self.land_chunk(chunk);
        if let Err(failure) = &outcome {
            self.failed = Some(failure.to_string());
        }
        outcome
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.shared.clone()
    }

    fn close(mut self: Box<Self>) -> Result<(), StoreFailure> {
        self.keeper.stop();
        self.stock.stop();
        Ok(())
    }
}
