//! The file `checkpoint`: which messages before the last checkpoint are live. It stands for all settlings before it, so
//! that the segments that hold them can go wherever in the lane they are. It is written anew for each checkpoint, when
//! the checkpoint's records have landed, and takes the place of the one before it when it is whole.
//!
//! ```text
//!  0 magic    "LFCP"
//!  4 version  u16   1
//!  6 zero     u16   0
//!  8 crc      u32   CRC-32C of bytes 0..8 and 12 to the end
//! 12 zero     u32   0
//! 16 epoch    u64   which opening of the directory wrote it
//! 24 begin    u64   the position of the checkpoint's first record
//! 32 live map       to the end (store::LiveMap)
//! ```

use crate::disk::{self, Access, Disk};
use crate::error::{OpenError, failed};
use crate::identity::Key;
use crate::names::Layout;
use bytes::Bytes;
use model::Position;
use store::LiveMap;

const MAGIC: [u8; 4] = *b"LFCP";
const VERSION: u16 = 1;
const LENGTH: usize = 32;
const CRC: std::ops::Range<usize> = 8..12;

/// The last checkpoint, as far as the store needs it.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// No record before this is needed but live messages.
    pub(crate) begin: Position,
    /// Those.
    pub(crate) map: LiveMap,
}

impl Checkpoint {
    /// Before the first checkpoint everything is needed.
    pub(crate) fn none() -> Self {
        Self {
            begin: Position::NONE.next(),
            map: LiveMap::default(),
        }
    }

    /// The bytes of the file.
    pub(crate) fn write(&self, epoch: u64) -> Vec<u8> {
        let mut file = vec![0; LENGTH];
        file[..4].copy_from_slice(&MAGIC);
        file[4..6].copy_from_slice(&VERSION.to_le_bytes());
        file[16..24].copy_from_slice(&epoch.to_le_bytes());
        file[24..32].copy_from_slice(&self.begin.0.to_le_bytes());
        file.extend_from_slice(&self.map.write());
        let crc = checksum(&file);
        file[CRC].copy_from_slice(&crc.to_le_bytes());
        file
    }

    /// Reads the file of a data directory; before the first checkpoint there is none.
    ///
    /// # Errors
    /// If it is not whole: without it nobody knows which messages are live.
    pub(crate) fn read(disk: &dyn Disk, layout: &Layout, key: Key) -> Result<Self, OpenError> {
        let path = layout.checkpoint();
        let file = match disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::none()),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        let length = file.length().map_err(failed("measure", &path))?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = disk::read(&*file, 0, length).map_err(failed("read", &path))?;
        let damaged = |what: String| OpenError::Damaged {
            path: path.clone(),
            offset: 0,
            what,
        };
        let bytes = Bytes::from(bytes);
        let Some(header) = bytes.first_chunk::<LENGTH>() else {
            return Err(damaged("it is cut".to_owned()));
        };
        let version = u16::from_le_bytes([header[4], header[5]]);
        let u64_at = |at: usize| {
            let field = header[at..].first_chunk();
            u64::from_le_bytes(*field.expect("every field lies within the header"))
        };
        if header[..4] == MAGIC && version > VERSION {
            return Err(OpenError::NewerVersion {
                path,
                found: version,
                known: VERSION,
            });
        }
        if header[..4] != MAGIC || header[CRC] != checksum(&bytes).to_le_bytes() {
            return Err(damaged("checksum".to_owned()));
        }
        if key.opening(u64_at(16)).is_none() {
            return Err(OpenError::OtherDirectory { path });
        }
        let map = LiveMap::read(&bytes.slice(LENGTH..));
        Ok(Self {
            begin: Position(u64_at(24)),
            map: map.map_err(|error| damaged(error.to_string()))?,
        })
    }
}

fn checksum(file: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&file[..CRC.start]), &file[CRC.end..])
}
