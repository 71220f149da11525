//! What the handlers work with: the broker behind its operator, the node, and how often the broker may be asked for much.

use crate::answer::Failure;
use crate::bodies::Bodies;
use crate::journey::{Journey, Wanted};
use crate::live::Live;
use crate::node::Node;
use crate::operator::{About, Operator, Reading};
use broker::{Answer, Command, Definitions};
use model::Position;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// So many requests are worked on at a time; the others wait. They do so after they have come in full.
const TURNS: usize = 4;

/// What takes the broker less needs no pause.
const NOTICED: Duration = Duration::from_millis(5);

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Api(Arc<Inner>);

struct Inner {
    operator: Arc<dyn Operator>,
    node: Arc<dyn Node>,
    node_name: String,
    about: About,
    turns: Semaphore,
    bodies: Bodies,
    pace: Mutex<Pace>,
    live: Live,
}

/// When the broker may be asked for all definitions again: to hand them out takes its time, of which operators get
/// no more than half.
pub(crate) struct Pace {
    next: Instant,
}

/// All definitions as they stood. While somebody has them nobody else gets any: with a hundred thousand queues one
/// copy, and the JSON made of it, is enough to have in memory (promise P9).
pub(crate) struct Snapshot<'a> {
    definitions: Definitions,
    _alone: MutexGuard<'a, Pace>,
}

impl std::ops::Deref for Snapshot<'_> {
    type Target = Definitions;

    fn deref(&self) -> &Definitions {
        &self.definitions
    }
}

impl Snapshot<'_> {
    /// Works on them where nobody waits for it: a large document, or slow hashes of passwords.
    pub(crate) async fn beside<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Definitions) -> T + Send + 'static,
    ) -> T {
        let definitions = std::mem::take(&mut self.definitions);
        let worked = tokio::task::spawn_blocking(move || {
            let made = work(&definitions);
            (made, definitions)
        });
        let (made, definitions) = worked.await.expect("a panic ends the process");
        self.definitions = definitions;
        made
    }
}

impl Api {
    pub(crate) fn new(operator: Arc<dyn Operator>, node: Arc<dyn Node>, about: About) -> Self {
        Self(Arc::new(Inner {
            operator,
            node_name: node.status().name,
            node,
            about,
            turns: Semaphore::new(TURNS),
            bodies: Bodies::default(),
            pace: Mutex::new(Pace {
                next: Instant::now(),
            }),
            live: Live::default(),
        }))
    }

    /// Asks the broker.
    pub(crate) async fn ask(&self, command: Command) -> Result<Answer, Failure> {
        Ok(self.0.operator.ask(command).await?)
    }

    /// What became of messages.
    pub(crate) async fn journeys(&self, wanted: &Wanted) -> Result<Vec<Journey>, Failure> {
        Ok(self.0.operator.journeys(wanted.clone()).await?)
    }

    /// Has something changed; says whether something was made that had not been there.
    pub(crate) async fn change(&self, command: Command) -> Result<bool, Failure> {
        let answer = self.ask(command).await?;
        Ok(matches!(answer, Answer::Done { made: true }))
    }

    /// All definitions as they stand. Whoever holds them must not ask for them again.
    pub(crate) async fn definitions(&self) -> Result<Snapshot<'_>, Failure> {
        let (answer, alone) = self.paced(Command::Export).await?;
        let definitions = match answer {
            Answer::Definitions(definitions) => *definitions,
            _ => Definitions::default(),
        };
        Ok(Snapshot {
            definitions,
            _alone: alone,
        })
    }

    /// Asks for what may be large: one at a time, and not before its time.
    pub(crate) async fn paced(
        &self,
        command: Command,
    ) -> Result<(Answer, MutexGuard<'_, Pace>), Failure> {
        let mut pace = self.0.pace.lock().await;
        tokio::time::sleep_until(pace.next).await;
        let asked = Instant::now();
        let answer = self.ask(command).await?;
        let took = asked.elapsed();
        if took >= NOTICED {
            pace.next = Instant::now() + took;
        }
        Ok((answer, pace))
    }

    /// Reads messages; see [`Operator::read`].
    pub(crate) async fn read(
        &self,
        positions: Vec<Position>,
        body_most: usize,
    ) -> Result<Vec<Reading>, Failure> {
        Ok(self.0.operator.read(positions, body_most).await?)
    }

    /// To whom the API speaks.
    pub(crate) fn operator(&self) -> &dyn Operator {
        &*self.0.operator
    }

    /// Who watches, and what they see.
    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    /// The node's name.
    pub(crate) fn node_name(&self) -> &str {
        &self.0.node_name
    }

    /// The node, beside its broker.
    pub(crate) fn node(&self) -> &dyn Node {
        &*self.0.node
    }

    /// What the server says about itself.
    pub(crate) fn about(&self) -> &About {
        &self.0.about
    }

    /// Where the bodies of requests are taken in.
    pub(crate) fn bodies(&self) -> &Bodies {
        &self.0.bodies
    }

    /// Waits until the request may be worked on.
    pub(crate) async fn turn(&self) -> SemaphorePermit<'_> {
        let turn = self.0.turns.acquire().await;
        turn.expect("the turns are never closed")
    }
}
