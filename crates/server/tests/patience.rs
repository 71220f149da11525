//! Our own client and the time that attempts have: what is worked on or waits is not given up, what is forgotten is.

use crate::harness::{Landfall, Scratch};
use client::{Delivery, Options, Receiver, RetryPolicy, Sender};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const TIME: Duration = Duration::from_secs(1);

fn policy() -> RetryPolicy {
    RetryPolicy::default()
        .acknowledge_within(TIME)
        .waits(TIME, TIME * 4)
}

/// A server, and a receiver of a queue with these messages in it.
async fn begin(scratch: &Scratch, bodies: u32) -> (Landfall, Sender, Receiver) {
    let server = Landfall::start(&scratch.data_dir());
    let options = Options::parse([server.url().as_str()]).expect("a good address");
    let sender = Sender::to_queue("work")
        .declare_with(policy())
        .connect(&options)
        .await
        .expect("the server is up");
    for number in 0..bodies {
        let sent = sender.send(number.to_string()).await;
        sent.await.expect("it landed");
    }
    let receiver = Receiver::of_queue("work")
        .declare_with(policy())
        .connect(&options)
        .await
        .expect("the server is up");
    (server, sender, receiver)
}

async fn next(receiver: &mut Receiver) -> Delivery {
    let next = timeout(Duration::from_secs(20), receiver.recv()).await;
    next.expect("it comes").expect("it goes on")
}

/// All of them are fetched at once, and the last waits for four times as long as an attempt may take.
#[tokio::test]
async fn what_waits_for_a_slow_application_does_not_lose_its_time() {
    let scratch = Scratch::new();
    let (_server, _sender, mut receiver) = begin(&scratch, 20).await;
    for number in 0..20 {
        let delivery = next(&mut receiver).await;
        assert_eq!(*delivery.body(), number.to_string());
        sleep(Duration::from_millis(200)).await;
        delivery.ack();
    }
    sleep(TIME * 2).await;
    assert!(receiver.try_recv().is_none(), "nothing comes again");
    let counts = receiver.counts();
    assert_eq!((counts.received, counts.redelivered), (20, 0));
}

#[tokio::test]
async fn long_work_is_extended_and_forgotten_work_comes_again_later_and_later() {
    let scratch = Scratch::new();
    let (_server, _sender, mut receiver) = begin(&scratch, 2).await;
    let (long, forgotten) = (next(&mut receiver).await, next(&mut receiver).await);
    let began = Instant::now();
    long.extend(TIME * 4);
    let again = next(&mut receiver).await;
    let waited = began.elapsed();
    assert!(
        waited >= TIME.mul_f64(0.9) && waited < TIME.mul_f64(1.3),
        "{waited:?}"
    );
    assert_eq!(again.body(), forgotten.body());
    assert!(again.redelivered());
    assert_eq!(
        (
            again.attempt(),
            again.delivery_count(),
            again.acquired_count()
        ),
        (2, 1, 1)
    );
    let third = next(&mut receiver).await;
    let waited = began.elapsed();
    assert!(
        waited >= TIME.mul_f64(2.7) && waited < TIME.mul_f64(3.6),
        "{waited:?}"
    );
    assert_eq!((third.body(), third.attempt()), (forgotten.body(), 3));
    // Whichever of its deliveries is acknowledged: it is done.
    forgotten.ack();
    long.ack();
    drop((again, third));
    sleep(TIME * 3).await;
    assert!(receiver.try_recv().is_none(), "both are done");
}
