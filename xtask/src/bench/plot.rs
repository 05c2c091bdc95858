//! A plot of lines on two logarithmic axes, as SVG. Each point is a measured value; the lines between them only guide
//! the eye.

use std::fmt::Write;

use super::goals::number;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 196.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 54.0;
/// The height of a line of the legend, in pixels.
const LEGEND_STEP: f64 = 20.0;
/// The colours of Okabe and Ito, which people with colour blindness can distinguish; each line also has a marker of its
/// own.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f"];

#[derive(Debug)]
pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) lines: Vec<Line>,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    /// Pairs of positive numbers, by x.
    pub(super) points: Vec<(f64, f64)>,
}

/// One axis: its range in powers of ten, and its position in the picture.
#[derive(Debug)]
struct Axis {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    /// The values with a grid line and a label.
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis that starts and ends at a power of ten.
    fn of_powers(values: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let (low, high) = ends(values);
        let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
        let ticks = (low as i32..=high as i32).map(|power| 10_f64.powi(power)).collect();
        Self { low, high, start, end, ticks }
    }

    /// An axis from the smallest to the largest value, with a tick for each value.
    fn of_values(values: impl Iterator<Item = f64> + Clone, start: f64, end: f64) -> Self {
        let (low, high) = ends(values.clone());
        let mut ticks: Vec<f64> = values.collect();
        ticks.sort_unstable_by(f64::total_cmp);
        ticks.dedup();
        Self { low, high: if high > low { high } else { low + 1.0 }, start, end, ticks }
    }

    fn place(&self, value: f64) -> f64 {
        self.start + (value.log10() - self.low) / (self.high - self.low) * (self.end - self.start)
    }
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.map(f64::log10).fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
}

impl Plot {
    /// None when there is nothing to plot.
    pub(super) fn svg(&self) -> Option<String> {
        let shown: Vec<&Line> = self.lines.iter().filter(|line| !line.points.is_empty()).collect();
        let points = || shown.iter().flat_map(|line| line.points.iter());
        points().next()?;
        let x = Axis::of_values(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let y = Axis::of_powers(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
        let mut svg = String::new();
        write_head(&mut svg, self);
        write_grid(&mut svg, &x, &y);
        for (index, line) in shown.iter().enumerate() {
            write_line(&mut svg, index, line, &x, &y);
        }
        svg.push_str("</svg>\n");
        Some(svg)
    }
}

fn write_head(svg: &mut String, plot: &Plot) {
    let (middle_x, middle_y) = ((LEFT + WIDTH - RIGHT) / 2.0, (TOP + HEIGHT - BOTTOM) / 2.0);
    let (title, x, y) = (escaped(plot.title), escaped(plot.x), escaped(plot.y));
    put(
        svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{title}</text>\n\
             <text x=\"{middle_x}\" y=\"{}\" text-anchor=\"middle\">{x}</text>\n\
             <text x=\"18\" y=\"{middle_y}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {middle_y})\">{y}</text>\n",
            HEIGHT - 12.0
        ),
    );
}

fn write_grid(svg: &mut String, x: &Axis, y: &Axis) {
    for &tick in &x.ticks {
        let at = x.place(tick);
        put(
            svg,
            format_args!(
                "<path d=\"M{at:.1} {:.1}V{:.1}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                y.start,
                y.end,
                y.start + 18.0,
                number(tick)
            ),
        );
    }
    for &tick in &y.ticks {
        let at = y.place(tick);
        put(
            svg,
            format_args!(
                "<path d=\"M{:.1} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                x.start,
                x.end,
                x.start - 8.0,
                at + 4.0,
                number(tick)
            ),
        );
    }
}

fn write_line(svg: &mut String, index: usize, line: &Line, x: &Axis, y: &Axis) {
    let colour = COLOURS[index % COLOURS.len()];
    let places: Vec<(f64, f64)> = line.points.iter().map(|point| (x.place(point.0), y.place(point.1))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    put(svg, format_args!("<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n", path.join("L")));
    for &(x, y) in &places {
        write_mark(svg, index, colour, x, y);
    }
    let (legend_x, legend_y) = (WIDTH - RIGHT + 22.0, TOP + 8.0 + index as f64 * LEGEND_STEP);
    write_mark(svg, index, colour, legend_x, legend_y - 4.0);
    let name = escaped(&line.name);
    put(svg, format_args!("<text x=\"{:.1}\" y=\"{legend_y:.1}\">{name}</text>\n", legend_x + 12.0));
}

fn write_mark(svg: &mut String, index: usize, colour: &str, x: f64, y: f64) {
    let shape = match index % 4 {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\""),
        1 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"", x - 3.5, y - 3.5),
        2 => format!("<path d=\"M{x:.1} {:.1}l4.5 8h-9z\"", y - 5.0),
        _ => format!("<path d=\"M{x:.1} {:.1}l5 5l-5 5l-5 -5z\"", y - 5.0),
    };
    put(svg, format_args!("{shape} fill=\"{colour}\"/>\n"));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_between_the_ends_of_its_axis() {
        let axis = Axis::of_powers([20.0, 3_000.0].into_iter(), 0.0, 300.0);
        assert_eq!((axis.place(10.0), axis.place(100.0)), (0.0, 100.0));
        assert_eq!(axis.ticks, [10.0, 100.0, 1_000.0, 10_000.0]);
        let axis = Axis::of_values([4.0, 1.0, 16.0, 4.0].into_iter(), 0.0, 300.0);
        assert_eq!((axis.place(1.0), axis.place(4.0).round(), axis.place(16.0)), (0.0, 150.0, 300.0));
        assert_eq!(axis.ticks, [1.0, 4.0, 16.0]);
    }

    #[test]
    fn each_line_is_drawn_and_named() {
        let line = |name: &str, points: &[(f64, f64)]| Line { name: name.to_owned(), points: points.to_vec() };
        let lines = vec![line("a < b", &[(1.0, 10.0), (256.0, 5e5)]), line("nothing", &[])];
        let plot = Plot { title: "t", x: "x", y: "y", lines };
        let svg = plot.svg().unwrap();
        assert!(svg.contains("a &lt; b") && svg.contains("1,000,000") && !svg.contains("nothing"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(Plot { lines: Vec::new(), ..plot }.svg().is_none());
    }
}
