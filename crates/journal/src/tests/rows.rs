//! The tables of recovery, row by row: what may be there, and what is done.

use super::history::{self, SEGMENT_BYTES, Script};
use super::image::Image;
use super::sim::{SharedDisk, SimDisk};
use crate::check::check_on;
use crate::names::Layout;
use crate::scan::{Ending, Here, ending};
use crate::{Report, mark};
use model::Record;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::chunk::HEADER_LENGTH;
use store::{ChunkBuilder, Store};

#[test]
fn every_ending_is_one_row_and_every_row_is_an_ending() {
    let heres = [
        Here::EndMark,
        Here::Zeros,
        Here::Foreign,
        Here::Broken {
            what: "checksum",
            bytes: 9,
        },
        Here::Astray { at: 7 },
        Here::Newer(2),
        Here::Stranger,
    ];
    let row = |ending: &Ending| match ending {
        Ending::Closed => 0,
        Ending::Unwritten => 1,
        Ending::Leftover => 2,
        Ending::Torn { .. } => 3,
        Ending::Damaged { .. } => 4,
        Ending::Newer(_) => 5,
        Ending::Stranger => 6,
    };
    // Rows: what stands here; columns: nothing of this segment behind it, or something.
    let table = heres.map(|here| [None, Some(5000)].map(|behind| row(&ending(here, behind))));
    assert_eq!(
        table,
        [[0, 0], [1, 4], [2, 4], [3, 4], [4, 4], [5, 5], [6, 6]]
    );
}

/// A lane of some segments, closed after a roll, so that the tail holds a few chunks.
struct Lane {
    image: Image,
    script: Script,
}

impl Lane {
    fn new(landings: u64) -> Self {
        let disk = SimDisk::new(Image::default());
        let mut script = Script::new(5);
        let (mut journal, ..) = history::open(&disk).expect("an empty disk opens");
        for step in 1..=landings {
            let _ = script.land(&mut journal, step).expect("the disk is good");
        }
        drop(journal);
        let image = disk.durable();
        Self { image, script }
    }

    fn layout() -> Layout {
        Layout::new(&history::options().dir)
    }

    fn segments(&self) -> Vec<u64> {
        let path = |number| Self::layout().segment(number);
        (1..100)
            .filter(|number| self.image.names.contains_key(&path(*number)))
            .collect()
    }

    fn tail(&self) -> PathBuf {
        Self::layout().segment(*self.segments().last().expect("there are segments"))
    }

    fn bytes(&mut self, path: &Path) -> &mut Vec<u8> {
        let file = self.image.names[path];
        &mut self.image.files[file]
    }

    /// Where the chunks of a segment begin, and where the last one ends.
    fn starts(&mut self, path: &Path) -> Vec<usize> {
        let bytes = self.bytes(path).clone();
        let mut starts = vec![0];
        let mut at = 0;
        while let Ok(header) = store::chunk::header(&bytes[at..]) {
            at += header.length as usize;
            starts.push(at);
        }
        starts
    }

    fn open(&self) -> (Arc<SimDisk>, history::Opened) {
        let disk = SimDisk::new(self.image.clone());
        let opened = history::open(&disk);
        (disk, opened)
    }

    fn check(&self) -> Report {
        let disk = SharedDisk(SimDisk::new(self.image.clone()));
        check_on(&disk, &history::options().dir).expect("the directory can be read")
    }

    /// It opens, and all that landed is told.
    fn is_whole(&self) -> crate::Recovered {
        let (_, opened) = self.open();
        let (_, recovered, told) = opened.expect("the journal opens");
        self.script
            .judge(&told, &[&self.script.ledger])
            .expect("all of it is told");
        assert!(self.check().is_sound());
        recovered
    }

    /// It is refused with these words, and nothing is changed.
    fn is_refused(&self, words: &[&str]) {
        let (disk, opened) = self.open();
        let Err(error) = opened else {
            panic!("the journal opens, though {words:?}");
        };
        let text = error.to_string();
        assert!(
            words.iter().all(|word| text.contains(word)),
            "{text:?} says {words:?}"
        );
        assert_eq!(disk.durable(), self.image, "nothing was changed");
    }
}

