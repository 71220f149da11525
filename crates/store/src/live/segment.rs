//! The live messages of one segment, as arrays over its positions.

use super::Usage;
use model::{Position, QueueId, Run, Runs};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// The bytes of a record to within a sixteenth, in one octet: three bits of a fraction and five of an exponent.
/// What is subtracted when a message dies is exactly what was added when it was born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(u8);

impl Size {
    /// Not a live message.
    const DEAD: Self = Self(0);

    pub(super) fn of(bytes: u32) -> Self {
        let bytes = u64::from(bytes.max(1));
        let shift = (u64::BITS - bytes.leading_zeros()).saturating_sub(4);
        if shift == 0 {
            return Self(bytes as u8);
        }
        // Rounding up to 16 eighths carries into the exponent, as it should.
        let eighths = (bytes + (1 << (shift - 1))) >> shift;
        Self((shift as u8 + 1) * 8 + eighths as u8 - 8)
    }

    pub(super) fn bytes(self) -> u64 {
        let code = u64::from(self.0);
        if code < 16 {
            code
        } else {
            (8 + code % 8) << (code / 8 - 1)
        }
    }
}

/// A queue by its number in the segment's own list, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(u32);

impl Label {
    /// The message waits in several queues, which are listed elsewhere.
    pub(super) const FANNED: Self = Self(0);
}

/// One label for each position; no array at all while all are the same.
#[derive(Debug)]
enum Labels {
    Same(Label),
    Narrow(Vec<u8>),
    Wide(Vec<u32>),
}

impl Labels {
    fn get(&self, at: usize) -> Label {
        match self {
            Self::Same(label) => *label,
            Self::Narrow(labels) => Label(labels[at].into()),
            Self::Wide(labels) => Label(labels[at]),
        }
    }

    /// Sets the label of `count` entries from `at` on, behind all others; what lies between is not a message.
    fn push(&mut self, at: usize, count: usize, label: Label) {
        match self {
            Self::Same(same) if at == 0 || *same == label => *same = label,
            Self::Same(same) => {
                *self = match u8::try_from(same.0) {
                    Ok(same) => Self::Narrow(vec![same; at]),
                    Err(_) => Self::Wide(vec![same.0; at]),
                };
                self.push(at, count, label);
            }
            Self::Narrow(labels) => match u8::try_from(label.0) {
                Ok(label) => {
                    labels.resize(at, 0);
                    labels.resize(at + count, label);
                }
                Err(_) => {
                    *self = Self::Wide(labels.iter().map(|label| u32::from(*label)).collect());
                    self.push(at, count, label);
                }
            },
            Self::Wide(labels) => {
                labels.resize(at, 0);
                labels.resize(at + count, label.0);
            }
        }
    }
}

/// Which positions the arrays of a segment speak of.
#[derive(Debug)]
enum Places {
    /// All of them from this one on.
    All(u64),
    /// These, as distances from the position where the segment begins, rising.
    Some(Vec<u32>),
}

/// The live messages of one segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// What is live in it.
    pub(super) usage: Usage,
    /// No message in it stands before this position.
    pub(super) from: u64,
    places: Places,
    sizes: Vec<Size>,
    labels: Labels,
    queues: Vec<QueueId>,
    /// The other way round, while messages come.
    label_of: FxHashMap<QueueId, Label>,
}

impl Segment {
    /// A segment whose first message will stand at `from` or behind it.
    pub(super) fn new(number: u64, from: Position, density: super::Density) -> Self {
        Self {
            number,
            usage: Usage::default(),
            from: from.0,
            places: match density {
                super::Density::Dense => Places::All(from.0),
                super::Density::Sparse => Places::Some(Vec::new()),
            },
            sizes: Vec::new(),
            labels: Labels::Same(Label::FANNED),
            queues: Vec::new(),
            label_of: FxHashMap::default(),
        }
    }

    /// The first position behind all that was born here.
    pub(super) fn end(&self) -> u64 {
        match &self.places {
            Places::All(first) => first + self.sizes.len() as u64,
            Places::Some(places) => places
                .last()
                .map_or(self.from, |last| self.from + u64::from(*last) + 1),
        }
    }

    /// The label of a queue, a new one if need be.
    pub(super) fn label(&mut self, queue: QueueId) -> Label {
        *self.label_of.entry(queue).or_insert_with(|| {
            self.queues.push(queue);
            Label(
                u32::try_from(self.queues.len()).expect("fewer queues than positions in a segment"),
            )
        })
    }

