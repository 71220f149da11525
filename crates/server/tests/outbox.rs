//! Inbox and outbox with a real PostgreSQL, one rule at a time. What holds under `kill -9` is in `exactly_once`.

use crate::harness::postgres::Postgres;
use crate::harness::raw::Raw;
use crate::harness::{Landfall, Scratch};
use client::model::{PropertiesBuilder, ShortStr};
use client::postgres::tokio_postgres::{Client, Config, NoTls, connect};
use client::postgres::{Outbox, OutboxRelay, OutboxRelayBuilder, PostgresInbox, RelayCounts};
use client::{Delivery, Inbox, InboxError, Message, MessageKey, Options, Receiver, Sender};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with a queue, a database with an outbox.
struct Place {
    postgres: Postgres,
    database: Client,
    server: Landfall,
    outbox: Outbox,
    _scratch: Scratch,
}

impl Place {
    async fn new() -> Self {
        let postgres = Postgres::start(&["fsync=off"]);
        let database = connected(&postgres).await;
        let outbox = Outbox::to_queue("orders").in_table("public.the \"outbox\"");
        outbox.create(&database).await.expect("made");
        outbox.create(&database).await.expect("there already");
        let scratch = Scratch::new();
        let server = Landfall::start(&scratch.data_dir());
        Raw::with_channel(server.address()).declare("orders");
        Self {
            postgres,
            database,
            server,
            outbox,
            _scratch: scratch,
        }
    }

    fn options(&self) -> Options {
        Options::parse([self.server.url().as_str()]).expect("a good address")
    }

    /// A relay that would be slow if nobody told it of messages.
    fn slow_relay(&self) -> OutboxRelayBuilder {
        OutboxRelay::of(&self.outbox).poll_every(Duration::from_secs(600))
    }

    fn start(&self, relay: OutboxRelayBuilder) -> OutboxRelay {
        let config: Config = self
            .postgres
            .address("postgres")
            .parse()
            .expect("an address");
        relay.start(config, NoTls, &self.options())
    }

    async fn commit(&mut self, messages: impl IntoIterator<Item = impl Into<Message>>) {
        let transaction = self.database.transaction().await.expect("begun");
        for message in messages {
            let row = self.outbox.enqueue(&transaction, message).await;
            row.expect("a row");
        }
        transaction.commit().await.expect("committed");
    }

    /// The bodies in the queue, once there are so many.
    async fn come(&self, queue: &str, count: usize) -> Vec<String> {
        let receiver = Receiver::of_queue(queue).connect(&self.options()).await;
        let mut receiver = receiver.expect("the server is up");
        let mut bodies = Vec::new();
        while bodies.len() < count {
            let next = timeout(PATIENCE, receiver.recv()).await;
            let delivery = next.expect("it comes").expect("it goes on");
            bodies.push(String::from_utf8(delivery.body().to_vec()).expect("text"));
            delivery.ack();
        }
        receiver.close().await;
        bodies
    }
}

async fn connected(postgres: &Postgres) -> Client {
    let (client, connection) = connect(&postgres.address("postgres"), NoTls)
        .await
        .expect("it runs");
    tokio::spawn(connection);
    client
}

async fn until(relay: &OutboxRelay, reached: impl Fn(RelayCounts) -> bool) -> RelayCounts {
    let started = Instant::now();
    while !reached(relay.counts()) {
        assert!(started.elapsed() < PATIENCE, "{:?}", relay.counts());
        sleep(Duration::from_millis(5)).await;
    }
    relay.counts()
}

#[tokio::test]
async fn what_is_committed_is_sent_in_order_at_once_and_deleted() {
    let mut place = Place::new().await;
    place.commit(["one", "two"]).await;
    let relay = place.start(place.slow_relay());
    until(&relay, |counts| counts.landed == 2).await;
    // It would look again in ten minutes: what follows is told.
    place
        .commit((0..2_500).map(|number| number.to_string()))
        .await;
    let undone = place.database.transaction().await.expect("begun");
    place.outbox.enqueue(&undone, "never").await.expect("a row");
    undone.rollback().await.expect("undone");
    let counts = until(&relay, |counts| counts.landed == 2_502).await;
    assert_eq!((counts.refused, counts.resumed), (0, 0));
    let mut expected = vec!["one".to_owned(), "two".to_owned()];
    expected.extend((0..2_500).map(|number| number.to_string()));
    assert_eq!(place.come("orders", 2_502).await, expected);
    relay.stop().await;
}

