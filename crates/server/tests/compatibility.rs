//! docs/compatibility.md: its tables are made here, from the method and argument tables and from what the server
//! says about itself, so that the page cannot drift. `UPDATE_EXPECT=1` writes them.

use broker::arguments::{ARGUMENTS, Of, Support};
use model::method::{access, basic, channel, confirm, connection, exchange, queue, tx};
use model::{Method, Value};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Who sends a method.
enum From {
    Client,
    Server,
    Both,
}

use From::{Both, Client, Server};

/// One line for each method; one that is missing does not compile.
macro_rules! methods {
    ($($variant:ident = $class:ident::$name:ident: $from:ident, $what:literal;)*) => {
        fn methods() -> Vec<(Method, From, &'static str)> {
            vec![$(($class::$name::default().into(), $from, $what)),*]
        }

        #[expect(dead_code, reason = "the compiler checks that no method is left out")]
        fn is_listed(method: &Method) {
            match method {
                $(Method::$variant(_) => {})*
            }
        }
    };
}

methods! {
    ConnectionStart = connection::Start: Server, "yes";
    ConnectionStartOk = connection::StartOk: Client, "yes; mechanisms PLAIN and AMQPLAIN; EXTERNAL for clients that have shown a certificate ([docs/security.md](security.md))";
    ConnectionSecure = connection::Secure: Server, "not sent: no mechanism needs a second step";
    ConnectionSecureOk = connection::SecureOk: Client, "refused with 504, as nothing asks for it";
    ConnectionTune = connection::Tune: Server, "yes; never 0 for frame_max or channel_max";
    ConnectionTuneOk = connection::TuneOk: Client, "yes; more than offered, 0 (\"no limit\") or too little is 530";
    ConnectionOpen = connection::Open: Client, "yes; differs: an empty virtual host is `/`";
    ConnectionOpenOk = connection::OpenOk: Server, "yes";
    ConnectionClose = connection::Close: Both, "yes";
    ConnectionCloseOk = connection::CloseOk: Both, "yes; waited for up to 30 s";
    ConnectionBlocked = connection::Blocked: Server, "yes, to connections that publish and have the capability";
    ConnectionUnblocked = connection::Unblocked: Server, "yes";
    ConnectionUpdateSecret = connection::UpdateSecret: Client, "yes; another token of who came with [one](security.md#tokens), else accepted";
    ConnectionUpdateSecretOk = connection::UpdateSecretOk: Server, "yes";
    ChannelOpen = channel::Open: Client, "yes; differs: a number above channel_max is 530 (RabbitMQ counts channels instead)";
    ChannelOpenOk = channel::OpenOk: Server, "yes";
    ChannelFlow = channel::Flow: Both, "active=true is answered, active=false is 540; never sent";
    ChannelFlowOk = channel::FlowOk: Both, "sent; 503 from a client, as nothing asks for it";
    ChannelClose = channel::Close: Both, "yes; differs: answered when what the channel published has landed";
    ChannelCloseOk = channel::CloseOk: Both, "yes; differs: acknowledgements that come behind it are dropped, not 504";
    AccessRequest = access::Request: Client, "yes, for old clients";
    AccessRequestOk = access::RequestOk: Server, "yes; the ticket is 1 and means nothing";
    ExchangeDeclare = exchange::Declare: Client, "yes; differs: an unknown type is 406, as in RabbitMQ 4";
    ExchangeDeclareOk = exchange::DeclareOk: Server, "yes, when it has landed";
    ExchangeDelete = exchange::Delete: Client, "yes";
    ExchangeDeleteOk = exchange::DeleteOk: Server, "yes, when it has landed";
    ExchangeBind = exchange::Bind: Client, "yes";
    ExchangeBindOk = exchange::BindOk: Server, "yes, when it has landed";
    ExchangeUnbind = exchange::Unbind: Client, "yes";
    ExchangeUnbindOk = exchange::UnbindOk: Server, "yes; method 51";
    QueueDeclare = queue::Declare: Client, "yes; a passive one counts what its channel published before";
    QueueDeclareOk = queue::DeclareOk: Server, "yes, when it has landed";
    QueueBind = queue::Bind: Client, "yes";
    QueueBindOk = queue::BindOk: Server, "yes, when it has landed";
    QueuePurge = queue::Purge: Client, "yes; ready messages";
    QueuePurgeOk = queue::PurgeOk: Server, "yes, when it has landed";
    QueueDelete = queue::Delete: Client, "yes; a missing queue is no error";
    QueueDeleteOk = queue::DeleteOk: Server, "yes, when it has landed";
    QueueUnbind = queue::Unbind: Client, "yes";
    QueueUnbindOk = queue::UnbindOk: Server, "yes, when it has landed";
    BasicQos = basic::Qos: Client, "yes; differs: counts for running consumers at once; prefetch_size is 540";
    BasicQosOk = basic::QosOk: Server, "yes";
    BasicConsume = basic::Consume: Client, "yes; no_local is ignored";
    BasicConsumeOk = basic::ConsumeOk: Server, "yes";
    BasicCancel = basic::Cancel: Both, "yes; sent to clients with consumer_cancel_notify";
    BasicCancelOk = basic::CancelOk: Both, "yes; ignored from a client (RabbitMQ: 503)";
    BasicPublish = basic::Publish: Client, "yes; immediate is 540";
    BasicReturn = basic::Return: Server, "yes, before the confirm";
    BasicDeliver = basic::Deliver: Server, "yes, after the message has landed";
    BasicGet = basic::Get: Client, "yes; finds what its channel published before";
    BasicGetOk = basic::GetOk: Server, "yes";
    BasicGetEmpty = basic::GetEmpty: Server, "yes";
    BasicAck = basic::Ack: Both, "yes; as a confirm when the message has landed in all of its queues";
    BasicReject = basic::Reject: Client, "yes";
    BasicRecoverAsync = basic::RecoverAsync: Client, "yes; requeue=false is 540";
    BasicRecover = basic::Recover: Client, "yes; requeue=false is 540";
    BasicRecoverOk = basic::RecoverOk: Server, "yes";
    BasicNack = basic::Nack: Both, "yes; sent where a full queue refuses (`x-overflow`)";
    ConfirmSelect = confirm::Select: Client, "yes";
    ConfirmSelectOk = confirm::SelectOk: Server, "yes";
    TxSelect = tx::Select: Client, "yes";
    TxSelectOk = tx::SelectOk: Server, "yes";
    TxCommit = tx::Commit: Client, "yes";
    TxCommitOk = tx::CommitOk: Server, "yes; differs: when all of it has landed, acknowledgements too";
    TxRollback = tx::Rollback: Client, "yes";
    TxRollbackOk = tx::RollbackOk: Server, "yes";
}

