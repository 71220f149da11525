//! Transcripts: what happened, and what the machine did about it. Times are seconds.

use super::*;
use expect_test::{Expect, expect};
use model::ShortStr;
use std::fmt::Write;

const TIMES: Retransmission = Retransmission {
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(3),
    times: 3,
};

/// A sender whose every step is written down.
struct Script {
    now: u64,
    machine: Outgoing<&'static str>,
    text: String,
}

impl Script {
    fn new() -> Self {
        let mut machine = Outgoing::new(TIMES, PublishingId(1));
        machine.connected();
        Self {
            now: 0,
            machine,
            text: String::new(),
        }
    }

    fn send(&mut self, bodies: &[&'static str]) -> &mut Self {
        for body in bodies {
            self.machine
                .accept(Timestamp(self.now * 1000), Message::from(*body), body);
        }
        self.transmit()
    }

    /// Writes all there is to write.
    fn transmit(&mut self) -> &mut Self {
        let mut written = String::new();
        while let Some((id, message)) = self.machine.next_transmission() {
            let body = String::from_utf8_lossy(message.body());
            write!(written, " {id}:{body}").expect("a string takes all");
        }
        if !written.is_empty() {
            let now = self.now;
            writeln!(self.text, "{now:3} write{written}").expect("a string takes all");
        }
        self.report()
    }

    fn report(&mut self) -> &mut Self {
        while let Some(settled) = self.machine.poll_settled() {
            let now = self.now;
            match settled.outcome {
                Ok(sent) => writeln!(
                    self.text,
                    "{now:3} {} landed, attempt {}",
                    settled.done, sent.attempts
                ),
                Err(failed) => writeln!(self.text, "{now:3} {} failed: {failed}", settled.done),
            }
            .expect("a string takes all");
        }
        self
    }

    fn ack(&mut self, tag: u64) -> &mut Self {
        self.machine.confirmed(DeliveryTag(tag), false);
        self.report()
    }

    fn ack_up_to(&mut self, tag: u64) -> &mut Self {
        self.machine.confirmed(DeliveryTag(tag), true);
        self.report()
    }

    fn nack(&mut self, tag: u64) -> &mut Self {
        self.machine.refused(DeliveryTag(tag), false);
        self.report()
    }

    fn channel_closed(&mut self, code: u16, text: &str) -> &mut Self {
        writeln!(self.text, "{:3} channel closed", self.now).expect("a string takes all");
        self.machine.channel_closed(code, text);
        self.machine.connected();
        self.transmit()
    }

    fn lose_connection(&mut self) -> &mut Self {
        self.machine.troubled("connection reset".into());
        self
    }

    fn reconnect(&mut self) -> &mut Self {
        writeln!(self.text, "{:3} connected", self.now).expect("a string takes all");
        self.machine.connected();
        self.transmit()
    }

    /// Lets time pass, ticking only when the machine asked for it; `connected` says whether it can write.
    fn pass(&mut self, until: u64, connected: bool) -> &mut Self {
        while let Some(at) = self.machine.wake_at().filter(|at| at.0 <= until * 1000) {
            self.now = at.0 / 1000;
            self.machine.tick(at);
            if connected {
                self.transmit();
            } else {
                self.report();
            }
        }
        self.now = until;
        self
    }

    fn check(&mut self, expected: Expect) {
        let counts = self.machine.counts();
        writeln!(
            self.text,
            "sent {} confirmed {} failed {} retransmitted {}",
            counts.sent, counts.confirmed, counts.failed, counts.retransmitted
        )
        .expect("a string takes all");
        expected.assert_eq(&self.text);
    }
}

#[test]
fn confirms_settle_singly_and_in_groups() {
    Script::new()
        .send(&["a", "b", "c", "d"])
        .ack(2)
        .ack_up_to(3)
        .ack_up_to(3)
        .ack(9)
        .ack(4)
        .check(expect![[r#"
              0 write 1:a 2:b 3:c 4:d
              0 b landed, attempt 1
              0 a landed, attempt 1
              0 c landed, attempt 1
              0 d landed, attempt 1
            sent 4 confirmed 4 failed 0 retransmitted 0
        "#]]);
}

#[test]
fn without_a_confirm_it_is_transmitted_again_after_longer_and_longer_waits() {
    Script::new()
        .send(&["a"])
        .pass(100, true)
        .check(expect![[r#"
              0 write 1:a
              1 write 1:a
              3 write 1:a
              6 write 1:a
              9 a failed: message 1, attempt 4: no confirm came in time
            sent 1 confirmed 0 failed 1 retransmitted 3
        "#]]);
}

#[test]
fn any_transmission_that_is_confirmed_settles_it_and_the_others_are_nothing() {
    Script::new()
        .send(&["a", "b"])
        .pass(1, true)
        .ack_up_to(2)
        .ack_up_to(4)
        .pass(100, true)
        .check(expect![[r#"
              0 write 1:a 2:b
              1 write 1:a 2:b
              1 a landed, attempt 2
              1 b landed, attempt 2
            sent 2 confirmed 2 failed 0 retransmitted 2
        "#]]);
}

#[test]
fn a_nack_is_an_attempt_and_the_next_one_waits() {
    Script::new()
        .send(&["a", "b"])
        .nack(1)
        .ack(2)
        .pass(1, true)
        .nack(3)
        .pass(3, true)
        .nack(4)
        .pass(6, true)
        .nack(5)
        .pass(100, true)
        .check(expect![[r#"
              0 write 1:a 2:b
              0 b landed, attempt 1
              1 write 1:a
              3 write 1:a
              6 write 1:a
              9 a failed: message 1, attempt 4: the server could not land it (basic.nack)
            sent 2 confirmed 1 failed 1 retransmitted 3
        "#]]);
}

#[test]
fn a_new_connection_gets_what_is_unconfirmed_at_once_and_in_order() {
    Script::new()
        .send(&["a", "b", "c"])
        .ack(2)
        .lose_connection()
        .pass(2, false)
        .reconnect()
        .ack_up_to(1)
        .ack_up_to(2)
        .pass(100, true)
        .check(expect![[r#"
              0 write 1:a 2:b 3:c
              0 b landed, attempt 1
              2 connected
              2 write 1:a 3:c
              2 a landed, attempt 2
              2 c landed, attempt 2
            sent 3 confirmed 3 failed 0 retransmitted 2
        "#]]);
}

#[test]
fn without_a_connection_time_runs_out_too_and_says_why() {
    Script::new()
        .send(&["a"])
        .lose_connection()
        .pass(100, false)
        .check(expect![[r#"
              0 write 1:a
              9 a failed: message 1, attempt 4: no confirm came in time (connection reset)
            sent 1 confirmed 0 failed 1 retransmitted 0
        "#]]);
}

#[test]
fn an_unroutable_message_fails_before_its_confirm() {
    let mut script = Script::new();
    script.send(&["a", "b"]);
    script.machine.returned(PublishingId(1), 312, "NO_ROUTE");
    script.report().ack_up_to(2).check(expect![[r#"
          0 write 1:a 2:b
          0 a failed: message 1, attempt 1: no queue takes it: 312 NO_ROUTE
          0 b landed, attempt 1
        sent 2 confirmed 1 failed 1 retransmitted 0
    "#]]);
}

/// Those to exchanges that are there must not fail with the one that goes nowhere.
#[test]
fn a_missing_exchange_of_one_message_fails_that_message() {
    let mut script = Script::new();
    for (body, exchange) in [("good", "there"), ("bad", "missing"), ("fine", "there")] {
        let message = Message::from(body).exchange(ShortStr::from_static(exchange));
        script.machine.accept(Timestamp(0), message, body);
    }
    script
        .transmit()
        .channel_closed(404, "NOT_FOUND - no exchange 'missing'")
        .transmit()
        .ack(1)
        .transmit()
        .channel_closed(404, "NOT_FOUND - no exchange 'missing'")
        .transmit()
        .ack(1)
        .check(expect![[r#"
              0 write 1:good 2:bad 3:fine
              0 channel closed
              0 write 1:good
              0 good landed, attempt 1
              0 write 2:bad
              0 channel closed
              0 write 3:fine
              0 bad failed: message 2, attempt 1: the server refused it: 404 NOT_FOUND - no exchange 'missing'
              0 fine landed, attempt 1
            sent 3 confirmed 2 failed 1 retransmitted 3
        "#]]);
}

#[test]
fn a_message_with_an_id_of_its_own_goes_by_it_and_is_found_when_it_comes_back() {
    let mut script = Script::new();
    for (body, id) in [("one", 70), ("two", 2), ("three", 1)] {
        let message = Message::from(body).publishing_id(PublishingId(id));
        script.machine.accept(Timestamp(0), message, body);
    }
    script.transmit();
    // Their places are 1, 2 and 3.
    for id in [1, 70, 3] {
        script.machine.returned(PublishingId(id), 312, "NO_ROUTE");
    }
    script.ack_up_to(3).check(expect![[r#"
          0 write 70:one 2:two 1:three
          0 three failed: message 1, attempt 1: no queue takes it: 312 NO_ROUTE
          0 one failed: message 70, attempt 1: no queue takes it: 312 NO_ROUTE
          0 two landed, attempt 1
        sent 3 confirmed 1 failed 2 retransmitted 0
    "#]]);
}

#[test]
fn a_missing_exchange_fails_all_that_was_in_flight() {
    Script::new()
        .send(&["a", "b"])
        .channel_closed(404, "NOT_FOUND - no exchange 'x'")
        .send(&["c"])
        .ack(1)
        .check(expect![[r#"
              0 write 1:a 2:b
              0 channel closed
              0 a failed: message 1, attempt 1: the server refused it: 404 NOT_FOUND - no exchange 'x'
              0 b failed: message 2, attempt 1: the server refused it: 404 NOT_FOUND - no exchange 'x'
              0 write 3:c
              0 c landed, attempt 1
            sent 3 confirmed 1 failed 2 retransmitted 0
        "#]]);
}

#[test]
fn the_one_message_that_the_server_refuses_is_found_and_the_others_land() {
    Script::new()
        .send(&["a", "b", "bad", "c"])
        .ack(1)
        .channel_closed(406, "PRECONDITION_FAILED - invalid expiration")
        .send(&["d"])
        .ack(1)
        .transmit()
        .channel_closed(406, "PRECONDITION_FAILED - invalid expiration")
        .ack(1)
        .transmit()
        .ack_up_to(2)
        .check(expect![[r#"
              0 write 1:a 2:b 3:bad 4:c
              0 a landed, attempt 1
              0 channel closed
              0 write 2:b
              0 b landed, attempt 1
              0 write 3:bad
              0 channel closed
              0 write 4:c
              0 bad failed: message 3, attempt 1: the server refused it: 406 PRECONDITION_FAILED - invalid expiration
              0 c landed, attempt 1
              0 write 5:d
              0 d landed, attempt 1
            sent 5 confirmed 4 failed 1 retransmitted 3
        "#]]);
}

#[test]
fn one_at_a_time_does_not_wait_for_ever_for_a_silent_one() {
    Script::new()
        .send(&["a", "b"])
        .channel_closed(406, "PRECONDITION_FAILED")
        .pass(7, true)
        .pass(100, true)
        .check(expect![[r#"
              0 write 1:a 2:b
              0 channel closed
              0 write 1:a
              1 write 1:a
              3 write 1:a
              6 write 1:a
              9 a failed: message 1, attempt 4: no confirm came in time
              9 b failed: message 2, attempt 4: no confirm came in time
            sent 2 confirmed 0 failed 2 retransmitted 4
        "#]]);
}

#[test]
fn the_end_fails_the_rest() {
    let mut script = Script::new();
    script.send(&["a"]);
    script.machine.give_up(&WhyFailed::Closed);
    script.report().pass(100, true).check(expect![[r#"
          0 write 1:a
          0 a failed: message 1, attempt 1: the sender was closed
        sent 1 confirmed 0 failed 1 retransmitted 0
    "#]]);
}

#[test]
fn one_message_that_stays_unconfirmed_costs_no_memory_behind_it() {
    let mut machine = Outgoing::new(TIMES, PublishingId(1));
    machine.connected();
    machine.accept(Timestamp(0), Message::from("stays"), ());
    machine.next_transmission();
    for tag in 2..50_000 {
        machine.accept(Timestamp(0), Message::from("goes"), ());
        machine.next_transmission();
        machine.confirmed(DeliveryTag(tag), false);
        assert!(machine.poll_settled().is_some());
    }
    assert!(machine.deadlines[0].len() < 2 * DEADLINES_SPARE);
    assert_eq!(machine.settled_before(), PublishingId(1));
}

#[test]
fn many_attempts_with_one_wait_share_one_list() {
    let retransmission = Retransmission {
        times: 1_000_000,
        ..TIMES
    };
    let machine = Outgoing::<()>::new(retransmission, PublishingId(1));
    assert_eq!(machine.deadlines.len(), 3);
    let never = Retransmission { times: 0, ..TIMES };
    assert_eq!(
        Outgoing::<()>::new(never, PublishingId(1)).deadlines.len(),
        1
    );
}
