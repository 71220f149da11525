//! The live messages of one segment, as arrays over its positions.

use super::Usage;
use model::{Position, QueueId, Run};
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

    /// Sets the label at `at`, behind all others; what lies between is not a message.
    fn push(&mut self, at: usize, label: Label) {
        match self {
            Self::Same(same) if at == 0 || *same == label => *same = label,
            Self::Same(same) => {
                *self = match u8::try_from(same.0) {
                    Ok(same) => Self::Narrow(vec![same; at]),
                    Err(_) => Self::Wide(vec![same.0; at]),
                };
                self.push(at, label);
            }
            Self::Narrow(labels) => match u8::try_from(label.0) {
                Ok(label) => {
                    labels.resize(at, 0);
                    labels.push(label);
                }
                Err(_) => {
                    *self = Self::Wide(labels.iter().map(|label| u32::from(*label)).collect());
                    self.push(at, label);
                }
            },
            Self::Wide(labels) => {
                labels.resize(at, 0);
                labels.push(label.0);
            }
        }
    }
}

/// The live messages of one segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// What is live in it, born here or moved here.
    pub(super) usage: Usage,
    /// The position that the arrays begin with.
    first: u64,
    sizes: Vec<Size>,
    labels: Labels,
    queues: Vec<QueueId>,
    /// The other way round, while the segment is written to.
    label_of: FxHashMap<QueueId, Label>,
    /// Where the messages lie that were moved here.
    moved: Range<u64>,
}

impl Segment {
    /// A segment whose first message will stand at `first` or behind it.
    pub(super) fn new(number: u64, first: u64) -> Self {
        Self {
            number,
            usage: Usage::default(),
            first,
            sizes: Vec::new(),
            labels: Labels::Same(Label::FANNED),
            queues: Vec::new(),
            label_of: FxHashMap::default(),
            moved: 0..0,
        }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The first position behind all that was born here.
    pub(super) fn end(&self) -> u64 {
        self.first + self.sizes.len() as u64
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

    pub(super) fn push(&mut self, position: Position, label: Label, size: Size) {
        assert!(
            position.0 >= self.end(),
            "messages come in the order of their positions"
        );
        if self.sizes.is_empty() {
            self.first = position.0;
        }
        let at = self.offset(position.0);
        self.labels.push(at, label);
        self.sizes.resize(at, Size::DEAD);
        self.sizes.push(size);
    }

    /// The live message that was born at `position`.
    pub(super) fn get(&self, position: Position) -> Option<(Label, Size)> {
        let at = usize::try_from(position.0.checked_sub(self.first)?).ok()?;
        let size = *self.sizes.get(at)?;
        (size != Size::DEAD).then(|| (self.labels.get(at), size))
    }

    pub(super) fn kill(&mut self, position: Position) {
        let at = self.offset(position.0);
        self.sizes[at] = Size::DEAD;
    }

    /// The positions of this segment that `run` covers.
    pub(super) fn covered(&self, run: Run) -> impl Iterator<Item = Position> + use<> {
        (run.first.max(self.first)..run.end().min(self.end())).map(Position)
    }

    /// The live messages that were born here, at `from` or behind it.
    pub(super) fn live_from(&self, from: Position) -> impl Iterator<Item = (Position, Label)> {
        let start = from.0.clamp(self.first, self.end());
        let sizes = self.sizes[self.offset(start)..].iter();
        (start..)
            .zip(sizes)
            .filter(|(_, size)| **size != Size::DEAD)
            .map(|(position, _)| (Position(position), self.labels.get(self.offset(position))))
    }

    /// Where messages lie that were moved here, at `from` or behind it.
    pub(super) fn moved_from(&self, from: Position) -> Range<u64> {
        self.moved.start.max(from.0)..self.moved.end
    }

    /// A message was moved here.
    pub(super) fn widen_moved(&mut self, position: Position) {
        self.moved = if self.moved.is_empty() {
            position.0..position.0 + 1
        } else {
            self.moved.start.min(position.0)..self.moved.end.max(position.0 + 1)
        };
    }

    /// Nothing more is written here.
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
        }
    }

    #[cfg(test)]
    pub(super) fn has_one_label(&self) -> bool {
        matches!(self.labels, Labels::Same(_))
    }

    fn offset(&self, position: u64) -> usize {
        usize::try_from(position - self.first).expect("a segment has fewer positions than bytes")
    }
}