/// The properties of a message, and what the server does with each.
const PROPERTIES: &[(&str, &str)] = &[
    ("content-type", "passed on"),
    ("content-encoding", "passed on"),
    (
        "headers",
        "passed on, every field type, unchanged; read: CC, BCC (taken out), x-death, what a headers exchange is bound with, what a queue deduplicates by, x-cache-ttl, publisher and publishing id",
    ),
    (
        "delivery-mode",
        "passed on; a transient message lands like a persistent one",
    ),
    ("priority", "passed on; read by queues with x-max-priority"),
    ("correlation-id", "passed on; any bytes"),
    (
        "reply-to",
        "passed on; amq.rabbitmq.reply-to is rewritten (direct reply-to)",
    ),
    (
        "expiration",
        "read and passed on; what is no whole number of milliseconds is 406; left out of what is dead-lettered",
    ),
    (
        "message-id",
        "passed on; any bytes; read by queues with x-deduplication-property",
    ),
    ("timestamp", "passed on"),
    ("type", "passed on"),
    (
        "user-id",
        "passed on; 406 if it is not the login's name, except for users tagged `impersonator`",
    ),
    ("app-id", "passed on"),
    ("cluster-id", "passed on"),
];

/// What the protocol leaves to be tested, and the tests that do: (rule, their names).
const RULES: &[(&str, &[&str])] = &[
    (
        "Another protocol header is answered with ours, and the connection ends; HTTP, TLS and AMQP 1.0 are named in the log",
        &[
            "peers_that_do_not_speak_the_protocol",
            "who_speaks_another_protocol_is_named_in_the_log",
        ],
    ),
    (
        "PLAIN and AMQPLAIN; another mechanism is 503, a malformed response 502",
        &["mechanisms"],
    ),
    (
        "A refused login is told after a second: 403 to clients with authentication_failure_close, nothing to others",
        &[
            "logins_that_are_refused",
            "a_refused_login_is_answered_late_and_holds_up_nobody",
            "a_refused_login_without_the_capability_is_hung_up_on_after_the_delay",
        ],
    ),
    (
        "The handshake may take 10 s (`--handshake-timeout`)",
        &[
            "handshakes_that_are_not_finished",
            "half_a_frame_and_then_silence_is_dropped_after_the_handshake_timeout",
        ],
    ),
    (
        "An unknown virtual host is 530, an empty one is `/`",
        &[
            "a_vhost_that_is_not_there_is_refused_by_name",
            "an_empty_virtual_host_is_the_slash",
        ],
    ),
    (
        "What a user may do is asked where RabbitMQ asks, and refused with 403; the text names the right, which RabbitMQ 3.10's does not",
        &[
            "to_make_and_remove_is_to_configure",
            "to_publish_is_to_write_and_to_receive_is_to_read",
            "to_bind_is_to_write_to_the_destination_and_to_read_from_the_source",
            "dead_letters_and_alternates_are_read_from_one_and_written_to_the_other",
            "topic_permissions_are_asked_of_routing_keys_at_topic_exchanges",
            "a_change_counts_at_once_and_patterns_are_checked",
        ],
    ),
    (
        "Limits of users and virtual hosts: connections and channels 530, queues 406",
        &[
            "a_user_has_as_many_connections_and_channels_as_allowed",
            "a_vhost_has_as_many_connections_and_queues_as_allowed",
        ],
    ),
    (
        "The connections of a user or virtual host that is removed are closed with 320",
        &[
            "a_user_who_is_removed_loses_connections_and_permissions",
            "a_vhost_goes_with_all_that_is_in_it_and_returns_empty",
        ],
    ),
    (
        "Operator policies: of numbers the lower one counts, whoever said it",
        &[
            "the_operators_limit_counts_if_it_is_the_lower_one",
            "of_two_numbers_the_lower_one_counts_and_the_rest_stays",
        ],
    ),
    (
        "Policies: the one of the highest priority counts, of numbers the stricter one, else the declared argument",
        &[
            "a_queue_follows_a_new_policy_at_once",
            "the_stricter_number_counts_and_the_owners_word",
            "a_time_to_live_counts_from_the_policy_on_for_what_waits",
            "dead_letters_and_alternates_are_policies_too",
        ],
    ),
    (
        "A delay counts from the publish on, by exchange or queue; nothing is delivered before, and a restart changes nothing",
        &[
            "an_exchange_puts_off_what_asks_for_it_and_it_is_in_its_queue_at_once",
            "a_queue_puts_off_all_that_comes_and_the_later_time_counts",
            "a_delay_goes_on_after_a_restart_and_what_was_due_by_then_may_have_been_delivered",
            "time_to_live_begins_when_the_delay_ends_and_does_not_begin_anew",
        ],
    ),
    (
        "tune-ok above the offer, 0, or below the minimum is 530",
        &["what_tune_ok_may_say"],
    ),
    (
        "The client's heartbeat counts, 0 is none; sent at half of it, two missed end the connection, any byte counts",
        &[
            "we_are_heard_every_half_interval_and_hear_within_two",
            "what_is_written_anyway_is_a_sign_of_life",
            "without_heartbeats_nothing_is_timed",
        ],
    ),
    (
        "While a connection is not read, its silence is not held against it",
        &[
            "silence_is_not_held_against_a_client_that_nobody_reads",
            "a_blocked_publisher_is_told_once_and_its_silence_is_not_held_against_it",
        ],
    ),
    (
        "A frame above frame_max (8 octets of slack) or with a wrong end is 501, a heartbeat on a channel and frames out of order 505, an unknown method 540",
        &[
            "a_frame_may_have_frame_max_of_payload_and_no_more",
            "every_malformed_input_is_told_its_reply_code",
            "an_unknown_method_closes_its_connection_only",
        ],
    ),
    (
        "A channel above channel_max is 530; opened twice, or used and not open, 504",
        &[
            "channel_numbers_end_at_the_channel_max_that_was_agreed",
            "a_channel_is_opened_once",
            "a_channel_is_opened_before_it_is_used",
        ],
    ),
    (
        "What comes on a channel that is closing is dropped; behind close-ok its number is free, and late acknowledgements are nothing",
        &[
            "a_channel_that_breaks_is_deaf_until_close_ok_and_free_after",
            "both_ends_close_a_channel_at_once",
            "a_channel_number_is_free_again_right_behind_close_ok",
            "what_was_meant_for_a_channel_before_does_not_reach_the_one_that_has_its_number_now",
        ],
    ),
    (
        "connection.close-ok is waited for 30 s; a server that stops says 320",
        &[
            "a_close_that_is_not_answered",
            "both_ends_close_the_connection_at_once",
            "sigterm_tells_clients_320_and_loses_nothing",
        ],
    ),
    (
        "A body over `--message-size-max` (128 MiB) is 406, over 512 MiB 501; an empty one is no frame",
        &[
            "a_body_over_the_limit_costs_its_channel_and_one_that_no_limit_allows_the_connection",
            "an_empty_body_is_no_frame",
        ],
    ),
    (
        "update-secret, channel.flow and access.request are answered",
        &[
            "what_is_answered_without_the_broker",
            "a_secret_is_updated_at_any_time",
        ],
    ),
    (
        "connection.blocked once, to those that publish",
        &[
            "publishers_are_blocked_while_the_disk_is_nearly_full_and_acks_still_land",
            "a_blocked_publisher_is_told_once_and_its_silence_is_not_held_against_it",
        ],
    ),
    (
        "Every limit is told: connections and channels 530, queues, exchanges, bindings and unsettled deliveries 406",
        &[
            "one_connection_too_many_is_told_so_and_a_place_that_is_left_is_taken",
            "queues_exchanges_and_bindings_are_as_many_as_configured",
            "a_consumer_that_acknowledges_nothing_gets_as_much_as_configured",
            "unfinished_messages_of_all_connections_share_a_budget_and_all_complete",
        ],
    ),
];

