//! Pause: a queue takes what comes and hands nothing out, because an operator says so. What it has handed out before may
//! still be settled, and comes back as ever; times to live go on.

use crate::Broker;
use crate::command::CommandRefused;
use model::{Definition, QueueId, ShortStr};

impl Broker {
    /// Whether a queue hands nothing out. Asked once for a queue in a turn.
    pub(crate) fn is_paused(&self, id: QueueId) -> bool {
        !self.paused.is_empty() && self.paused.contains(&id)
    }

    /// Has a queue hand nothing out, or do so again; whether it was paused by this.
    pub(crate) fn pause_queue(
        &mut self,
        vhost: &ShortStr,
        name: &ShortStr,
        paused: bool,
    ) -> Result<bool, CommandRefused> {
        let id = self.queue_named(vhost, name)?;
        if self.is_paused(id) == paused {
            return Ok(false);
        }
        match paused {
            true => self.paused.insert(id),
            false => self.paused.remove(&id),
        };
        self.land_definition(Definition::QueuePaused { queue: id, paused });
        self.activate(id);
        Ok(paused)
    }
}
