//! The timeline of a simulation as a picture: SVG for documents, a line of blocks for terminals.

use super::simulate::Moment;

/// Pixels: the picture, and the margins around and between its two charts.
const SIZE: (f64, f64) = (960.0, 560.0);
const MARGIN: f64 = 60.0;
const CHART: f64 = (SIZE.1 - 3.0 * MARGIN) / 2.0;

/// A number of a moment, with name and colour.
type Line = (&'static str, &'static str, fn(&Moment) -> f64);

const TASKS: [Line; 2] = [("waiting", "#c0392b", |at| at.ready as f64), ("running", "#2471a3", |at| at.running as f64)];
const WORKERS: [Line; 3] = [
    ("wanted", "#b7950b", |at| at.desired.into()),
    ("workers", "#1e8449", |at| at.replicas.into()),
    ("leaving", "#7d3c98", |at| at.draining.into()),
];

/// Two charts, one above the other: tasks, and workers.
pub fn svg(title: &str, timeline: &[Moment]) -> String {
    let (width, height) = SIZE;
    let end = timeline.last().map_or(1.0, |at| (at.seconds as f64).max(1.0));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    chart(&mut text, MARGIN, "tasks", &TASKS, timeline, end);
    chart(&mut text, 2.0 * MARGIN + CHART, "workers", &WORKERS, timeline, end);
    text + "</svg>\n"
}

fn chart(text: &mut String, top: f64, name: &str, lines: &[Line], timeline: &[Moment], end: f64) {
    let (left, right, bottom) = (MARGIN, SIZE.0 - MARGIN, top + CHART);
    let values = lines.iter().flat_map(|(_, _, value)| timeline.iter().map(value));
    let most = values.fold(1.0, f64::max);
    let mut put = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    put(format!("<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>"));
    put(format!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{most}</text>", left - 6.0, top + 5.0));
    put(format!("<text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">0</text>", left - 6.0));
    put(format!("<text x=\"{left}\" y=\"{}\">{name}, 0 s</text>", bottom + 18.0));
    put(format!("<text x=\"{right}\" y=\"{}\" text-anchor=\"end\">{end} s</text>", bottom + 18.0));
    for (index, (name, colour, value)) in lines.iter().enumerate() {
        let height = |at| bottom - CHART * value(at) / most;
        let mut last = timeline.first().map_or(bottom, height);
        let mut path = format!("M{left} {last:.1}");
        // Steps: between two looks nothing is known, and most looks change nothing.
        for at in timeline {
            let (x, y) = (left + (right - left) * at.seconds as f64 / end, height(at));
            if y != last {
                path += &format!("H{x:.1}V{y:.1}");
                last = y;
            }
        }
        path += &format!("H{right}");
        put(format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"));
        let x = right - 90.0 * (lines.len() - index) as f64;
        put(format!("<text x=\"{x}\" y=\"{}\" fill=\"{colour}\">{name}</text>", top - 6.0));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A line of so many blocks for each number: the most in each piece of time.
pub fn sparklines(timeline: &[Moment], columns: usize) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut text = String::new();
    for (name, _, value) in TASKS.iter().chain(&WORKERS) {
        let peak = timeline.iter().map(value).fold(0.0, f64::max);
        let most = peak.max(1.0);
        let piece = timeline.len().div_ceil(columns.max(1)).max(1);
        let heights = timeline.chunks(piece).map(|piece| piece.iter().map(value).fold(0.0, f64::max) / most);
        // Whatever is there at all is seen.
        let blocks: String = heights.map(|height| BLOCKS[(height * 8.0).ceil() as usize]).collect();
        text += &format!("{name:<8} {blocks} up to {peak}\n");
    }
    text
}
