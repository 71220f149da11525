//! The cells of the table of throughputs, and how some of them are asked for.

use super::layout::Layout;
use super::load::{BODY_MAX, BODY_MIN};
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const SIZES: [usize; 3] = [16, 1024, 16 * 1024];
const WINDOWS: [usize; 3] = [1, 100, 5_000];

/// What is measured beside the plain cells, each beside the plain one of the same size and window.
const LAYOUTS: [Cell; 5] = [
    Cell::new(1024, 100, Layout::Bindings(1)),
    Cell::new(1024, 100, Layout::Bindings(10)),
    Cell::new(1024, 100, Layout::Bindings(100)),
    Cell::new(1024, 5_000, Layout::Shared(10)),
    Cell::new(1024, 5_000, Layout::Pairs(10)),
];

/// The size of a message's body in bytes, how many messages may be unconfirmed at a time, and what they pass through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) size: usize,
    pub(super) window: usize,
    pub(super) layout: Layout,
}

impl Cell {
    const fn new(size: usize, window: usize, layout: Layout) -> Self {
        Self {
            size,
            window,
            layout,
        }
    }

    pub(super) const fn plain(size: usize, window: usize) -> Self {
        Self::new(size, window, Layout::Plain)
    }
}

/// A part of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    size: usize,
    window: Option<usize>,
    layout: Layout,
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<usize>()
                .map_err(|error| format!("`{text}`: {error}"))
        };
        let mut parts = text.split('/');
        let size = number(parts.next().unwrap_or_default())?;
        let window = parts.next().map(number).transpose()?;
        let layout = parts.next().map(str::parse).transpose()?;
        Ok(Self {
            size,
            window,
            layout: layout.unwrap_or(Layout::Plain),
        })
    }
}

/// The cells that were asked for; all if none was.
pub(super) fn chosen(only: &[Choice]) -> Result<Vec<Cell>> {
    let row = |size| WINDOWS.iter().map(move |&window| Cell::plain(size, window));
    if only.is_empty() {
        return Ok(SIZES.into_iter().flat_map(row).chain(LAYOUTS).collect());
    }
    let mut cells = Vec::new();
    for choice in only {
        ensure!(
            (BODY_MIN..=BODY_MAX).contains(&choice.size) && choice.window != Some(0),
            "a body has {BODY_MIN} to {BODY_MAX} bytes, a window at least one message",
        );
        match choice.window {
            Some(window) => {
                // What a layout costs is told beside the plain one.
                let plain = Cell::plain(choice.size, window);
                cells.extend([plain, Cell::new(choice.size, window, choice.layout)]);
            }
            None => cells.extend(row(choice.size)),
        }
    }
    let mut seen = BTreeSet::new();
    cells.retain(|cell| seen.insert(*cell));
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_by(text: &str) -> Vec<Cell> {
        let choices: Result<Vec<Choice>, String> = text.split(',').map(str::parse).collect();
        chosen(&choices.expect("these can be read")).expect("these can be measured")
    }

    #[test]
    fn a_size_is_a_row_and_a_layout_brings_its_plain_cell() {
        assert_eq!(chosen_by("16").len(), WINDOWS.len());
        let plain = Cell::plain(1024, 100);
        let bindings = Cell::new(1024, 100, Layout::Bindings(10));
        assert_eq!(
            chosen_by("1024/100/10-bindings,1024/100"),
            [plain, bindings]
        );
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for text in ["8/1", "16/0"] {
            assert!(chosen(&[text.parse().expect("a choice")]).is_err());
        }
        assert!("16/x".parse::<Choice>().is_err());
    }
}
