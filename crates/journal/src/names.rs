//! The names of the files of a data directory: one place gives them, the same place reads them.
//!
//! ```text
//! LOCK                          held by the process that has the directory open; its id
//! format                        the version of the layout, and the directory's own key
//! segments/000000000001.seg     a segment, by its number
//! segments/000000000001.sum     what it holds without the bodies
//! segments/000000000001.sum.next  that of copies which are about to have the segment's name
//! segments/checkpoint           which messages before the last checkpoint are live
//! segments/spare-1              a file written ahead of use
//! segments/spare-2.tmp          a file that is being made
//! ```

use std::path::{Path, PathBuf};

/// What a name in `segments/` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// The segment of this number.
    Segment(u64),
    /// The summary of the segment of this number.
    Summary(u64),
    /// The summary of copies that are about to have the name of the segment of this number, or have got it.
    NextSummary(u64),
    /// What the last checkpoint keeps.
    Checkpoint,
    /// A spare file.
    Spare(u64),
    /// A file that was being made when the power went; it holds nothing that counts.
    Unfinished,
}

const SEGMENT_END: &str = ".seg";
const SUMMARY_END: &str = ".sum";
const NEXT_SUMMARY_END: &str = ".sum.next";
const CHECKPOINT: &str = "checkpoint";
const SPARE_START: &str = "spare-";
const UNFINISHED_END: &str = ".tmp";

impl Name {
    /// Reads a name; `None` if no journal gave it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |digits: &str| digits.parse().ok();
        let name = if text.ends_with(UNFINISHED_END) {
            return Some(Self::Unfinished);
        } else if let Some(digits) = text.strip_suffix(SEGMENT_END) {
            Self::Segment(number(digits)?)
        } else if let Some(digits) = text.strip_suffix(SUMMARY_END) {
            Self::Summary(number(digits)?)
        } else if let Some(digits) = text.strip_suffix(NEXT_SUMMARY_END) {
            Self::NextSummary(number(digits)?)
        } else if text == CHECKPOINT {
            Self::Checkpoint
        } else {
            Self::Spare(number(text.strip_prefix(SPARE_START)?)?)
        };
        (name.text() == text).then_some(name)
    }

    fn text(self) -> String {
        match self {
            Self::Segment(number) => format!("{number:012}{SEGMENT_END}"),
            Self::Summary(number) => format!("{number:012}{SUMMARY_END}"),
            Self::NextSummary(number) => format!("{number:012}{NEXT_SUMMARY_END}"),
            Self::Checkpoint => CHECKPOINT.to_owned(),
            Self::Spare(number) => format!("{SPARE_START}{number}"),
            Self::Unfinished => unreachable!("an unfinished file has the name of what it will be"),
        }
    }
}

/// Where the files of a data directory are.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
    segments: PathBuf,
}

impl Layout {
    /// Of the data directory `dir`.
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            segments: dir.join("segments"),
        }
    }

    /// The data directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of the segments and the spare files.
    pub(crate) fn segments(&self) -> &Path {
        &self.segments
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("LOCK")
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.dir.join("format")
    }

    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.segments.join(Name::Segment(number).text())
    }

    pub(crate) fn summary(&self, number: u64) -> PathBuf {
        self.segments.join(Name::Summary(number).text())
    }

    pub(crate) fn next_summary(&self, number: u64) -> PathBuf {
        self.segments.join(Name::NextSummary(number).text())
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.segments.join(CHECKPOINT)
    }

    pub(crate) fn spare(&self, number: u64) -> PathBuf {
        self.segments.join(Name::Spare(number).text())
    }

    /// What `path` is called while it is being made.
    pub(crate) fn unfinished(path: &Path) -> PathBuf {
        let mut text = path.as_os_str().to_owned();
        text.push(UNFINISHED_END);
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_what_it_was_given_for() {
        let layout = Layout::new(Path::new("/data"));
        let read = |path: &Path| {
            let name = path.file_name().expect("a file has a name");
            Name::parse(name.to_str().expect("names are ASCII"))
        };
        assert_eq!(read(&layout.segment(7)), Some(Name::Segment(7)));
        assert_eq!(
            read(&layout.segment(u64::MAX)),
            Some(Name::Segment(u64::MAX))
        );
        assert_eq!(read(&layout.spare(3)), Some(Name::Spare(3)));
        assert_eq!(read(&layout.summary(7)), Some(Name::Summary(7)));
        let next = read(&layout.next_summary(7));
        assert_eq!(next, Some(Name::NextSummary(7)));
        assert_eq!(read(&layout.checkpoint()), Some(Name::Checkpoint));
        let unfinished = Layout::unfinished(&layout.segment(7));
        assert_eq!(read(&unfinished), Some(Name::Unfinished));
    }

    #[test]
    fn other_names_are_nobodys() {
        for text in [
            "",
            "7.seg",
            "+00000000007.seg",
            "spare-",
            "spare-07",
            "spare-x",
            "notes.txt",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