fn method_table() -> String {
    let mut out = String::from("| method | number | sent by | supported |\n|---|---|---|---|\n");
    for (method, from, what) in methods() {
        let id = method.id();
        let from = match from {
            Client => "client",
            Server => "server",
            Both => "both",
        };
        let (class, number) = (id.class, id.method);
        line(
            &mut out,
            &[method.name(), &format!("{class}.{number}"), from, what],
        );
    }
    out
}

fn argument_table() -> String {
    let mut out = String::from(
        "| of | argument | takes | declared again | support | meaning |\n|---|---|---|---|---|---|\n",
    );
    for argument in ARGUMENTS {
        let of = match argument.of {
            Of::Queue => "queue",
            Of::Consumer => "consumer",
            Of::Exchange => "exchange",
        };
        let support = match argument.support {
            Support::Works => "yes",
            Support::Kept => "checked, kept and shown",
        };
        let again = if argument.compared {
            "the same"
        } else {
            "anything"
        };
        let takes = argument.takes.to_string();
        line(
            &mut out,
            &[
                of,
                &format!("`{}`", argument.name),
                &takes,
                again,
                support,
                argument.meaning,
            ],
        );
    }
    out
}

fn property_table() -> String {
    let mut out = String::from("| property | what becomes of it |\n|---|---|\n");
    for (name, what) in PROPERTIES {
        line(&mut out, &[name, what]);
    }
    out
}