#[test]
fn empty() {
    let lane = Lane::new(0);
    assert_eq!(lane.is_whole().records, 0);
    assert_eq!(
        Lane {
            image: Image::default(),
            script: Script::new(1)
        }
        .is_whole_if_made(),
        0
    );
}

impl Lane {
    fn is_whole_if_made(&self) -> u64 {
        let (_, opened) = self.open();
        opened.expect("an empty directory is made").1.records
    }
}

#[test]
fn unwritten_and_closed() {
    let lane = Lane::new(12);
    assert!(
        lane.segments().len() > 2,
        "there are segments with end marks"
    );
    let recovered = lane.is_whole();
    assert_eq!(recovered.cut_bytes, 0);
    assert_eq!(recovered.segments, lane.segments().len() as u64);
    assert!(!recovered.clean);
}

#[test]
fn a_clean_stop_is_told_whatever_was_being_moved() {
    for landings in 0..80 {
        let disk = SimDisk::new(Image::default());
        let mut script = Script::new(4);
        let (mut journal, ..) = history::open(&disk).expect("an empty disk opens");
        for step in 1..=landings {
            let landed = script.land(&mut journal, step).expect("the disk is good");
            if landed.checkpoint_wanted {
                script
                    .land_checkpoint(&mut journal)
                    .expect("the disk is good");
            }
        }
        let mut builder = ChunkBuilder::new();
        let next = model::Position(script.ledger.last + 1);
        builder.push(next, &Record::Stopped);
        let _ = journal.land(builder.take()).expect("the disk is good");
        Box::new(journal).close().expect("it closes");
        let (_, recovered, _) = history::open(&disk).expect("it opens");
        assert!(recovered.clean, "after {landings} landings");
    }
}

#[test]
fn leftover_of_another_life() {
    let mut lane = Lane::new(12);
    let (tail, first) = (lane.tail(), Lane::layout().segment(lane.segments()[0]));
    let end = *lane.starts(&tail).last().expect("an end");
    // What was in the file before: chunks of another segment, at the same place and at another.
    let old = lane.bytes(&first).clone();
    let bytes = lane.bytes(&tail);
    let room = bytes.len() - end;
    bytes[end..].copy_from_slice(&old[..room]);
    assert_eq!(lane.is_whole().cut_bytes, 0);
    let bytes = lane.bytes(&tail);
    bytes[end..].copy_from_slice(&old[100..100 + room]);
    assert_eq!(lane.is_whole().cut_bytes, 0);
}

#[test]
fn a_forged_chunk_in_a_leftover_is_nothing() {
    let mut lane = Lane::new(12);
    let tail = lane.tail();
    let end = *lane.starts(&tail).last().expect("an end");
    let number = *lane.segments().last().expect("there are segments");
    let mut builder = ChunkBuilder::new();
    builder.push(
        model::Position(lane.script.ledger.last + 1),
        &Record::Stopped,
    );
    // A message's body may hold the bytes of a chunk; who sends it does not know the directory's key.
    let forged = builder.take().seal(1 << 32 | 77, number);
    lane.bytes(&tail)[end..end + forged.bytes().len()].copy_from_slice(forged.bytes());
    let mark = mark::write(1 << 32 | 77, number);
    lane.bytes(&tail)[end + 200..end + 200 + mark.len()].copy_from_slice(&mark);
    lane.is_whole();
}

