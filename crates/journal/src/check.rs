//! Looking at a data directory without changing it: what it holds, whether all of it is whole, and what a start
//! would do.

use crate::checkpoint::Checkpoint;
use crate::disk::{Access, Disk, RealDisk};
use crate::error::{OpenError, failed};
use crate::identity::Key;
use crate::lane::goes_on;
use crate::names::Layout;
use crate::opened::Opened;
use crate::recover::Listing;
use crate::scan::{Ending, Scan};
use model::{Position, Record, Run, Runs};
use std::fmt;
use std::path::{Path, PathBuf};
use store::{Density, Entry, LandedChunk, LiveSet};

/// What a data directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The data directory.
    pub dir: PathBuf,
    /// The process that has the directory open, its id if known: what it writes meanwhile may be in the report
    /// or not.
    pub in_use: Option<Option<u32>>,
    /// How many segments there are.
    pub segments: u64,
    /// How many files are written ahead of use.
    pub spares: u64,
    /// How many whole chunks there are, and their bytes.
    pub chunks: u64,
    /// The bytes of those chunks.
    pub bytes: u64,
    /// The records in them.
    pub records: Counts,
    /// Messages that some queue still needs.
    pub live_messages: u64,
    /// The bytes of their records, to within a sixteenth.
    pub live_bytes: u64,
    /// The bytes that a start would cut: of a chunk that was being written when the last run ended.
    pub torn_bytes: u64,
    /// Whether the last run ended cleanly.
    pub clean: bool,
    /// What had landed and is not whole, in words, with the place: a start would refuse.
    pub problems: Vec<String>,
}

/// Records by their kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages.
    pub messages: u64,
    /// Messages that were written again, so that the segment where they were could be given back.
    pub relocated: u64,
    /// Settlings.
    pub settled: u64,
    /// Tellings of what queues that deduplicate remember.
    pub remembered: u64,
    /// Tellings of messages that wait otherwise than as they came.
    pub waiting: u64,
    /// Tellings of what had been delivered and came back.
    pub delivered: u64,
    /// Definitions.
    pub definitions: u64,
    /// Complete checkpoints.
    pub checkpoints: u64,
    /// Clean stops.
    pub stopped: u64,
}

/// Reads and checks every chunk of every segment in the data directory `dir`, and changes nothing.
///
/// # Errors
/// If `dir` is not a data directory, a newer version wrote it, or it cannot be read. Damage is no error but in
/// the [`Report`].
pub fn check(dir: &Path) -> Result<Report, OpenError> {
    let lock = Layout::new(dir).lock();
    let in_use = RealDisk::lock_holder(&lock).map_err(failed("look at", &lock))?;
    let report = check_on(&RealDisk::default(), dir)?;
    Ok(Report { in_use, ..report })
}

/// The same on any disk; says nothing about who uses it.
pub(crate) fn check_on(disk: &dyn Disk, dir: &Path) -> Result<Report, OpenError> {
    let layout = Layout::new(dir);
    let key = Key::read(disk, &layout)?.ok_or_else(|| OpenError::NotADataDirectory {
        path: layout.format(),
        what: "it is missing",
    })?;
    let mut checking = Checking {
        live: LiveSet::new(),
        checkpoint: Checkpoint::none(),
        next: Position::NONE.next(),
        last: Position::NONE,
        found: Runs::new(),
        report: Report {
            dir: dir.to_owned(),
            ..Report::default()
        },
    };
    match Checkpoint::read(disk, &layout, key) {
        Ok(checkpoint) => {
            checking.next = checkpoint.begin;
            checking.checkpoint = checkpoint;
        }
        Err(error @ OpenError::Io { .. }) => return Err(error),
        Err(error) => checking.problem(error.to_string()),
    }
    let listing = Listing::read(disk, &layout)?;
    let (segments, _) = Opened::all(disk, &layout, key, &listing, Access::Read)?;
    checking.report.segments = segments.len() as u64;
    checking.report.spares = listing.spares.len() as u64;
    let last = segments.last().map(|segment| segment.number);
    for segment in segments {
        let scan = Scan::new(&*segment.file, key, segment.number, None);
        let scan = scan.map_err(failed("read", &segment.path))?;
        if checking.begin(&segment) {
            checking.segment(scan, &segment.path, last == Some(segment.number))?;
            checking.stand_for(&segment);
        }
    }
    let missing = checking.checkpoint.map.live.without(&checking.found);
    for run in missing.as_slice() {
        let (from, to) = (run.first, run.end() - 1);
        checking.problem(format!(
            "the live messages {from} to {to} are in no segment"
        ));
    }
    let live = checking.live.total();
    (checking.report.live_messages, checking.report.live_bytes) = (live.messages, live.bytes);
    Ok(checking.report)
}

struct Checking {
    live: LiveSet,
    checkpoint: Checkpoint,
    /// The position that must come next, behind the checkpoint's first record.
    next: Position,
    /// The last position that was met.
    last: Position,
    /// The messages that the checkpoint names and that are there, or for which copies stand.
    found: Runs,
    report: Report,
}

impl Checking {
    fn problem(&mut self, text: String) {
        self.report.problems.push(text);
    }

    /// Whether a segment stands where it may.
    fn begin(&mut self, segment: &Opened) -> bool {
        let from = segment.from.unwrap_or(self.next);
        let path = segment.path.display();
        if from <= self.last {
            self.problem(format!("{path}: position {from} comes again"));
            return false;
        }
        if !goes_on(self.checkpoint.begin, self.next, from) {
            let (from, to) = (self.next, from.0 - 1);
            self.problem(format!(
                "the records {from} to {to} are missing before {path}"
            ));
        }
        self.live.begin(segment.number, from, segment.density);
        true
    }