fn server_properties_table() -> String {
    let config = server::config::ServeArgs::default().config();
    let properties = server::login::server_properties(&config.expect("the defaults are valid"));
    let mut out = String::from("| field | value |\n|---|---|\n");
    for (name, value) in properties.iter() {
        match value {
            Value::Table(capabilities) => {
                for (capability, able) in capabilities {
                    let able = if able == Value::Bool(true) {
                        "true"
                    } else {
                        "false"
                    };
                    line(&mut out, &[&format!("{name}.{capability}"), able]);
                }
            }
            value => line(&mut out, &[name, value.as_str().expect("a string")]),
        }
    }
    out
}

/// The options of `landfall serve` that limit something.
fn limit_table() -> String {
    let serve =
        <server::config::ServeArgs as clap::Args>::augment_args(clap::Command::new("serve"));
    let mut out = String::from("| option | environment | limit |\n|---|---|---|\n");
    for option in serve.get_arguments() {
        let (Some(name), Some(env), Some(help)) =
            (option.get_long(), option.get_env(), option.get_help())
        else {
            continue;
        };
        if name.ends_with("-max") || ["handshake-timeout", "memory-limit"].contains(&name) {
            let (name, env) = (format!("`--{name}`"), format!("`{}`", env.display()));
            line(&mut out, &[&name, &env, &help.to_string()]);
        }
    }
    out
}