#[test]
fn torn_at_every_byte() {
    let mut lane = Lane::new(12);
    let before = lane.script.ledger.clone();
    let tail = lane.tail();
    let end = *lane.starts(&tail).last().expect("an end");
    let whole = {
        let (disk, opened) = lane.open();
        let (mut journal, ..) = opened.expect("the journal opens");
        let _ = lane
            .script
            .land(&mut journal, 13)
            .expect("the disk is good");
        drop(journal);
        let durable = disk.durable();
        durable.files[durable.names[&tail]].clone()
    };
    lane.script.ledger = before;
    let length = store::chunk::header(&whole[end..])
        .expect("a chunk landed")
        .length as usize;
    assert!(length > HEADER_LENGTH);
    for torn in 1..length {
        let bytes = lane.bytes(&tail);
        bytes[end..].fill(0);
        bytes[end..end + torn].copy_from_slice(&whole[end..end + torn]);
        // The last bytes of a chunk may be zeros: then it is whole.
        if bytes[end..end + length] != whole[end..end + length] {
            let recovered = lane.is_whole();
            let told = torn >= HEADER_LENGTH;
            assert!(
                !told || recovered.cut_bytes == length as u64,
                "torn after {torn} bytes"
            );
            assert_eq!(lane.check().torn_bytes, recovered.cut_bytes);
        }
    }
}

#[test]
fn a_damaged_middle_is_refused_at_every_byte() {
    let mut lanes = (10..30).map(Lane::new);
    let has_some_chunks = |lane: &mut Lane| {
        let tail = lane.tail();
        lane.starts(&tail).len() > 3
    };
    let mut lane = lanes
        .find_map(|mut lane| has_some_chunks(&mut lane).then_some(lane))
        .expect("one of the lanes has a tail with some chunks");
    let tail = lane.tail();
    let starts = lane.starts(&tail);
    let path = tail.to_string_lossy().into_owned();
    for at in 0..starts[starts.len() - 2] {
        lane.bytes(&tail)[at] ^= 0x20;
        let chunk = starts
            .iter()
            .rev()
            .find(|start| **start <= at)
            .expect("0 is a start");
        if (4..6).contains(&(at - chunk)) {
            lane.is_refused(&["newer version", &path]);
        } else {
            lane.is_refused(&["damaged", &path, &format!("at byte {chunk}:")]);
        }
        let report = lane.check();
        assert_eq!(report.problems.len(), 1, "{report}");
        lane.bytes(&tail)[at] ^= 0x20;
    }
    // Of the very last chunk nobody can know whether it had landed.
    let last = starts[starts.len() - 2];
    lane.bytes(&tail)[last + 60] ^= 0x20;
    assert!(lane.open().1.expect("the journal opens").1.cut_bytes > 0);
}

impl Lane {
    /// Without what lets a start pass over a segment that is full.
    fn forget_summaries(&mut self) {
        let is_summary = |path: &Path| path.extension().is_some_and(|end| end == "sum");
        self.image.names.retain(|path, _| !is_summary(path));
    }
}

#[test]
fn damage_in_an_earlier_segment_is_refused_where_it_is_read() {
    let mut lane = Lane::new(12);
    let first = Lane::layout().segment(lane.segments()[0]);
    let end = *lane.starts(&first).last().expect("an end");
    let path = first.to_string_lossy().into_owned();
    let whole = lane.image.clone();
    for at in [0, 70, end - 1, end, end + 17, end + mark::LENGTH - 1] {
        lane.bytes(&first)[at] ^= 4;
        assert!(!lane.check().is_sound());
        // A start reads where a full segment begins and ends; the rest is checked when it is delivered.
        if !(HEADER_LENGTH..end).contains(&at) {
            lane.is_refused(&["damaged", &path]);
        }
        lane.forget_summaries();
        lane.is_refused(&["damaged", &path]);
        lane.image = whole.clone();
    }
    // All of it lost from its last chunk on: only the end mark can tell.
    lane.bytes(&first)[end..].fill(0);
    lane.is_refused(&["damaged", &path, "end mark"]);
    lane.bytes(&first).truncate(end);
    lane.is_refused(&["damaged", &path, "end mark"]);
}

#[test]
fn a_damaged_summary_is_nothing() {
    let mut lane = Lane::new(12);
    let summary = Lane::layout().summary(lane.segments()[0]);
    let length = lane.bytes(&summary).len();
    for at in 0..length {
        lane.bytes(&summary)[at] ^= 4;
        lane.is_whole();
        lane.bytes(&summary)[at] ^= 4;
    }
    // That of another segment, as one that was replaced would leave it.
    let other = lane.image.names[&Lane::layout().summary(lane.segments()[1])];
    lane.image.names.insert(summary, other);
    lane.is_whole();
    lane.forget_summaries();
    lane.is_whole();
}

