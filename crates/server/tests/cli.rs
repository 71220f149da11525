//! `landfall send` and `landfall receive` with a real file, also while the server is killed.

use crate::harness::{Landfall, Scratch};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// At least so many lines are sent.
const LINES: usize = 200_000;
/// Longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Debian's lists of words (packages wamerican and others).
const WORD_LISTS: [&str; 2] = ["/usr/share/dict/american-english", "/usr/share/dict/words"];

/// Real words, each line with its number so that lines are told apart; the same list again and again until it is
/// long enough. Where no list is installed, numbers alone have to do.
fn lines() -> Vec<u8> {
    let words = WORD_LISTS.iter().find_map(|list| fs::read(list).ok());
    let words = words.unwrap_or_else(|| {
        println!("no list of words is installed: the lines are numbers");
        b"\n".to_vec()
    });
    let words: Vec<&[u8]> = words.split_terminator_lines();
    let mut text = Vec::new();
    for (number, word) in words.iter().cycle().take(LINES.max(words.len())).enumerate() {
        text.extend_from_slice(word);
        text.extend_from_slice(format!(" {number}\n").as_bytes());
    }
    text
}

trait Lines {
    fn split_terminator_lines(&self) -> Vec<&[u8]>;
}

impl Lines for Vec<u8> {
    fn split_terminator_lines(&self) -> Vec<&[u8]> {
        self.strip_suffix(b"\n").unwrap_or(self).split(|&byte| byte == b'\n').collect()
    }
}
