//! A stream of bytes cut into messages.
//!
//! A separator ends a message, as a line end ends a line: nothing behind the last one is no message, an empty line
//! is one. Bytes are bytes: nothing is decoded, and a carriage return before a line end stays.

use anyhow::{Result, ensure};
use bytes::{Bytes, BytesMut};

/// The longest message, in bytes: no setting of any server takes more.
const MESSAGE_MAX: usize = 512 * 1024 * 1024;

/// Cuts chunks, as they come, at a separator.
#[derive(Debug)]
pub(super) struct Splitter {
    separator: Option<u8>,
    /// The beginning of a message whose end has not come.
    begun: BytesMut,
}

impl Splitter {
    /// Without a separator everything is one message.
    pub(super) fn new(separator: Option<u8>) -> Self {
        Self {
            separator,
            begun: BytesMut::new(),
        }
    }

    /// Appends the messages that end in this chunk to `messages`. They share its buffer.
    pub(super) fn feed(&mut self, mut chunk: Bytes, messages: &mut Vec<Bytes>) -> Result<()> {
        while let Some(at) = self.end_in(&chunk) {
            let mut message = chunk.split_to(at + 1);
            message.truncate(at);
            if !self.begun.is_empty() {
                self.begun.extend_from_slice(&message);
                message = self.begun.split().freeze();
            }
            messages.push(message);
        }
        self.begun.extend_from_slice(&chunk);
        ensure!(
            self.begun.len() <= MESSAGE_MAX,
            "a message is at most {MESSAGE_MAX} bytes"
        );
        Ok(())
    }

    fn end_in(&self, chunk: &[u8]) -> Option<usize> {
        let separator = self.separator?;
        chunk.iter().position(|&byte| byte == separator)
    }

    /// The last message, where no separator ends it. Without a separator even nothing is a message: an empty file
    /// sent whole.
    pub(super) fn finish(self) -> Option<Bytes> {
        let last = self.separator.is_none() || !self.begun.is_empty();
        last.then(|| self.begun.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a text, however it is cut into chunks.
    fn split(separator: Option<u8>, text: &'static str) -> Vec<Bytes> {
        let cut_at = |cut: usize| {
            let mut splitter = Splitter::new(separator);
            let mut messages = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                splitter
                    .feed(Bytes::from_static(part.as_bytes()), &mut messages)
                    .expect("short");
            }
            messages.extend(splitter.finish());
            messages
        };
        let whole = cut_at(0);
        for cut in 1..=text.len() {
            assert_eq!(cut_at(cut), whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn a_line_is_a_message_with_or_without_the_last_line_end() {
        let newline = Some(b'\n');
        assert_eq!(split(newline, "a\nbc\n"), ["a", "bc"]);
        assert_eq!(split(newline, "a\nbc"), ["a", "bc"]);
        assert_eq!(split(newline, "\n\na\r\n"), ["", "", "a\r"]);
        assert_eq!(split(newline, ""), [""; 0]);
    }

    #[test]
    fn nul_divides_what_has_line_ends_in_it() {
        assert_eq!(split(Some(0), "a\nb\0c\0"), ["a\nb", "c"]);
    }

    #[test]
    fn without_a_separator_all_is_one_message() {
        assert_eq!(split(None, "a\nb\0"), ["a\nb\0"]);
        assert_eq!(split(None, ""), [""]);
    }
}
