//! Segments that are about to be read: what each says of itself, and which others copies stand for.

use crate::disk::{Access, Disk, DiskFile};
use crate::error::{OpenError, failed};
use crate::identity::Key;
use crate::names::Layout;
use crate::places::Segment;
use crate::recover::Listing;
use crate::scan::Scan;
use crate::summary::Summary;
use model::Position;
use std::path::PathBuf;
use std::sync::Arc;
use store::Density;

/// A segment that is about to be read.
pub(crate) struct Opened {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    length: u64,
    /// `None` for the last one, and where it is missing or another's.
    pub(crate) summary: Option<Summary>,
    /// The summary has not got its own name yet.
    pub(crate) summary_is_next: bool,
    /// The first position that it holds or stands for, if it has a chunk.
    pub(crate) from: Option<Position>,
    pub(crate) density: Density,
}

impl Opened {
    /// Opens all segments; with them come those for which copies in a later one stand.
    pub(crate) fn all(
        disk: &dyn Disk,
        layout: &Layout,
        key: Key,
        listing: &Listing,
        access: Access,
    ) -> Result<(Vec<Self>, Vec<Self>), OpenError> {
        let (mut kept, mut replaced): (Vec<Self>, Vec<Self>) = (Vec::new(), Vec::new());
        for number in &listing.segments {
            let is_last = Some(number) == listing.segments.last();
            let opened = Self::open(disk, layout, key, *number, is_last, access)?;
            if opened.density == Density::Sparse {
                let stands_for = |other: &mut Self| other.from >= opened.from;
                replaced.extend(kept.extract_if(.., stands_for));
            }
            kept.push(opened);
        }
        Ok((kept, replaced))
    }

    fn open(
        disk: &dyn Disk,
        layout: &Layout,
        key: Key,
        number: u64,
        is_last: bool,
        access: Access,
    ) -> Result<Self, OpenError> {
        let path = layout.segment(number);
        let file = disk.open(&path, access).map_err(failed("open", &path))?;
        if is_last {
            file.forget_cached().map_err(failed("read afresh", &path))?;
        }
        let length = file.length().map_err(failed("measure", &path))?;
        let mut opened = Self {
            number,
            path,
            file,
            length,
            summary: None,
            summary_is_next: false,
            from: None,
            density: Density::Dense,
        };
        if !is_last {
            opened.read_summary(disk, layout, key)?;
        }
        match &opened.summary {
            Some(summary) => (opened.from, opened.density) = (Some(summary.from), summary.density),
            None => opened.look_at_first_chunk(key)?,
        }
        Ok(opened)
    }

    fn read_summary(
        &mut self,
        disk: &dyn Disk,
        layout: &Layout,
        key: Key,
    ) -> Result<(), OpenError> {
        let names = [
            layout.summary(self.number),
            layout.next_summary(self.number),
        ];
        for (path, is_next) in names.iter().zip([false, true]) {
            let file = match disk.open(path, Access::Read) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed("open", path)(error)),
            };
            let summary = Summary::read(&*file, &*self.file, key, self.number);
            self.summary = summary.map_err(failed("read", path))?;
            if self.summary.is_some() {
                self.summary_is_next = is_next;
                return Ok(());
            }
        }
        Ok(())
    }

    fn look_at_first_chunk(&mut self, key: Key) -> Result<(), OpenError> {
        let scan = Scan::new(&*self.file, key, self.number, None);
        let mut scan = scan.map_err(failed("read", &self.path))?;
        if let Some((_, chunk)) = scan.next_chunk().map_err(failed("read", &self.path))? {
            self.from = Some(chunk.span().0);
            if chunk.first() == Position::NONE {
                self.density = Density::Sparse;
            }
        }
        Ok(())
    }

    /// Its place in the lane, without a chunk so far; `last` is the last position in it or before it.
    pub(crate) fn place(&self, last: Position) -> Segment {
        Segment {
            density: self.density,
            ..Segment::new(self.number, self.file.clone(), self.length, last)
        }
    }
}
