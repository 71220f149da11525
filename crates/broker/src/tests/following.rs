//! One shard follows the directory of another.

use super::importing::{Server, shop};
use crate::{Answer, Command, Definitions, Recovery, Share};
use model::record::{PermissionDefinition, UserDefinition};
use model::{Definition, Limits, Record, Timestamp};

fn directory(server: &mut Server) -> Definitions {
    match server.ask(Command::Directory) {
        Ok(Answer::Definitions(all)) => *all,
        other => panic!("a directory is answered with {other:?}"),
    }
}

fn follow(server: &mut Server, directory: &Definitions) -> usize {
    let before = server.lane.len();
    let followed = server.ask(Command::Follow(Box::new(directory.clone())));
    assert_eq!(followed, Ok(Answer::Done { made: false }));
    server.lane.len() - before
}

#[test]
fn a_shard_that_follows_lets_nobody_in_before_it_does() {
    let broker = Recovery::new(&Limits::default())
        .of_share(Share::new(1, 2))
        .finish(Timestamp(0));
    assert!(broker.is_bare());
    let mut bare = Server {
        broker,
        lane: Vec::new(),
    };
    assert_eq!(bare.land(), None);
    assert!(bare.lane.is_empty(), "no user whom everybody knows");

    let mut first = Server::new();
    let wanted = directory(&mut first);
    follow(&mut bare, &wanted);
    assert_eq!(directory(&mut bare), wanted);
    assert!(!bare.broker.is_bare());
}

#[test]
fn what_is_not_in_the_directory_goes_with_all_that_stands_on_it() {
    let (mut first, mut second) = (Server::new(), Server::new());
    first.import(&shop()).expect("nothing is wrong with it");
    let wanted = directory(&mut first);
    assert!(follow(&mut second, &wanted) > 0);
    assert_eq!(directory(&mut second), wanted);
    assert_eq!(follow(&mut second, &wanted), 0, "nothing differs");

    // The second has queues in the virtual host, and users and permissions that nobody else knows.
    second.import(&shop()).expect("it may be there already");
    let eve = UserDefinition {
        name: super::script::short("eve"),
        ..UserDefinition::default()
    };
    let everything = PermissionDefinition::everything(eve.name.clone(), super::script::short("/"));
    second.ask(Command::PutUser(eve)).expect("a user");
    second
        .ask(Command::PutPermission(everything))
        .expect("a permission");
    assert!(follow(&mut second, &wanted) > 0);
    assert_eq!(directory(&mut second), wanted);
    assert_eq!(
        second.export().queues.len(),
        1,
        "what is said of it is the same"
    );

    let vhost = super::script::short("shop");
    first
        .ask(Command::RemoveVhost { vhost })
        .expect("it is there");
    let wanted = directory(&mut first);
    follow(&mut second, &wanted);
    assert_eq!(directory(&mut second), wanted);
    assert!(second.export().queues.is_empty());
    let last = second.lane.last().map(|(_, record)| record);
    assert!(
        matches!(
            last,
            Some(Record::Definition(Definition::VhostRemoved { .. }))
        ),
        "{last:?}"
    );

    let mut again = Server::recovered(second.lane);
    assert_eq!(directory(&mut again), wanted, "it has landed");
}