#[tokio::test]
async fn a_message_arrives_as_it_was_written_and_large_ones_go_one_by_one() {
    let mut place = Place::new().await;
    let properties = PropertiesBuilder::new()
        .priority(3)
        .message_id(&ShortStr::from_static("m-1"))
        .build();
    let large = "x".repeat(300_000);
    let messages = [
        Message::from(large.clone()).properties(properties),
        Message::from(large.clone()),
        Message::from("elsewhere").exchange(ShortStr::from_static("amq.fanout")),
    ];
    let mut raw = Raw::with_channel(place.server.address());
    raw.declare("other");
    place.commit(messages).await;
    let relay = place.start(place.slow_relay().batch(1_000, 1));
    until(&relay, |counts| counts.landed == 2 && counts.refused == 1).await;
    let receiver = Receiver::of_queue("orders").connect(&place.options()).await;
    let first = receiver.expect("up").recv().await.expect("it comes");
    assert!(*first.body() == large.as_bytes());
    assert_eq!(
        (
            first.properties().priority(),
            first.properties().message_id()
        ),
        (Some(3), Some("m-1"))
    );
    assert_eq!(first.publisher().map(|(_, id)| id.0), Some(1));
    first.ack();
    relay.stop().await;
}

#[tokio::test]
async fn what_the_server_refuses_stays_with_the_reason_until_it_is_sent_again() {
    let mut place = Place::new().await;
    let to = |key| Message::from(key).routing_key(ShortStr::from_static(key));
    let away = ShortStr::from_static("no such exchange");
    place
        .commit([
            to("orders"),
            to("later"),
            to("x").exchange(away),
            to("orders"),
        ])
        .await;
    let foreign = "INSERT INTO \"the \"\"outbox\"\"\" (routing_key, properties, body)
                   VALUES ('orders', '\\x2000', 'b'), ('orders', DEFAULT, 'plain')";
    place.database.execute(foreign, &[]).await.expect("written");
    let relay = place.start(place.slow_relay());
    let counts = until(&relay, |counts| counts.landed == 3 && counts.refused == 3).await;
    assert_eq!(counts.resumed, 0);
    let bodies = place.come("orders", 3).await;
    assert_eq!(bodies, ["orders", "orders", "plain"]);
    let refused = place.outbox.refused(&place.database).await.expect("told");
    let reasons: Vec<&str> = refused.iter().map(|one| one.why.as_str()).collect();
    assert!(reasons[0].contains("312 NO_ROUTE"), "{reasons:?}");
    assert!(
        reasons[1].contains("no exchange 'no such exchange'"),
        "{reasons:?}"
    );
    assert!(reasons[2].contains("malformed properties"), "{reasons:?}");

    Raw::with_channel(place.server.address()).declare("later");
    let again = place.outbox.send_refused_again(&place.database).await;
    assert_eq!(again.expect("done"), 3);
    place.commit(["news"]).await;
    until(&relay, |counts| counts.landed == 5 && counts.refused == 5).await;
    assert_eq!(place.come("later", 1).await, ["later"]);
    relay.stop().await;
}

/// The moment between confirm and deletion, at every batch: the deletion fails.
#[tokio::test]
async fn a_relay_that_cannot_delete_what_landed_sends_it_again_under_the_same_ids() {
    let mut place = Place::new().await;
    let spoil = "CREATE SEQUENCE times;
        CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('times') % 2 = 1 THEN RAISE 'not now'; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER spoil AFTER DELETE ON \"the \"\"outbox\"\"\" EXECUTE FUNCTION spoil();";
    place.database.batch_execute(spoil).await.expect("made");
    place.commit((0..30).map(|number| number.to_string())).await;
    let relay = place.start(place.slow_relay().batch(10, 1 << 20));
    let counts = until(&relay, |counts| counts.landed == 30).await;
    assert_eq!(counts.resumed, 30, "each batch was sent by two");
    let ready = Raw::with_channel(place.server.address()).ready("orders");
    assert_eq!(ready, 30, "and landed once");
    relay.stop().await;
}

#[tokio::test]
async fn one_relay_works_and_the_next_goes_on_when_it_is_gone() {
    let mut place = Place::new().await;
    let soon = || OutboxRelay::of(&place.outbox).poll_every(Duration::from_millis(20));
    let first = place.start(soon());
    let second = place.start(soon());
    place.commit(["a"]).await;
    let started = Instant::now();
    while first.counts().landed + second.counts().landed < 1 {
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(5)).await;
    }
    let (works, waits) = match first.counts().landed {
        1 => (first, second),
        _ => (second, first),
    };
    place.commit(["b"]).await;
    until(&works, |counts| counts.landed == 2).await;
    assert_eq!(waits.counts(), RelayCounts::default());
    works.stop().await;
    place.commit(["c"]).await;
    until(&waits, |counts| counts.landed == 1).await;
    assert_eq!(place.come("orders", 3).await, ["a", "b", "c"]);
}

