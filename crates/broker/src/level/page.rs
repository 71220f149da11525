//! A look at the messages of one priority that moves none of them.

use super::Level;
use crate::backlog::Ready;
use model::Position;
use model::record::Attempts;

impl Level {
    /// The first messages behind `after`, in the order of their positions, of those that have landed.
    pub(crate) fn page(&self, after: Position, landed: Position, most: usize) -> Vec<Ready> {
        let begin = after.next();
        let first = self
            .fresh
            .partition_point(|fresh| fresh.run.end() <= begin.0);
        let fresh = self.fresh.range(first..).flat_map(|fresh| {
            let positions = fresh.run.first.max(begin.0)..fresh.run.end();
            positions.map(|position| Ready {
                position: Position(position),
                priority: self.priority,
                attempts: Attempts::NONE,
                redelivered: fresh.perhaps_delivered,
            })
        });
        let returned = self.returned.range(begin..);
        let returned = returned.map(|(position, one)| self.ready_again(*position, *one));
        let mut page: Vec<Ready> = fresh.take(most).chain(returned.take(most)).collect();
        page.retain(|ready| ready.position <= landed);
        page.sort_unstable_by_key(|ready| ready.position);
        page.truncate(most);
        page
    }
}
