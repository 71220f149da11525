//! What `landfall top` shows, and how: curves of rates, totals, what should be looked at, and the queues.

use super::super::figure::{count, rate};
use super::super::sight;
use super::super::table::cell;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};
use serde_json::Value;

/// What is asked for of each queue.
pub(super) const QUEUE_FIELDS: &str = "vhost,name,messages,messages_ready,messages_unacknowledged,\
    consumers,message_stats.publish_details.rate,message_stats.deliver_get_details.rate,\
    message_stats.ack_details.rate";

/// Everything that is to be seen.
#[derive(Default)]
pub(super) struct Screen {
    /// What the server saw of itself, the last second last.
    pub(super) seconds: Vec<Value>,
    /// Queues, sorted.
    pub(super) queues: Vec<Value>,
    /// By what.
    pub(super) sort: Sort,
    /// Why what is shown is not of now.
    pub(super) silent: Option<String>,
}

/// What the queues are sorted by, the most first.
#[derive(Clone, Copy, Default)]
pub(super) enum Sort {
    /// Messages that wait or are out.
    #[default]
    Messages,
    /// Messages that come in.
    Publish,
    /// Messages that are settled.
    Ack,
}

impl Sort {
    /// As the HTTP API calls it.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Publish => "message_stats.publish_details.rate",
            Self::Ack => "message_stats.ack_details.rate",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Publish => "publish/s",
            Self::Ack => "ack/s",
        }
    }
}

impl Screen {
    /// By the next one of what they can be sorted by.
    pub(super) fn sort_otherwise(&mut self) {
        self.sort = match self.sort {
            Sort::Messages => Sort::Publish,
            Sort::Publish => Sort::Ack,
            Sort::Ack => Sort::Messages,
        };
    }

    fn now(&self) -> &Value {
        self.seconds.last().unwrap_or(&Value::Null)
    }

    fn attention(&self) -> Vec<Line<'_>> {
        let bad = Style::new().fg(Color::Red);
        let silent = self.silent.iter().map(String::clone);
        silent
            .chain(sight::attention(self.now()))
            .map(|text| Line::styled(format!("! {text}"), bad))
            .collect()
    }
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame, screen: &Screen) {
    let attention = screen.attention();
    let attention_lines = u16::try_from(attention.len()).unwrap_or(u16::MAX);
    let [head, curves, attention_area, queues, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(6),
        Constraint::Length(attention_lines),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(totals(screen.now())), head);
    draw_curves(frame, curves, screen);
    frame.render_widget(Paragraph::new(attention), attention_area);
    frame.render_widget(queue_table(screen), queues);
    let foot_text = format!("q quit   s sort (now by {})", screen.sort.words());
    let dim = Style::new().add_modifier(Modifier::DIM);
    frame.render_widget(Paragraph::new(foot_text).style(dim), foot);
}

fn totals(now: &Value) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let line = |of: &Value, names: &[&'static str]| {
        let parts = names.iter().flat_map(|name| {
            let figure = of[*name].as_u64().map_or_else(|| "?".to_owned(), count);
            [Span::styled(figure, bold), Span::raw(format!(" {name}   "))]
        });
        Line::from_iter(parts)
    };
    vec![
        line(&now["totals"], &["ready", "unacked", "delayed", "parked"]),
        line(now, &["queues", "connections", "channels", "consumers"]),
    ]
}

fn draw_curves(frame: &mut Frame, area: Rect, screen: &Screen) {
    let curves = [
        ("publish", Color::Cyan),
        ("deliver", Color::Green),
        ("ack", Color::Blue),
        ("redeliver", Color::Yellow),
    ];
    let areas: [Rect; 4] = Layout::horizontal([Constraint::Fill(1); 4]).areas(area);
    for ((name, color), area) in curves.into_iter().zip(areas) {
        let of = |second: &Value| second["rates"][name].as_f64().unwrap_or_default();
        let now = screen.now()["rates"][name].as_f64();
        let title = format!(" {name} {}/s ", now.map_or_else(|| "?".to_owned(), rate));
        let width = usize::from(area.width.saturating_sub(2));
        let first = screen.seconds.len().saturating_sub(width);
        let rates = screen.seconds[first..]
            .iter()
            .map(|second| of(second) as u64);
        let curve = Sparkline::default()
            .block(Block::bordered().title(title))
            .style(Style::new().fg(color))
            .data(rates);
        frame.render_widget(curve, area);
    }
}

