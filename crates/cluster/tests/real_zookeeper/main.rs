//! Who owns which shard, with a real ZooKeeper and members that are processes: killed, stopped and cut off.

mod database;
mod ensemble;
mod node;
mod scene;

mod election;
mod joining;
mod moving;
mod outage;
