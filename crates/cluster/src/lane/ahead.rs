//! Reading on: what landed behind the head up to which a lane has been read.

use super::{Lane, Reading, Taken, damaged, density};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::scan::Scan;
use crate::{frame, heads};
use model::Runs;
use store::{Density, LandedChunk, Told};

/// Reads and tells the pages from `from` on, which are behind all that was read. `None` if something was copied meanwhile:
/// then what was read may stand elsewhere, and counts no more.
pub(crate) fn go_on(
    database: &Database,
    lane: Lane,
    from: i64,
    taken: &Taken,
    tell: &mut dyn FnMut(Told),
) -> Result<Option<Lane>, DatabaseError> {
    let mut reading = Reading {
        taken,
        begin: lane.begin,
        settled: Runs::new(),
        lane,
        tell,
    };
    let mut scan = Scan::new(database, taken, &taken.held, from, taken.head)?;
    let mut end = from;
    while let Some(found) = scan.next_found()? {
        (end, reading.lane.last_table) = (found.end, Some(found.table));
        reading.lane.tail_bytes += found.bytes.len() as u64;
        if !frame::is_chunk(&found.bytes) {
            let of = heads::of(&found.bytes).ok().flatten();
            let tail = reading.lane.places.tail().map(|tail| tail.number);
            if of.is_some_and(|of| Some(of.stretch) != tail) {
                // They end copies.
                return Ok(None);
            }
            reading.heads(&found);
            continue;
        }
        let chunk = LandedChunk::parse(found.bytes.clone());
        let chunk = chunk.map_err(|error| reading.damaged(&found, &error))?;
        if density(&chunk) == Density::Sparse {
            return Ok(None);
        }
        reading.new_chunk(&found)?;
    }
    if end != taken.head {
        let what = format!("the pages up to {} had landed, and are missing", taken.head);
        return Err(damaged(taken.shard, format!("page {end}"), &what));
    }
    reading.lane.recovered.tables = taken.held.len() as u64;
    reading.lane.recovered.pages += taken.pages.get();
    Ok(Some(reading.lane))
}
