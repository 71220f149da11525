//! `landfall send` and `landfall receive` with a real file, also while the server is killed.

use crate::harness::{Landfall, Scratch};
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// At least so many lines are sent.
const LINES: usize = 200_000;
/// Longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Debian's lists of words (packages wamerican and others).
const WORD_LISTS: [&str; 2] = ["/usr/share/dict/american-english", "/usr/share/dict/words"];

#[test]
fn a_file_of_real_lines_comes_out_as_it_went_in() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let cli = Cli::new(&scratch, server.address());
    let text = real_lines();
    let count = lines_of(&text).len().to_string();
    let file = cli.file("in", &text);

    let sent = cli.run(&["send", "words", &file]);
    assert_success(&sent);
    let summary = format!("sent {count}, confirmed {count}, retransmitted 0, failed 0 in");
    assert!(said(&sent).contains(&summary), "{}", said(&sent));

    let out = cli.path("out");
    let received = cli.run(&["receive", "words", "--count", &count, "--out", &out]);
    assert_success(&received);
    let summary = format!("received {count}, redelivered 0, duplicates suppressed 0 in");
    assert!(said(&received).contains(&summary), "{}", said(&received));
    assert_same_lines(&text, &fs::read(&out).expect("it was written"));

    let nothing = cli.run(&["receive", "words", "--idle-exit", "0.5"]);
    assert_success(&nothing);
    assert!(nothing.stdout.is_empty(), "everything was acknowledged");
}

#[test]
fn nothing_confirmed_is_missing_when_the_server_is_killed_on_the_way() {
    let scratch = Scratch::new();
    let mut server = Landfall::start(&scratch.data_dir());
    let address = server.address();
    let cli = Cli::new(&scratch, address);
    let text = real_lines();
    let count = lines_of(&text).len().to_string();
    let file = cli.file("in", &text);
    let (counted, spared) = (cli.path("counted"), cli.path("spared"));

    let children = [
        vec!["send", "counted", &file],
        vec!["send", "spared", &file],
        vec![
            "receive",
            "spared",
            "--suppress-duplicates",
            "--count",
            &count,
            "--out",
            &spared,
        ],
    ]
    .map(|arguments| cli.spawn(&arguments));
    let counting = cli.spawn(&["receive", "counted", "--out", &counted]);
    for kill in 1..=5 {
        // On the way: each time another sixth of the lines has come.
        wait_for(&spared, |written| written.len() >= text.len() * kill / 6);
        server.kill();
        server = Landfall::start_at(&scratch.data_dir(), address);
    }
    let [sent, sent_spared, received_spared] = children.map(finish);
    // With duplicates it cannot know when it has everything: it is told to stop.
    wait_for(&counted, |written| {
        times(written).len() >= lines_of(&text).len()
    });
    let pid = rustix::process::Pid::from_child(&counting);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    let received_counted = finish(counting);
    for output in [&sent, &sent_spared, &received_spared, &received_counted] {
        println!("{}", said(output).trim_end());
        assert_success(output);
    }
    for sent in [sent, sent_spared] {
        assert!(
            said(&sent).contains(&format!("confirmed {count}, ")),
            "{}",
            said(&sent)
        );
    }

    assert_same_lines(&text, &fs::read(&spared).expect("it was written"));
    let counted = fs::read(&counted).expect("it was written");
    let times = times(&counted);
    let lines = lines_of(&text);
    let missing = lines
        .iter()
        .filter(|line| !times.contains_key(**line))
        .count();
    let duplicates = lines_of(&counted).len() - times.len();
    println!("without suppression: {missing} missing, {duplicates} duplicates");
    assert_eq!(missing, 0);
    assert_eq!(times.len(), lines.len(), "nothing was invented");
    assert!(server.terminate().success());
}

#[test]
fn a_file_sent_twice_under_one_name_lands_once() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let cli = Cli::new(&scratch, server.address());
    let half = cli.file("half", b"one\ntwo\n");
    let whole = cli.file("whole", b"one\ntwo\nthree\n");
    for file in [&half, &whole, &whole] {
        assert_success(&cli.run(&["send", "q", file, "--publisher-id", "nightly"]));
    }
    let received = cli.run(&["receive", "q", "--count", "3"]);
    assert_eq!(received.stdout, b"one\ntwo\nthree\n");
    let more = cli.run(&["receive", "q", "--idle-exit", "0.5"]);
    assert!(more.stdout.is_empty());
}