fn queue_table(screen: &Screen) -> Table<'static> {
    let head = [
        "queue",
        "ready",
        "unacked",
        "consumers",
        "publish/s",
        "deliver/s",
        "ack/s",
    ];
    let rows = screen.queues.iter().map(|queue| {
        let number = |name: &str| queue[name].as_u64().map_or_else(String::new, count);
        let per_second = |name: &str| {
            let found = queue["message_stats"][name]["rate"].as_f64();
            found.map_or_else(String::new, rate)
        };
        let vhost = cell(&queue["vhost"]);
        let name = cell(&queue["name"]);
        let name = if vhost == "/" {
            name
        } else {
            format!("{vhost}: {name}")
        };
        Row::new([
            name,
            number("messages_ready"),
            number("messages_unacknowledged"),
            number("consumers"),
            per_second("publish_details"),
            per_second("deliver_get_details"),
            per_second("ack_details"),
        ])
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(12),
        Constraint::Length(10),
        Constraint::Length(9),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(10),
    ];
    let bold = Style::new().add_modifier(Modifier::BOLD);
    Table::new(rows, widths).header(Row::new(head).style(bold))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    #[test]
    fn rates_attention_and_queues_are_on_one_screen() {
        let second = |publish: u32| {
            json!({
                "totals": {"ready": 120_000, "unacked": 7, "delayed": 0, "parked": 2},
                "queues": 2, "connections": 12, "channels": 14, "consumers": 9,
                "rates": {"publish": publish, "deliver": 3999.5, "ack": 3999, "redeliver": 0},
                "alarms": [],
            })
        };
        let queue = |vhost: &str, name: &str| {
            json!({
                "vhost": vhost, "name": name, "messages_ready": 120_000,
                "messages_unacknowledged": 7, "consumers": 9,
                "message_stats": {"publish_details": {"rate": 4000.0}, "ack_details": {"rate": 0.4}},
            })
        };
        let screen = Screen {
            seconds: vec![second(0), second(2000), second(4000)],
            queues: vec![queue("/", "orders"), queue("shop", "mails\u{1b}[2J")],
            silent: Some("no server answers".to_owned()),
            ..Screen::default()
        };
        let mut terminal = Terminal::new(TestBackend::new(96, 15)).expect("a screen in memory");
        terminal
            .draw(|frame| draw(frame, &screen))
            .expect("it takes everything");
        expect_test::expect![[r#"
            "120,000 ready   7 unacked   0 delayed   2 parked                                                "
            "2 queues   12 connections   14 channels   9 consumers                                           "
            "┌ publish 4,000/s ─────┐┌ deliver 4,000/s ─────┐┌ ack 3,999/s ─────────┐┌ redeliver 0/s ───────┐"
            "│  █                   ││███                   ││███                   ││                      │"
            "│  █                   ││███                   ││███                   ││                      │"
            "│ ██                   ││███                   ││███                   ││                      │"
            "│ ██                   ││███                   ││███                   ││                      │"
            "└──────────────────────┘└──────────────────────┘└──────────────────────┘└──────────────────────┘"
            "! no server answers                                                                             "
            "! out of attempts, and parked: 2. `landfall queue list` says where                              "
            "queue                         ready        unacked    consumers publish/s  deliver/s  ack/s     "
            "orders                        120,000      7          9         4,000                 0.4       "
            "shop: mails[2J                120,000      7          9         4,000                 0.4       "
            "                                                                                                "
            "q quit   s sort (now by messages)                                                               "
        "#]].assert_eq(&terminal.backend().to_string());
    }

    #[test]
    fn queues_are_sorted_by_one_thing_after_the_other() {
        let mut screen = Screen::default();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(screen.sort.words());
            screen.sort_otherwise();
        }
        assert_eq!(seen, ["messages", "publish/s", "ack/s", "messages"]);
    }
}