    /// Copies stand for all that was live among their positions when they were made.
    fn stand_for(&mut self, segment: &Opened) {
        let first = segment.from.unwrap_or(self.next).0;
        if segment.density == Density::Sparse && self.last.0 >= first {
            let count = self.last.0 - first + 1;
            self.found.insert_run(Run { first, count });
        }
    }

    /// Checks one segment.
    fn segment(&mut self, mut scan: Scan<'_>, path: &Path, is_last: bool) -> Result<(), OpenError> {
        while let Some((offset, chunk)) = scan.next_chunk().map_err(failed("read", path))? {
            self.chunk(&chunk, path, offset);
        }
        let offset = scan.offset();
        let problem = match scan.ending().map_err(failed("read", path))? {
            Ending::Newer(version) => format!("a chunk has the newer format version {version}"),
            Ending::Stranger => "it was written under another key than that in `format`".into(),
            Ending::Damaged { what, next } => {
                format!("{what}, but what was written later stands at byte {next}")
            }
            Ending::Closed => return Ok(()),
            Ending::Unwritten | Ending::Leftover | Ending::Torn { .. } if !is_last => {
                "the segment ends before its end mark, but there are later segments".into()
            }
            Ending::Unwritten | Ending::Leftover => return Ok(()),
            Ending::Torn { bytes } => {
                self.report.torn_bytes = bytes;
                self.report.clean = false;
                return Ok(());
            }
        };
        self.problem(format!("{}: at byte {offset}: {problem}", path.display()));
        Ok(())
    }

    fn chunk(&mut self, chunk: &LandedChunk, path: &Path, offset: u64) {
        self.report.chunks += 1;
        self.report.bytes += chunk.bytes().len() as u64;
        self.last = self.last.max(chunk.span().1);
        if chunk.last() >= self.checkpoint.begin {
            self.next = chunk.last().next();
        }
        for entry in chunk.records() {
            match entry {
                Ok(entry) => {
                    self.account(&entry);
                    self.report.clean = entry.record == Record::Stopped;
                    self.report.records.count(&entry);
                }
                Err(error) => {
                    self.problem(format!("{}: at byte {offset}: {error}", path.display()));
                }
            }
        }
    }

    /// What is live: before the checkpoint what it names, and from there on what was not settled.
    fn account(&mut self, entry: &Entry) {
        let Checkpoint { begin, map } = &self.checkpoint;
        let is_old = entry.position < *begin;
        if is_old && map.live.contains(entry.position.0) {
            self.found.insert(entry.position.0);
        }
        match (&entry.record, entry.born()) {
            (_, Some(mut born)) if !is_old || map.live.contains(entry.position.0) => {
                match map.queues_in_part(entry.position) {
                    Some(left) => {
                        born.queues = left.clone();
                        self.live.born_in_part(&born);
                    }
                    None => self.live.born(&born),
                }
            }
            (Record::Settled(queue, _, runs), _) if !is_old => self.live.settled(*queue, runs),
            _ => {}
        }
    }
}

impl Counts {
    fn count(&mut self, entry: &Entry) {
        *match entry.record {
            Record::Message(_) if entry.relocated => &mut self.relocated,
            Record::Message(_) => &mut self.messages,
            Record::Settled(..) => &mut self.settled,
            Record::Waiting(..) => &mut self.waiting,
            Record::Remembered(..) => &mut self.remembered,
            Record::Delivered(..) => &mut self.delivered,
            Record::Definition(_) => &mut self.definitions,
            Record::Checkpoint { .. } => &mut self.checkpoints,
            Record::Stopped => &mut self.stopped,
        } += 1;
    }
}

impl Report {
    /// Whether a start would accept the directory.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "data directory {}", self.dir.display())?;
        match self.in_use {
            Some(Some(pid)) => {
                writeln!(f, "  in use by process {pid}: this is a view of what moves")?
            }
            Some(None) => writeln!(
                f,
                "  in use by another process: this is a view of what moves"
            )?,
            None => {}
        }
        let Counts {
            messages,
            relocated,
            settled,
            waiting,
            remembered,
            delivered,
            definitions,
            checkpoints,
            stopped,
        } = self.records;
        writeln!(
            f,
            "  segments       {} (and {} files written ahead)",
            self.segments, self.spares
        )?;
        writeln!(f, "  chunks         {} ({} bytes)", self.chunks, self.bytes)?;
        writeln!(
            f,
            "  messages       {messages} (and {relocated} written again)"
        )?;
        writeln!(f, "  settlings      {settled}")?;
        writeln!(f, "  put off        {waiting}")?;
        writeln!(f, "  deduplication  {remembered}")?;
        writeln!(
            f,
            "  definitions    {definitions} (checkpoints: {checkpoints})"
        )?;
        writeln!(
            f,
            "  clean stops    {stopped} (with {delivered} records of what had been delivered)"
        )?;
        writeln!(
            f,
            "  waiting now    {} messages ({} bytes)",
            self.live_messages, self.live_bytes
        )?;
        if self.torn_bytes > 0 {
            let bytes = self.torn_bytes;
            writeln!(
                f,
                "  a start would cut {bytes} bytes of a chunk that was being written when the last run ended"
            )?;
        } else if self.clean {
            writeln!(f, "  the last run ended cleanly")?;
        } else {
            writeln!(
                f,
                "  the last run did not end cleanly; a start would cut nothing"
            )?;
        }
        for problem in &self.problems {
            writeln!(f, "  DAMAGED: {problem}")?;
        }
        match self.problems.len() {
            0 => write!(f, "everything that landed is whole"),
            count => write!(f, "{count} damaged places: a start would refuse"),
        }
    }
}