#[test]
fn bodies_are_bytes_divided_as_asked() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let cli = Cli::new(&scratch, server.address());
    let null = cli.file("null", b"two\nlines\0\xff\xfe\0");
    assert_success(&cli.run(&["send", "q", &null, "--null"]));
    let received = cli.run(&["receive", "q", "--count", "2", "-0"]);
    assert_eq!(received.stdout, b"two\nlines\0\xff\xfe\0");

    let large = vec![b'\n'; 1_000_000];
    let file = cli.file("large", &large);
    assert_success(&cli.run(&["send", "q", &file, "--whole"]));
    let received = cli.run(&["receive", "q", "--count", "1", "--whole"]);
    assert!(received.stdout == large);

    let mut send = cli.spawn(&["send", "q"]);
    let mut stdin = send.stdin.take().expect("it is a pipe");
    stdin.write_all(b"from a pipe").expect("it is read");
    drop(stdin);
    assert_success(&finish(send));
    let received = cli.run(&["receive", "q", "--count", "1"]);
    assert_eq!(received.stdout, b"from a pipe\n");
}

#[test]
fn what_cannot_be_done_is_said_and_fails() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let cli = Cli::new(&scratch, server.address());
    let file = cli.file("in", b"one\n");
    let fails = |arguments: &[&str], why: &str| {
        let output = cli.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            said(&output).contains(why),
            "{arguments:?}: {}",
            said(&output)
        );
    };
    fails(&["send", "q", "/does/not/exist"], "/does/not/exist");
    fails(
        &["send", "q", &file, "--url", "localhost:5672"],
        "begins with amqp://",
    );
    fails(&["receive", "q", "--out", &file], "--append");
    fails(
        &["receive", "q", "--out", "/does/not/exist"],
        "/does/not/exist",
    );

    server.kill();
    fails(&["send", "q", &file, "--patience", "0"], "127.0.0.1");
    fails(&["receive", "q", "--patience", "0"], "127.0.0.1");
}

/// Real words, each line with its number so that lines are told apart; the list again and again until it is long
/// enough. Where no list is installed, numbers have to do.
fn real_lines() -> Vec<u8> {
    let list = WORD_LISTS.iter().find_map(|list| fs::read(list).ok());
    if list.is_none() {
        println!("no list of words is installed: the lines are numbers");
    }
    let list = list.unwrap_or_else(|| b"number\n".to_vec());
    let words = lines_of(&list);
    let count = LINES.max(words.len());
    let mut text = Vec::new();
    for (number, word) in words.iter().cycle().take(count).enumerate() {
        text.extend_from_slice(word);
        text.extend_from_slice(format!(" {number}\n").as_bytes());
    }
    text
}

fn lines_of(text: &[u8]) -> Vec<&[u8]> {
    let Some(text) = text.strip_suffix(b"\n") else {
        assert!(text.is_empty(), "the last line is whole");
        return Vec::new();
    };
    text.split(|&byte| byte == b'\n').collect()
}

/// As `sort a | cmp - <(sort b)`.
fn assert_same_lines(expected: &[u8], found: &[u8]) {
    let (mut expected, mut found) = (lines_of(expected), lines_of(found));
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(expected.len(), found.len(), "as many lines");
    assert!(expected == found, "the same lines");
}

/// The binary as a client.
struct Cli {
    url: String,
    directory: PathBuf,
}

impl Cli {
    fn new(scratch: &Scratch, address: SocketAddr) -> Self {
        let data_dir = scratch.data_dir();
        let directory = data_dir.parent().expect("a scratch directory");
        Self {
            url: format!("amqp://{address}"),
            directory: directory.to_owned(),
        }
    }

    fn path(&self, name: &str) -> String {
        let path: &Path = &self.directory.join(name);
        path.to_str().expect("a plain path").to_owned()
    }

    fn file(&self, name: &str, text: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("it can be written");
        path
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_landfall"))
            .args(arguments)
            .env("LANDFALL_URL", &self.url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        finish(self.spawn(arguments))
    }
}

fn finish(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// How often each line is there; a last one that is being written does not count.
fn times(text: &[u8]) -> HashMap<&[u8], usize> {
    let end = text
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let mut times = HashMap::new();
    for line in lines_of(&text[..end]) {
        *times.entry(line).or_default() += 1;
    }
    times
}

/// Waits until what is in a file is enough.
fn wait_for(path: &str, enough: impl Fn(&[u8]) -> bool) {
    let started = Instant::now();
    while !enough(&fs::read(path).unwrap_or_default()) {
        assert!(started.elapsed() < PATIENCE, "{path} does not grow");
        sleep(Duration::from_millis(10));
    }
}
