//! Charts of what was measured against the size of a backlog and against the number of queues: flat where it should be.

use super::backlog::{self, Backlog};
use super::peers::Subject;
use super::queues::{self, Queues};
use crate::shell::root;
use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;
use std::fmt::Write;
use std::ops::Range;

/// From the folder of the documents.
const FOLDER: &str = "charts";
const SIZE: (u32, u32) = (720, 360);
/// Told apart also by those who do not see colours as most do (Okabe and Ito).
const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
];
const ROOM_FOR_NAMES: f64 = 1.5;
const MIB: f64 = 1_048_576.0;

/// What is drawn into one file.
pub(super) struct Chart {
    file: &'static str,
    /// What the height means.
    title: &'static str,
    /// What the width means, which grows tenfold from step to step.
    of: &'static str,
    lines: Vec<Line>,
}

struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

/// Against the number of waiting messages.
pub(super) fn of_backlog(backlog: &Backlog) -> Vec<Chart> {
    let line = |name, of: fn(&backlog::Line) -> f64| Line {
        name,
        points: backlog
            .lines
            .iter()
            .map(|line| (line.messages as f64, of(line)))
            .collect(),
    };
    let chart = |file, title, lines| Chart {
        file,
        title,
        of: "waiting messages of 1 KiB",
        lines,
    };
    vec![
        chart(
            "backlog-throughput",
            "messages a second",
            vec![
                line("published into it", |line| line.published_per_s),
                line("drained", |line| line.drained_per_s),
                line("another queue beside it", |line| line.beside.acked_per_s),
                line("a queue without it", |line| line.live.acked_per_s),
            ],
        ),
        chart(
            "backlog-cpu",
            "server CPU, µs a message",
            vec![
                line("published into it", |line| line.publish_cpu_us),
                line("drained", |line| line.drain_cpu_us),
                line("another queue beside it", |line| line.beside.server_cpu_us),
                line("a queue without it", |line| line.live.server_cpu_us),
            ],
        ),
        chart(
            "backlog-memory",
            "memory, MiB",
            vec![
                line("when published", |line| line.memory as f64 / MIB),
                line("after a start", |line| line.after_stop.memory as f64 / MIB),
                line("after kill -9 and a start", |line| {
                    line.after_kill.memory as f64 / MIB
                }),
            ],
        ),
        chart(
            "backlog-restart",
            "start to first delivery, s",
            vec![
                line("after a stop", |line| line.after_stop.first_delivery_s),
                line("after kill -9", |line| line.after_kill.first_delivery_s),
            ],
        ),
    ]
}

/// Against the number of queues.
pub(super) fn of_queues(queues: &Queues) -> Vec<Chart> {
    let flowing = |of: fn(&queues::Flowing) -> f64| Line {
        name: "all of them flow",
        points: queues
            .flowing
            .iter()
            .filter(|line| line.subject == Subject::Landfall)
            .map(|line| (line.queues as f64, of(line)))
            .collect(),
    };
    let idle = |name, of: fn(&queues::Idle) -> f64| Line {
        name,
        points: queues
            .idle
            .iter()
            .map(|line| (line.queues as f64, of(line)))
            .collect(),
    };
    let chart = |file, title, lines| Chart {
        file,
        title,
        of: "queues",
        lines,
    };
    let beside = "another one flows, all of them are idle";
    vec![
        chart(
            "queues-throughput",
            "messages a second",
            vec![
                flowing(|line| line.median.acked_per_s),
                idle(beside, |line| line.beside.acked_per_s),
            ],
        ),
        chart(
            "queues-cpu",
            "server CPU, µs a message",
            vec![
                flowing(|line| line.median.server_cpu_us),
                idle(beside, |line| line.beside.server_cpu_us),
            ],
        ),
        chart(
            "queues-memory",
            "memory, MiB",
            vec![
                idle("when declared", |line| line.memory as f64 / MIB),
                idle("after a start", |line| line.memory_started as f64 / MIB),
            ],
        ),
        chart(
            "queues-restart",
            "start, s",
            vec![idle("all of them idle", |line| line.start_s)],
        ),
    ]
}

impl Chart {
    /// How a document shows it.
    pub(super) fn link(&self) -> String {
        let (title, of, file) = (self.title, self.of, self.file);
        format!("![{title}, against the number of {of}]({FOLDER}/{file}.svg)")
    }

    /// Draws it where the documents look for it.
    pub(super) fn write(&self) -> Result<()> {
        let folder = root().join("docs").join(FOLDER);
        std::fs::create_dir_all(&folder).context("cannot make the folder of the charts")?;
        let path = folder.join(format!("{}.svg", self.file));
        std::fs::write(&path, self.svg()?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn svg(&self) -> Result<String> {
        let mut svg = String::new();
        self.draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area())
            .map_err(|error| anyhow!("cannot draw {}: {error}", self.file))?;
        writeln!(svg).expect("a string takes all that is written");
        Ok(svg)
    }

    /// The least and the greatest number, and nothing to the greatest height with room for the names above.
    fn ranges(&self) -> (Range<f64>, Range<f64>) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let least = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let most = points().map(|point| point.0).fold(1.0, f64::max);
        let height = points().map(|point| point.1).fold(0.0, f64::max);
        (least.min(most / 10.0)..most, 0.0..height * ROOM_FOR_NAMES)
    }

    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        area.fill(&WHITE)?;
        let (width, height) = self.ranges();
        let tenfolds = (width.end / width.start).log10().ceil() as usize;
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, ("sans-serif", 16))
            .margin(12)
            .margin_right(40)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(width.log_scale(), height)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(self.of)
            .x_labels(tenfolds + 1)
            .x_label_formatter(&|count| grouped(*count))
            .y_label_formatter(&|value| grouped(*value))
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS) {
            let points = line.points.iter().copied();
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))?
                .label(line.name)
                .legend(move |(x, y)| {
                    PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// A number with its thousands set apart; a small one with its decimals.
fn grouped(value: f64) -> String {
    if value < 10.0 && value.fract() > 0.001 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0.0, 0.25, 12.0, 1_000.0, 1_234_567.0].map(grouped);
        assert_eq!(texts, ["0", "0.25", "12", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_chart_names_its_lines_and_what_they_are_of() {
        let chart = Chart {
            file: "test",
            title: "messages a second",
            of: "queues",
            lines: vec![Line {
                name: "all of them flow",
                points: vec![(1.0, 300_000.0), (1_000.0, 290_000.0)],
            }],
        };
        let svg = chart.svg().expect("it can be drawn");
        for text in ["messages a second", "queues", "all of them flow", "1,000"] {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        assert!(chart.link().ends_with("(charts/test.svg)"));
    }
}