fn rule_table() -> String {
    let known = test_names();
    let mut out = String::from("| rule | tests |\n|---|---|\n");
    for (rule, tests) in RULES {
        for test in *tests {
            assert!(known.contains(*test), "there is no test {test}");
        }
        let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
        line(&mut out, &[rule, &tests.join(", ")]);
    }
    out
}

fn line(out: &mut String, cells: &[&str]) {
    writeln!(out, "| {} |", cells.join(" | ")).expect("a string takes it");
}

fn root() -> PathBuf {
    let server = Path::new(env!("CARGO_MANIFEST_DIR"));
    server
        .join("../..")
        .canonicalize()
        .expect("the root is there")
}

/// The names of the functions in the tests of the protocol, the heart and the server.
fn test_names() -> BTreeSet<String> {
    let folders = [
        "crates/wire/src/tests",
        "crates/broker/src/tests",
        "crates/server/tests",
    ];
    let files = folders.iter().flat_map(|folder| {
        let files = std::fs::read_dir(root().join(folder)).expect("the tests are there");
        files.map(|file| file.expect("a file").path())
    });
    let sources = files.filter(|file| file.is_file());
    let mut names = BTreeSet::new();
    for source in sources {
        let text = std::fs::read_to_string(&source).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("fn "));
        names.extend(lines.filter_map(|line| Some(line.split_once('(')?.0.to_owned())));
    }
    names
}

/// Puts `table` between the marks of that name.
fn replaced(page: &str, name: &str, table: &str) -> String {
    let begin = format!("<!-- {name}: written by a test -->\n");
    let (before, rest) = page.split_once(&begin).expect("the page has its mark");
    let (_, after) = rest
        .split_once("<!-- end -->")
        .expect("the page has its end mark");
    format!("{before}{begin}\n{table}\n<!-- end -->{after}")
}

#[test]
fn the_page_on_compatibility_says_what_is_so() {
    let path = root().join("docs/compatibility.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let tables = [
        ("methods", method_table()),
        ("arguments", argument_table()),
        ("properties", property_table()),
        ("server properties", server_properties_table()),
        ("limits", limit_table()),
        ("rules", rule_table()),
    ];
    let new = tables.iter().fold(page.clone(), |page, (name, table)| {
        replaced(&page, name, table)
    });
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, new).expect("the page can be written");
    } else {
        assert!(
            new == page,
            "docs/compatibility.md is not what the tables say; UPDATE_EXPECT=1 writes it"
        );
    }
}