    /// The queue of a label; `None` for several.
    pub(super) fn queue(&self, label: Label) -> Option<QueueId> {
        let at = label.0.checked_sub(1)?;
        Some(self.queues[at as usize])
    }

    /// Adds live messages of neighbouring positions.
    pub(super) fn push(&mut self, run: Run, label: Label, size: Size) {
        assert!(
            run.first >= self.end(),
            "messages come in the order of their positions"
        );
        let count = usize::try_from(run.count).expect("a run of a segment fits into memory");
        let at = match &mut self.places {
            Places::All(first) => {
                if self.sizes.is_empty() {
                    *first = run.first;
                }
                usize::try_from(run.first - *first).expect("a segment fits into memory")
            }
            Places::Some(places) => {
                let from = self.from;
                let distance = |position| {
                    u32::try_from(position - from).expect("a segment spans under 2^32 positions")
                };
                places.extend((run.first..run.end()).map(distance));
                self.sizes.len()
            }
        };
        self.labels.push(at, count, label);
        self.sizes.resize(at, Size::DEAD);
        self.sizes.resize(at + count, size);
        self.usage.add(size, run.count);
    }

    /// The live message whose entry this is.
    pub(super) fn live_at(&self, index: usize) -> Option<(Label, Size)> {
        let size = *self.sizes.get(index)?;
        (size != Size::DEAD).then(|| (self.labels.get(index), size))
    }

    /// The entry of a position, if it has one.
    pub(super) fn index(&self, position: Position) -> Option<usize> {
        let index = match &self.places {
            Places::All(first) => usize::try_from(position.0.checked_sub(*first)?).ok()?,
            Places::Some(places) => {
                let distance = u32::try_from(position.0.checked_sub(self.from)?).ok()?;
                places.binary_search(&distance).ok()?
            }
        };
        (index < self.sizes.len()).then_some(index)
    }

    /// The position of an entry.
    pub(super) fn position(&self, index: usize) -> Position {
        Position(match &self.places {
            Places::All(first) => first + index as u64,
            Places::Some(places) => self.from + u64::from(places[index]),
        })
    }

    /// A message is live no more.
    pub(super) fn kill(&mut self, index: usize, size: Size) {
        self.sizes[index] = Size::DEAD;
        self.usage.remove(size);
    }

    /// The entries that `run` covers.
    pub(super) fn covered(&self, run: Run) -> Range<usize> {
        match &self.places {
            Places::All(first) => {
                let index = |position: u64| {
                    let position = position.clamp(*first, self.end());
                    usize::try_from(position - first).expect("a segment fits into memory")
                };
                index(run.first)..index(run.end())
            }
            Places::Some(places) => {
                let index = |position: u64| {
                    places.partition_point(|place| self.from + u64::from(*place) < position)
                };
                index(run.first)..index(run.end())
            }
        }
    }

    /// The live messages, in the order of their positions.
    pub(super) fn live(&self) -> impl Iterator<Item = (Position, Label)> {
        let live = (0..self.sizes.len()).filter(|index| self.sizes[*index] != Size::DEAD);
        live.map(|index| (self.position(index), self.labels.get(index)))
    }

    /// Adds the positions of the live messages before `end`.
    pub(super) fn add_live(&self, end: Position, runs: &mut Runs) {
        let entries = self.sizes.len() as u64;
        match self.places {
            Places::All(first) if self.usage.messages == entries => {
                let end = end.0.min(first + entries);
                if end > first {
                    let count = end - first;
                    runs.insert_run(Run { first, count });
                }
            }
            _ => {
                let live = self.live().map(|(position, _)| position.0);
                live.take_while(|position| *position < end.0)
                    .for_each(|position| {
                        runs.insert(position);
                    });
            }
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&mut self) {
        self.label_of = FxHashMap::default();
        self.sizes.shrink_to_fit();
        self.shrink();
    }

    /// Frees the arrays of a closed segment in which nothing is live, which may wait long for a checkpoint.
    pub(super) fn shrink(&mut self) {
        if self.usage.messages == 0 {
            self.sizes = Vec::new();
            self.labels = Labels::Same(Label::FANNED);
            self.queues = Vec::new();
            if let Places::Some(places) = &mut self.places {
                *places = Vec::new();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn has_one_label(&self) -> bool {
        matches!(self.labels, Labels::Same(_))
    }
}