#[test]
fn a_damaged_checkpoint_is_refused_at_every_byte() {
    let disk = SimDisk::new(Image::default());
    let mut script = Script::new(4);
    let (mut journal, ..) = history::open(&disk).expect("an empty disk opens");
    for step in 1..=40 {
        let landed = script.land(&mut journal, step).expect("the disk is good");
        if landed.checkpoint_wanted {
            script
                .land_checkpoint(&mut journal)
                .expect("the disk is good");
        }
    }
    drop(journal);
    let image = disk.durable();
    let mut lane = Lane { image, script };
    lane.is_whole();
    let checkpoint = Lane::layout().checkpoint();
    for at in 0..lane.bytes(&checkpoint).len() {
        lane.bytes(&checkpoint)[at] ^= 4;
        let word = if (4..6).contains(&at) {
            "newer version"
        } else {
            "damaged"
        };
        lane.is_refused(&[word, "checkpoint"]);
        assert!(!lane.check().is_sound());
        lane.bytes(&checkpoint)[at] ^= 4;
    }
    // Without it, what was given back is missing.
    lane.image.names.remove(&checkpoint);
    lane.is_refused(&["the records", "are missing"]);
}

#[test]
fn a_missing_segment_is_refused() {
    let mut lane = Lane::new(12);
    let missing = lane.segments()[1];
    lane.image.names.remove(&Lane::layout().segment(missing));
    lane.is_refused(&["the records", "are missing"]);
    assert!(!lane.check().is_sound());
}

#[test]
fn a_format_file_of_another_directory_is_refused() {
    for landings in [1, 12] {
        let mut lane = Lane::new(landings);
        let format = Lane::layout().format();
        let digit = lane
            .bytes(&format)
            .last_chunk_mut::<2>()
            .expect("a key ends the file");
        digit[0] = if digit[0] == b'0' { b'1' } else { b'0' };
        lane.is_refused(&["another key", ".seg"]);
        assert!(!lane.check().is_sound());
    }
}

#[test]
fn newer_versions_are_refused() {
    let mut lane = Lane::new(12);
    let tail = lane.tail();
    let last = lane
        .starts(&tail)
        .into_iter()
        .rev()
        .nth(1)
        .expect("the tail holds a chunk");
    lane.bytes(&tail)[last + 4] = 3;
    lane.is_refused(&["newer version", "format 3"]);

    let mut lane = Lane::new(1);
    let format = Lane::layout().format();
    let text = String::from_utf8(lane.bytes(&format).clone()).expect("it is text");
    *lane.bytes(&format) = text.replace("format 2", "format 9").into_bytes();
    lane.is_refused(&["newer version", "format 9"]);
    *lane.bytes(&format) = b"something else\n".to_vec();
    lane.is_refused(&["does not say that this is a data directory"]);
    lane.image.names.remove(&format);
    lane.is_refused(&["missing"]);
}

#[test]
fn unfinished_files_and_odd_spares_go() {
    let mut lane = Lane::new(12);
    let unfinished = Layout::unfinished(&Lane::layout().segment(9));
    let short = Lane::layout().spare(77);
    let others = Lane::layout().segments().join("notes.txt");
    for (number, path) in [&unfinished, &short, &others].into_iter().enumerate() {
        let file = lane.image.files.len();
        lane.image.files.push(vec![7; 100 + number]);
        lane.image.names.insert(path.clone(), file);
    }
    let (disk, opened) = lane.open();
    let (_journal, _, told) = opened.expect("the journal opens");
    lane.script
        .judge(&told, &[&lane.script.ledger])
        .expect("all of it is told");
    let names = disk.durable().names;
    assert!(!names.contains_key(&unfinished) && !names.contains_key(&short));
    assert!(
        names.contains_key(&others),
        "what is not ours is left alone"
    );
    let spares = names
        .keys()
        .filter(|path| path.to_string_lossy().contains("spare-"));
    assert!(spares.count() <= 4 && SEGMENT_BYTES == 4096);
}
