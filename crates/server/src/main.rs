//! `landfall`: the server, and the commands that go with it.

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use server::config::ServeArgs;
use server::manage::{
    AuditArgs, BindingArgs, ChannelArgs, ClusterArgs, ConnectionArgs, ConsumerArgs,
    DefinitionsArgs, ExchangeArgs, MessageArgs, OperationsArgs, PermissionArgs, PolicyArgs,
    PublishArgs, QueueArgs, SelfTestArgs, StatusArgs, TopArgs, UserArgs, VhostArgs,
};
use server::migrate::{MigrateArgs, migrate};
use server::receive::{ReceiveArgs, receive};
use server::send::{SendArgs, send};
use server::trying::{TryArgs, try_out};
use std::process::ExitCode;

/// Buffers are freed by another task or thread than allocated them: faster here than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A message queue server that does not lose messages
#[derive(Parser)]
#[command(name = "landfall", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (what happens without a command, too)
    Serve(ServeArgs),
    /// Verify a data directory without changing it, and print what it holds
    Check(ServeArgs),
    /// Copy everything from a data directory into a cluster's database, or back; no server may run on either
    Migrate(MigrateArgs),
    /// Run a whole cluster on this machine, with a ZooKeeper and a PostgreSQL of its own, to try it out
    Try(TryArgs),
    /// Send the lines of a file as messages, each until it has landed
    Send(SendArgs),
    /// Receive messages as lines, each acknowledged once it is written
    Receive(ReceiveArgs),
    /// One look at a running server: what there is, how much goes through, what should be looked at. Ends with 0 if all is
    /// well, 3 if something should be looked at, 1 if no server answers
    Status(StatusArgs),
    /// A running server, live on the terminal
    Top(TopArgs),
    /// Users of a running server: list, make, change, remove
    User(UserArgs),
    /// Virtual hosts of a running server: list, make, remove
    Vhost(VhostArgs),
    /// What users may do in virtual hosts: list, set, clear
    Permission(PermissionArgs),
    /// Policies of a running server, also those of operators: list, set, clear
    Policy(PolicyArgs),
    /// Connections and consumers of a running server: list, close
    Connection(ConnectionArgs),
    /// Channels of a running server: list
    Channel(ChannelArgs),
    /// Consumers of a running server, and why one gets nothing: list
    Consumer(ConsumerArgs),
    /// Queues of a running server and their messages: list, show, declare, delete, purge, pause, resume, peek, redrive, fire, cancel
    Queue(QueueArgs),
    /// Exchanges of a running server: list, declare, delete
    Exchange(ExchangeArgs),
    /// What leads from exchanges to queues and other exchanges of a running server: list, add, remove
    Binding(BindingArgs),
    /// One message to an exchange of a running server; it ends when it has landed
    Publish(PublishArgs),
    /// All definitions of a running server as one file, as RabbitMQ writes and reads it
    Definitions(DefinitionsArgs),
    /// Messages of a running server: find, move, edit them, and see what became of one
    Message(MessageArgs),
    /// Whether all messages of a running server are accounted for: of each queue what it accepted, what ended and how,
    /// and what is here
    Audit(AuditArgs),
    /// Have a running server send a message through itself and look at clock, disk and memory. Ends with 1 if something is
    /// wrong
    SelfTest(SelfTestArgs),
    /// What operators did, and which logins were refused
    Operations(OperationsArgs),
    /// The cluster of a running server: status, drain, rebalance
    Cluster(ClusterArgs),
    /// Print a script that completes these commands in a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let done = match line.command.unwrap_or(Command::Serve(line.serve)) {
        Command::Serve(args) => server::serve::serve(args),
        Command::Check(args) => server::check::check(args),
        Command::Migrate(args) => as_client(migrate(args)),
        Command::Try(args) => as_client(try_out(args)),
        Command::Send(args) => as_client(send(args)),
        Command::Receive(args) => as_client(receive(args)),
        Command::User(args) => server::manage::user(args),
        Command::Vhost(args) => server::manage::vhost(args),
        Command::Permission(args) => server::manage::permission(args),
        Command::Message(args) => server::manage::message(args),
        Command::Audit(args) => server::manage::audit(args),
        Command::Operations(args) => server::manage::operations(args),
        Command::SelfTest(args) => server::manage::self_test(args),
        Command::Policy(args) => server::manage::policy(args),
        Command::Connection(args) => server::manage::connection(args),
        Command::Channel(args) => server::manage::channel(args),
        Command::Consumer(args) => server::manage::consumer(args),
        Command::Exchange(args) => server::manage::exchange(args),
        Command::Binding(args) => server::manage::binding(args),
        Command::Publish(args) => server::manage::publish(args),
        Command::Top(args) => server::manage::top(args),
        Command::Status(args) => return ended(server::manage::status(args)),
        Command::Cluster(args) => return ended(server::manage::cluster(args)),
        Command::Completions { shell } => {
            let mut command = CommandLine::command();
            clap_complete::generate(shell, &mut command, "landfall", &mut std::io::stdout());
            Ok(())
        }
        Command::Queue(args) => server::manage::queue(args),
        Command::Definitions(args) => server::manage::definitions(args),
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

/// How the process ends.
fn ended(done: anyhow::Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|error| {
        eprintln!("landfall: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs one of the commands that talk to a server.
fn as_client(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(command);
    // Standard input may be waited for on a thread that cannot be interrupted.
    runtime.shutdown_background();
    done
}