/// A database that comes back from a backup counts from where it was: its messages must not be taken for those that
/// were sent since.
#[tokio::test]
async fn new_messages_of_a_database_from_a_backup_land() {
    let mut place = Place::new().await;
    let backup = "CREATE TABLE backup AS TABLE \"the \"\"outbox\"\"_relay\"";
    place.database.batch_execute(backup).await.expect("taken");
    let relay = place.start(place.slow_relay());
    place.commit(["before"]).await;
    until(&relay, |counts| counts.landed == 1).await;
    relay.stop().await;
    let restore = "DELETE FROM \"the \"\"outbox\"\"_relay\";
                   INSERT INTO \"the \"\"outbox\"\"_relay\" TABLE backup;
                   ALTER SEQUENCE \"the \"\"outbox\"\"_id_seq\" RESTART";
    place.database.batch_execute(restore).await.expect("done");
    let relay = place.start(place.slow_relay());
    place.commit(["after"]).await;
    until(&relay, |counts| counts.landed == 1).await;
    assert_eq!(place.come("orders", 2).await, ["before", "after"]);
}

async fn deliveries(place: &Place) -> Vec<Delivery> {
    let sender = Sender::to_queue("orders").connect(&place.options()).await;
    let sender = sender.expect("the server is up");
    for body in ["first", "second"] {
        let sent = sender.send(body).await;
        sent.await.expect("it landed");
    }
    let mut raw = Raw::with_channel(place.server.address());
    raw.publish("orders", b"nobody's");
    let receiver = Receiver::of_queue("orders").connect(&place.options()).await;
    let mut receiver = receiver.expect("the server is up");
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        deliveries.push(receiver.recv().await.expect("it comes"));
    }
    deliveries
}

#[tokio::test]
async fn a_note_is_part_of_its_transaction_and_another_waits_for_its_end() {
    let place = Place::new().await;
    let inbox = PostgresInbox::new("r").in_table("public.notes");
    inbox.create(&place.database).await.expect("made");
    let deliveries = deliveries(&place).await;
    let [mut a, mut b] = [
        connected(&place.postgres).await,
        connected(&place.postgres).await,
    ];

    let undone = a.transaction().await.expect("begun");
    assert!(inbox.once(&undone, &deliveries[0]).await.expect("told"));
    assert!(inbox.once(&undone, &deliveries[1]).await.expect("told"));
    let other = PostgresInbox::new("other").in_table("public.notes");
    assert!(other.once(&undone, &deliveries[0]).await.expect("told"));
    let anonymous = inbox.once(&undone, &deliveries[2]).await;
    assert!(matches!(anonymous, Err(InboxError::Anonymous)));
    let second = b.transaction().await.expect("begun");
    let mut waits = Box::pin(inbox.once(&second, &deliveries[0]));
    let early = timeout(Duration::from_millis(200), &mut waits).await;
    assert!(early.is_err(), "it waits");
    undone.rollback().await.expect("undone");
    assert!(
        waits.await.expect("told"),
        "what was undone was not handled"
    );
    second.commit().await.expect("committed");

    let again = a.transaction().await.expect("begun");
    assert!(!inbox.once(&again, &deliveries[0]).await.expect("told"));
    let names = [
        MessageKey::Named("1"),
        MessageKey::Named("2"),
        MessageKey::Named("1"),
    ];
    let mut first = Vec::new();
    for name in names {
        first.push(inbox.note(&again, name).await.expect("told"));
    }
    assert_eq!(first, [true, true, false]);
}

#[tokio::test]
async fn notes_are_pruned_by_age_and_by_count() {
    let place = Place::new().await;
    let mut database = connected(&place.postgres).await;
    let [mine, other] = ["mine", "other"].map(PostgresInbox::new);
    mine.create(&database).await.expect("made");
    for number in 0..10 {
        let name = number.to_string();
        let transaction = database.transaction().await.expect("begun");
        for inbox in [&mine, &other] {
            let noted = inbox.note(&transaction, MessageKey::Named(&name)).await;
            assert!(noted.expect("told"));
        }
        transaction.commit().await.expect("committed");
    }
    let days = "UPDATE landfall_inbox SET handled_at = handled_at - interval '1 day'
                WHERE convert_from(message_id, 'UTF8')::int < 3";
    database.execute(days, &[]).await.expect("done");
    let hour = Duration::from_secs(3600);
    assert_eq!(mine.prune(&database, hour, 100).await.expect("done"), 3);
    assert_eq!(mine.prune(&database, hour, 5).await.expect("done"), 2);
    assert_eq!(mine.prune(&database, hour, 5).await.expect("done"), 0);
    let left = "SELECT string_agg(convert_from(message_id, 'UTF8'), ' ' ORDER BY message_id)
                FROM landfall_inbox WHERE receiver = $1";
    let left_of = async |receiver: &str| -> String {
        let row = database.query_one(left, &[&receiver]).await;
        row.expect("told").get(0)
    };
    assert_eq!(left_of("mine").await, "5 6 7 8 9");
    assert_eq!(left_of("other").await, "0 1 2 3 4 5 6 7 8 9");
}
