//! Looking at a data directory without changing it: what it holds, whether all of it is whole, and what a start
//! would do.

use crate::disk::{Access, Disk, RealDisk};
use crate::error::{OpenError, failed};
use crate::identity::Key;
use crate::names::Layout;
use crate::recover::Listing;
use crate::scan::{Ending, Scan};
use model::{Position, Record};
use std::fmt;
use std::path::{Path, PathBuf};
use store::{Entry, LandedChunk, LiveSet};

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
    let report = check_on(&RealDisk, dir)?;
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
        last: Position::NONE,
        report: Report {
            dir: dir.to_owned(),
            ..Report::default()
        },
    };
    let listing = Listing::read(disk, &layout)?;
    checking.report.segments = listing.segments.len() as u64;
    checking.report.spares = listing.spares.len() as u64;
    if let Some(number) = listing.gap() {
        checking.problem(format!("segment {number} is missing"));
    }
    let mut next = None;
    for number in &listing.segments {
        let path = layout.segment(*number);
        let file = disk
            .open(&path, Access::Read)
            .map_err(failed("open", &path))?;
        let scan = Scan::new(&*file, key, *number, next).map_err(failed("read", &path))?;
        let is_last = Some(number) == listing.segments.last();
        next = checking.segment(scan, &path, is_last)?;
    }
    let live = checking.live.total();
    (checking.report.live_messages, checking.report.live_bytes) = (live.messages, live.bytes);
    Ok(checking.report)
}

struct Checking {
    live: LiveSet,
    /// The last position that was met.
    last: Position,
    report: Report,
}

impl Checking {
    fn problem(&mut self, text: String) {
        self.report.problems.push(text);
    }

    /// Checks one segment; returns the position that the next should begin with, none if that cannot be known.
    fn segment(
        &mut self,
        mut scan: Scan<'_>,
        path: &Path,
        is_last: bool,
    ) -> Result<Option<Position>, OpenError> {
        while let Some((offset, chunk)) = scan.next_chunk().map_err(failed("read", path))? {
            if chunk.first() != Position::NONE && chunk.first() <= self.last {
                let first = chunk.first();
                self.problem(format!(
                    "{}: position {first} comes again at byte {offset}",
                    path.display()
                ));
                return Ok(None);
            }
            self.chunk(&chunk, path, offset);
        }
        let offset = scan.offset();
        let problem = match scan.ending().map_err(failed("read", path))? {
            Ending::Newer(version) => format!("a chunk has the newer format version {version}"),
            Ending::Stranger => "it was written under another key than that in `format`".into(),
            Ending::Damaged { what, next } => {
                format!("{what}, but what was written later stands at byte {next}")
            }
            Ending::Closed => return Ok(scan.next_position()),
            Ending::Unwritten | Ending::Leftover | Ending::Torn { .. } if !is_last => {
                "the segment ends before its end mark, but there are later segments".into()
            }
            Ending::Unwritten | Ending::Leftover => return Ok(scan.next_position()),
            Ending::Torn { bytes } => {
                self.report.torn_bytes = bytes;
                self.report.clean = false;
                return Ok(scan.next_position());
            }
        };
        self.problem(format!("{}: at byte {offset}: {problem}", path.display()));
        Ok(None)
    }

    fn chunk(&mut self, chunk: &LandedChunk, path: &Path, offset: u64) {
        self.report.chunks += 1;
        self.report.bytes += chunk.bytes().len() as u64;
        self.last = self.last.max(chunk.last());
        for entry in chunk.records() {
            match entry {
                Ok(entry) => {
                    self.live.enter(chunk.segment(), &entry);
                    self.report.clean = entry.record == Record::Stopped;
                    self.report.records.count(&entry);
                }
                Err(error) => {
                    self.problem(format!("{}: at byte {offset}: {error}", path.display()));
                }
            }
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
