//! Output, taken in every way a socket may take it.

use crate::Output;
use bytes::{Buf, BufMut, Bytes};
use proptest::prelude::*;
use std::io::IoSlice;

fn filled() -> (Output, Vec<u8>) {
    let mut output = Output::default();
    output.tail().put_slice(b"head");
    output.put_shared(Bytes::from_static(b"first body"));
    output.put_shared(Bytes::from_static(b"second body"));
    output.tail().put_slice(b"end");
    (output, b"headfirst bodysecond bodyend".to_vec())
}

#[test]
fn a_vectored_write_sees_all_of_it() {
    let (output, expected) = filled();
    let mut slices = [IoSlice::new(&[]); 8];
    let count = output.chunks_vectored(&mut slices);
    assert_eq!(count, 4);
    let seen: Vec<u8> = slices[..count]
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect();
    assert_eq!(seen, expected);
    let mut few = [IoSlice::new(&[]); 2];
    assert_eq!(output.chunks_vectored(&mut few), 2);
    assert_eq!(&*few[1], b"first body");
}

#[test]
fn shared_bodies_are_not_copied() {
    let body = Bytes::from(vec![b'x'; 20_000]);
    let mut output = Output::default();
    output.put_shared(body.clone());
    assert_eq!(output.chunk().as_ptr(), body.as_ptr());
}

#[test]
fn a_burst_does_not_keep_its_memory() {
    let mut output = Output::default();
    output.tail().put_bytes(b'x', 3_000_000);
    output.advance(3_000_000);
    assert!(output.is_empty());
    assert!(output.tail().capacity() < 300_000);
    output.tail().put_slice(b"x");
    assert_eq!(output.copy_to_bytes(1), "x");
}

proptest! {
    #[test]
    fn partial_writes_lose_and_repeat_nothing(steps in prop::collection::vec(0usize..12, 1..30)) {
        let (mut output, expected) = filled();
        let mut seen = Vec::new();
        for step in steps.into_iter().chain([usize::MAX; 8]) {
            let chunk = output.chunk();
            let length = step.min(chunk.len());
            seen.extend_from_slice(&chunk[..length]);
            output.advance(length);
            prop_assert_eq!(output.remaining(), expected.len() - seen.len());
        }
        prop_assert!(output.is_empty());
        prop_assert_eq!(output.written(), expected.len() as u64);
        prop_assert_eq!(seen, expected);
    }
}
