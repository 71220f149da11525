//! The `format` file: the version of the directory's layout, and the directory's own key.
//!
//! ```text
//! landfall data directory, format 2
//! key 0f1e2d3c4b5a69788796a5b4c3d2e1f0
//! ```
//!
//! The key makes the epochs of this directory, and nobody outside the server can know one. A message's body may
//! hold any bytes, those of a whole chunk for one; when such a body lies in a recycled file where recovery looks
//! for the next chunk, the epoch tells that this program did not write it there as one.

use crate::disk::{self, Access, Disk};
use crate::error::{OpenError, failed};
use crate::names::Layout;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

/// The version of the layout that this program writes, and the only one that it reads: what another gives back and
/// keeps, this one would misread.
pub(crate) const VERSION: u16 = 2;

const FIRST_LINE: &str = "landfall data directory, format ";
const SECOND_LINE: &str = "key ";
const LENGTH_MAX: usize = 4096;

/// What only this directory's own chunks are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u128);

impl Key {
    /// Reads the key of a directory; `None` if there is no `format` file yet.
    pub(crate) fn read(disk: &dyn Disk, layout: &Layout) -> Result<Option<Self>, OpenError> {
        let path = layout.format();
        let file = match disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let bytes = disk::read(&*file, 0, LENGTH_MAX).map_err(failed("read", &path))?;
        Self::parse(&path, &bytes).map(Some)
    }

    /// Makes the `format` file of a new directory; its name is there when its bytes are.
    pub(crate) fn make(disk: &dyn Disk, layout: &Layout) -> Result<Self, OpenError> {
        let random = || u128::from(RandomState::new().build_hasher().finish());
        let key = Self(random() << 64 | random());
        let text = format!("{FIRST_LINE}{VERSION}\n{SECOND_LINE}{:032x}\n", key.0);
        let path = layout.format();
        let unfinished = Layout::unfinished(&path);
        disk.create(&unfinished)
            .and_then(|file| {
                disk::write_all(&*file, 0, text.as_bytes())?;
                file.sync()
            })
            .and_then(|()| disk.rename(&unfinished, &path))
            .and_then(|()| disk.sync_dir(layout.dir()))
            .map_err(failed("write", &path))?;
        Ok(key)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, OpenError> {
        let wrong = |what| OpenError::NotADataDirectory {
            path: path.to_owned(),
            what,
        };
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not text"))?;
        let mut lines = text.lines();
        let version = lines.next().and_then(|line| line.strip_prefix(FIRST_LINE));
        let version = version.ok_or(wrong("its first line is another"))?;
        let version: u16 = version
            .parse()
            .map_err(|_| wrong("its version is not a number"))?;
        if version > VERSION {
            return Err(OpenError::NewerVersion {
                path: path.to_owned(),
                found: version,
                known: VERSION,
            });
        }
        if version < VERSION {
            return Err(wrong("its version is older than this program reads"));
        }
        let key = lines.next().and_then(|line| line.strip_prefix(SECOND_LINE));
        let key = key.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        key.map(Self).ok_or(wrong("its second line is not a key"))
    }

    /// The epoch of the opening with this number.
    pub(crate) fn epoch(self, opening: u32) -> u64 {
        let mut input = [0; 20];
        input[..16].copy_from_slice(&self.0.to_le_bytes());
        input[16..].copy_from_slice(&opening.to_le_bytes());
        u64::from(opening) << 32 | u64::from(crc32c::crc32c(&input))
    }

    /// The number of the opening, if `epoch` is one of this directory.
    pub(crate) fn opening(self, epoch: u64) -> Option<u32> {
        let opening = u32::try_from(epoch >> 32).expect("32 of 64 bits are left");
        (self.epoch(opening) == epoch).then_some(opening)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_told_from_one_that_was_made_up() {
        let key = Key(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(key.opening(key.epoch(7)), Some(7));
        assert_eq!(key.opening(key.epoch(7) ^ 1), None);
        assert_eq!(key.opening(key.epoch(7) + (1 << 32)), None);
        assert_eq!(Key(1).opening(key.epoch(7)), None);
        assert!(key.epoch(8) > key.epoch(7));
    }

    #[test]
    fn a_format_file_says_what_is_wrong_with_it() {
        let parse = |text: &str| {
            let outcome = Key::parse(Path::new("format"), text.as_bytes());
            outcome.map_err(|error| error.to_string())
        };
        let good = format!("{FIRST_LINE}2\n{SECOND_LINE}{:032x}\n", 77);
        assert_eq!(parse(&good), Ok(Key(77)));
        let newer = parse(&format!("{FIRST_LINE}3\n")).expect_err("a newer version");
        assert!(newer.contains("newer version"), "{newer}");
        let older = parse(&format!("{FIRST_LINE}1\n")).expect_err("an older version");
        assert!(older.contains("older"), "{older}");
        for bad in ["", "hello\n", "landfall data directory, format x\n"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&format!("{FIRST_LINE}2\nkey xyz\n")).is_err());
    }
}
