//! Whether two lanes hold the same, as brokers understand them: definitions, accounts, every message in its place and
//! byte for byte.

use super::copying::{Numbers, Reading};
use super::mind::Mind;
use anyhow::{Context, Result, ensure};
use broker::snapshot::{Cursor, MessageStatus, State};
use model::{MessageRecord, Position, ShortStr};

/// How much was found to be the same.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Same {
    pub(super) queues: u64,
    pub(super) messages: u64,
}

/// Compares; an error says what is not the same.
pub(super) fn compare(old: &mut Mind, new: &mut Mind, numbers: &Numbers) -> Result<Same> {
    let differ = "what was written is not what was read: ";
    ensure!(
        old.definitions()? == new.definitions()?,
        "{differ}the definitions differ"
    );
    ensure!(
        old.accounts()? == new.accounts()?,
        "{differ}the accounts differ"
    );
    let mut same = Same::default();
    for queue in old.queues()? {
        let name = (&queue.vhost, &queue.name);
        for state in State::ALL {
            let compared = compare_state(old, new, numbers, name, state);
            same.messages += compared
                .with_context(|| format!("{differ}{} messages of {}", state.word(), queue.name))?;
        }
        same.queues += 1;
    }
    Ok(same)
}

fn compare_state(
    old: &mut Mind,
    new: &mut Mind,
    numbers: &Numbers,
    queue: (&ShortStr, &ShortStr),
    state: State,
) -> Result<u64> {
    let (mut theirs, mut ours) = (Some(Cursor::default()), Some(Cursor::default()));
    let mut count = 0;
    let (old_reader, new_reader) = (old.reader.clone(), new.reader.clone());
    let mut before = Reading {
        reader: &*old_reader,
        last: None,
    };
    let mut after = Reading {
        reader: &*new_reader,
        last: None,
    };
    while let (Some(from), Some(at)) = (theirs, ours) {
        let (was, next) = old.messages(queue, state, from)?;
        let (is, next_of_new) = new.messages(queue, state, at)?;
        ensure!(
            was.len() == is.len(),
            "{} were here, {} are",
            was.len(),
            is.len()
        );
        for (was, is) in was.iter().zip(&is) {
            let new_position = numbers.new_of(was.position);
            ensure!(
                new_position == Some(is.position),
                "message {} is another",
                was.position
            );
            let expected = MessageStatus {
                position: is.position,
                ..was.clone()
            };
            ensure!(
                expected == *is,
                "message {} waits otherwise: {was:?}, {is:?}",
                was.position
            );
            compare_records(&mut before, was.position, &mut after, is.position)?;
            count += 1;
        }
        (theirs, ours) = (next, next_of_new);
    }
    ensure!(
        theirs.is_none() && ours.is_none(),
        "the lists end at different places"
    );
    Ok(count)
}

fn compare_records(
    before: &mut Reading<'_>,
    old: Position,
    after: &mut Reading<'_>,
    new: Position,
) -> Result<()> {
    // Which queues have it the lists say; what they remember the checkpoint does.
    let content = |message: MessageRecord| MessageRecord {
        queues: Default::default(),
        fingerprints: Vec::new(),
        ..message
    };
    let (was, is) = (before.message(old)?, after.message(new)?);
    ensure!(content(was) == content(is), "message {old} has changed");
    Ok(())
}
