//! One shard follows the directory of another.

use super::importing::{Server, shop};
use super::script::short;
use crate::{Answer, Command, Definitions, Recovery, Share};
use model::record::{PermissionDefinition, UserDefinition};
use model::{Definition, Limits, Record, ShortStr, Timestamp};

fn directory(server: &mut Server) -> Definitions {
    match server.ask(Command::Directory) {
        Ok(Answer::Definitions(all)) => *all,
        other => panic!("a directory is answered with {other:?}"),
    }
}

/// How much has landed for it, and which virtual hosts stay all the same.
fn follow(server: &mut Server, directory: &Definitions) -> (usize, Vec<ShortStr>) {
    let before = server.lane.len();
    let followed = server.ask(Command::Follow(Box::new(directory.clone())));
    match followed {
        Ok(Answer::Followed { kept }) => (server.lane.len() - before, kept),
        other => panic!("it is answered with {other:?}"),
    }
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
fn what_is_not_in_the_directory_goes_but_no_message_does() {
    let (mut first, mut second) = (Server::new(), Server::new());
    first.import(&shop()).expect("nothing is wrong with it");
    let wanted = directory(&mut first);
    assert!(follow(&mut second, &wanted).0 > 0);
    assert_eq!(directory(&mut second), wanted);
    assert_eq!(follow(&mut second, &wanted), (0, vec![]), "nothing differs");

    // The second has queues in the virtual host, and a user with a permission whom nobody else knows.
    second.import(&shop()).expect("it may be there already");
    let eve = UserDefinition {
        name: short("eve"),
        ..UserDefinition::default()
    };
    let everything = PermissionDefinition::everything(eve.name.clone(), short("/"));
    second.ask(Command::PutUser(eve)).expect("a user");
    second
        .ask(Command::PutPermission(everything))
        .expect("a permission");
    assert!(follow(&mut second, &wanted).0 > 0);
    assert_eq!(directory(&mut second), wanted);
    assert_eq!(second.export().queues.len(), 1);

    let removed = || Command::RemoveVhost {
        vhost: short("shop"),
    };
    first.ask(removed()).expect("it is there");
    let wanted = directory(&mut first);
    let (_, kept) = follow(&mut second, &wanted);
    assert_eq!(kept, ["shop"], "it has a queue");
    assert_eq!(second.export().queues.len(), 1);
    let told = directory(&mut second);
    assert_eq!(told.vhosts.len(), 2);
    assert_eq!(told.permissions, wanted.permissions, "nobody may enter it");

    second.ask(removed()).expect("it is still there");
    assert!(second.export().queues.is_empty());
    assert_eq!(follow(&mut second, &wanted), (0, vec![]));
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
