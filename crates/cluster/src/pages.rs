//! Pages: what is landed as one, cut into rows that fill a page of the database each, and joined again.
//!
//! What is cut says its own length, in a `u32` at byte 8: chunks do, and snapshots do it in the same place. It begins
//! with a page of its own, so a page is the start of something or goes on with what the page before it began.

use bytes::{Bytes, BytesMut};

/// The most bytes of a page. With it a row fills a page of the database, whose 8,192 bytes hold headers too, and
/// nothing of it is moved out of line.
pub(crate) const PAGE_BYTES: usize = 8000;

/// Where the length stands, and how much of the front one must have to read it.
const LENGTH_AT: usize = 8;
const LENGTH_END: usize = 12;

/// What is said of a page that cannot be the first of anything.
pub(crate) const NOTHING_BEGINS: &str = "nothing begins here";

/// The pages of what is landed as one.
pub(crate) fn cut(bytes: &Bytes) -> Vec<Bytes> {
    let starts = (0..bytes.len()).step_by(PAGE_BYTES);
    let page = |start| bytes.slice(start..bytes.len().min(start + PAGE_BYTES));
    starts.map(page).collect()
}

/// Something that was cut, whole again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    /// Its first page.
    pub(crate) page: i64,
    pub(crate) bytes: Bytes,
}

/// Joins pages that come in rising order.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    open: Option<Open>,
}

/// Something of which pages are still to come.
#[derive(Debug)]
struct Open {
    first: i64,
    next: i64,
    length: usize,
    bytes: BytesMut,
}

/// Pages that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) page: i64,
    pub(crate) what: &'static str,
}

impl Joiner {
    /// Takes the next page; what it completes comes out.
    pub(crate) fn push(&mut self, page: i64, data: Bytes) -> Result<Option<Joined>, Misfit> {
        let misfit = |what| Err(Misfit { page, what });
        let mut open = match self.open.take() {
            Some(open) if open.next == page => open,
            Some(open) => {
                return Err(Misfit {
                    page: open.next,
                    what: "the page is missing",
                });
            }
            None => {
                let Some(length) = length_of(&data) else {
                    return misfit(NOTHING_BEGINS);
                };
                if length <= PAGE_BYTES {
                    let joined = Joined { page, bytes: data };
                    return if joined.bytes.len() == length {
                        Ok(Some(joined))
                    } else {
                        misfit("the page is shorter or longer than what it holds")
                    };
                }
                Open {
                    first: page,
                    next: page,
                    length,
                    bytes: BytesMut::with_capacity(data.len()),
                }
            }
        };
        let left = open.length - open.bytes.len();
        if data.len() != left.min(PAGE_BYTES) {
            return misfit("the page is shorter or longer than what it holds");
        }
        open.bytes.extend_from_slice(&data);
        open.next += 1;
        if open.bytes.len() < open.length {
            self.open = Some(open);
            return Ok(None);
        }
        Ok(Some(Joined {
            page: open.first,
            bytes: open.bytes.freeze(),
        }))
    }

    /// Nothing more comes; what has begun must be whole.
    pub(crate) fn finish(self) -> Result<(), Misfit> {
        match self.open {
            None => Ok(()),
            Some(open) => Err(Misfit {
                page: open.next,
                what: "the page is missing",
            }),
        }
    }
}

/// How many pages what begins with `start` takes; `None` if nothing does.
pub(crate) fn count(start: &[u8]) -> Option<i64> {
    i64::try_from(length_of(start)?.div_ceil(PAGE_BYTES)).ok()
}

fn length_of(start: &[u8]) -> Option<usize> {
    let field = start.get(LENGTH_AT..LENGTH_END)?;
    let length = u32::from_le_bytes(*field.first_chunk()?);
    usize::try_from(length).ok().filter(|length| *length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(length: usize) -> Bytes {
        let mut bytes = vec![7; length];
        bytes[LENGTH_AT..LENGTH_END].copy_from_slice(&u32::to_le_bytes(length as u32));
        bytes.into()
    }

    #[test]
    fn what_is_cut_is_joined_again() {
        let lengths = [12, 48, PAGE_BYTES, PAGE_BYTES + 1, 3 * PAGE_BYTES, 100];
        let mut joiner = Joiner::default();
        let mut next = 5;
        for length in lengths {
            let (page, mut joined) = (next, None);
            for data in cut(&thing(length)) {
                assert_eq!(joined, None);
                joined = joiner.push(next, data).expect("the pages fit");
                next += 1;
            }
            let bytes = thing(length);
            assert_eq!(joined, Some(Joined { page, bytes }));
        }
        assert_eq!(joiner.finish(), Ok(()));
    }

    #[test]
    fn pages_that_do_not_fit_are_told() {
        let pages = cut(&thing(2 * PAGE_BYTES + 10));
        let told = |script: &[(i64, Bytes)]| {
            let mut joiner = Joiner::default();
            for (page, data) in script {
                if let Err(misfit) = joiner.push(*page, data.clone()) {
                    return (misfit.page, misfit.what);
                }
            }
            joiner
                .finish()
                .map_or_else(|misfit| (misfit.page, misfit.what), |()| (0, "all fit"))
        };
        let missing = "the page is missing";
        let length = "the page is shorter or longer than what it holds";
        let (first, second) = (pages[0].clone(), pages[1].clone());
        assert_eq!(
            told(&[(1, first.clone()), (3, second.clone())]),
            (2, missing)
        );
        assert_eq!(
            told(&[(1, first.clone()), (2, second.clone())]),
            (3, missing)
        );
        assert_eq!(told(&[(1, first), (2, second.slice(1..))]), (2, length));
        assert_eq!(
            told(&[(9, Bytes::from_static(&[0; 12]))]),
            (9, NOTHING_BEGINS)
        );
        assert_eq!(
            told(&[(9, Bytes::from_static(&[0; 3]))]),
            (9, NOTHING_BEGINS)
        );
        assert_eq!(told(&[(9, thing(100).slice(..90))]), (9, length));
    }
}
