//! The heart's tests: transcripts of what goes in and what comes out, and random histories.

mod auditing;
mod history;
mod operating;
mod script;
mod show;

mod arguments;
mod capacity;
mod causes;
mod channels;
mod dead_history;
mod dead_letters;
mod definitions;
mod delivery;
mod exchanges;
mod importing;
mod late;
mod limits;
mod looking;
mod operator_history;
mod patterns;
mod permissions;
mod policies;
mod priorities;
mod publishing;
mod recovery;
mod redriving;
mod reply_to;
mod routing;
mod single_active;
mod time_to_live;
mod transaction_history;
mod transactions;
mod users;
mod vhosts;
