//! `landfall top`: a running server, live on the terminal.

mod screen;

use super::AdminServer;
use super::api::Api;
use super::sight;
use anyhow::{Context, Result, ensure};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use screen::{Screen, draw};
use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

/// How far back the curves go.
const MINUTES: u32 = 5;
/// So many queues are asked for; what does not fit is not shown.
const QUEUES_MOST: usize = 100;

/// The options of `landfall top`.
#[derive(Debug, clap::Args)]
pub struct TopArgs {
    /// How often the server is asked
    #[arg(long, value_name = "TIME", default_value = "1s")]
    every: crate::units::Span,
    #[command(flatten)]
    server: AdminServer,
}

/// Shows a running server until `q`, Escape or Ctrl-C.
///
/// # Errors
/// If standard output is no terminal, no server answers at first, or it does not let the user in. One that stops
/// answering later is waited for.
pub fn top(args: TopArgs) -> Result<()> {
    ensure!(
        stdout().is_terminal(),
        "standard output is no terminal: `landfall status` prints what there is to see once"
    );
    let api = Api::new(&args.server);
    let mut screen = Screen::default();
    look(&api, &mut screen)?;
    let mut terminal = ratatui::try_init().context("cannot use the terminal")?;
    let shown = show(&mut terminal, &api, &mut screen, args.every.0);
    ratatui::restore();
    shown
}

fn show(
    terminal: &mut DefaultTerminal,
    api: &Api,
    screen: &mut Screen,
    every: Duration,
) -> Result<()> {
    let mut look_at = Instant::now() + every;
    loop {
        terminal.draw(|frame| draw(frame, screen))?;
        if event::poll(look_at.saturating_duration_since(Instant::now()))? {
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    let interrupted = key.modifiers.contains(KeyModifiers::CONTROL)
                        && key.code == KeyCode::Char('c');
                    match key.code {
                        KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                        _ if interrupted => return Ok(()),
                        KeyCode::Char('s') => {
                            screen.sort_otherwise();
                            look_at = Instant::now();
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        if look_at <= Instant::now() {
            screen.silent = look(api, screen).err().map(|error| format!("{error:#}"));
            look_at = Instant::now() + every;
        }
    }
}

/// Asks the server for what is to be seen.
fn look(api: &Api, screen: &mut Screen) -> Result<()> {
    screen.seconds = sight::of_minutes(api, MINUTES)?;
    let sorted = screen.sort.field();
    let path = format!(
        "/api/queues?page=1&page_size={QUEUES_MOST}&sort={sorted}&sort_reverse=true&columns={}",
        screen::QUEUE_FIELDS
    );
    screen.queues = match api.get(&path)?["items"].take() {
        serde_json::Value::Array(queues) => queues,
        _ => Vec::new(),
    };
    Ok(())
}
