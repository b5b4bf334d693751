//! Pictures as SVG: rectangles, lines and text in pixels, a legend, and an axis from left to right.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// The colour of text and axes where nothing else is said.
pub const INK: &str = "#2d2d32";

/// The side of its point that a text stands on, at half of its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It ends there.
    Left,
    /// Its middle is there.
    Middle,
    /// It begins there.
    Right,
}

/// A picture on white, so that it can be read on a page of any colour. Its origin is the upper left corner.
#[derive(Debug)]
pub struct Picture {
    size: (f64, f64),
    body: String,
}

impl Picture {
    /// An empty picture.
    pub fn new(width: f64, height: f64) -> Self {
        let mut picture = Self { size: (width, height), body: String::new() };
        picture.rect((0.0, 0.0), (width, height), "#ffffff");
        picture
    }

    /// A filled rectangle from one corner to the opposite one.
    pub fn rect(&mut self, (x, y): (f64, f64), (to_x, to_y): (f64, f64), fill: &str) {
        let (left, top, width, height) = (x.min(to_x), y.min(to_y), (x - to_x).abs(), (y - to_y).abs());
        self.add(&format!(
            r#"<rect x="{left:.2}" y="{top:.2}" width="{width:.2}" height="{height:.2}" fill="{fill}"/>"#
        ));
    }

    /// A straight line.
    pub fn line(&mut self, (x, y): (f64, f64), (to_x, to_y): (f64, f64), colour: &str, width: f64) {
        self.add(&format!(
            r#"<line x1="{x:.2}" y1="{y:.2}" x2="{to_x:.2}" y2="{to_y:.2}" stroke="{colour}" stroke-width="{width}"/>"#
        ));
    }

    /// A line of text.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Side, size: u32, colour: &str, text: &str) {
        let anchor = match anchor {
            Side::Left => "end",
            Side::Middle => "middle",
            Side::Right => "start",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.add(&format!(
            r#"<text x="{x:.2}" y="{y:.2}" dy="0.35em" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{text}</text>"#
        ));
    }

    /// What each colour means, in a row that begins at a point.
    pub fn legend<'a>(&mut self, (x, y): (f64, f64), entries: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut x = x;
        for (colour, meaning) in entries {
            self.rect((x, y - 6.0), (x + 22.0, y + 6.0), colour);
            self.text((x + 30.0, y), Side::Right, 12, INK, meaning);
            x += 64.0 + 7.0 * number(meaning.chars().count());
        }
    }

    /// Draws an axis below what goes from `top` to `bottom`, with a faint line up from each label.
    pub fn axis(&mut self, axis: &Axis, top: f64, bottom: f64, unit: &str) {
        for value in axis.labels() {
            let x = axis.at(value);
            self.line((x, top), (x, bottom), "#e3e3e6", 1.0);
            self.text((x, bottom + 14.0), Side::Middle, 11, INK, &format!("{value:.0}"));
        }
        let (from, to) = axis.pixels;
        self.line((from, bottom), (to, bottom), INK, 1.0);
        self.text((f64::midpoint(from, to), bottom + 36.0), Side::Middle, 12, INK, unit);
    }

    /// Writes the picture into a file.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        let ((width, height), body) = (self.size, &self.body);
        fs::write(
            file,
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
                 viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\">\n{body}</svg>\n"
            ),
        )
    }

    fn add(&mut self, element: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// From values to pixels, from left to right.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    values: (f64, f64),
    pixels: (f64, f64),
}

impl Axis {
    /// The values from and to which it goes, and the pixels between which it lies.
    pub fn new(values: (f64, f64), pixels: (f64, f64)) -> Self {
        Self { values, pixels }
    }

    /// Where a value is.
    pub fn at(&self, value: f64) -> f64 {
        let ((from, to), (left, right)) = (self.values, self.pixels);
        left + (value - from) / (to - from) * (right - left)
    }

    /// Round whole numbers, twelve or fewer.
    fn labels(&self) -> impl Iterator<Item = f64> {
        let (from, to) = self.values;
        let least = ((to - from) / 12.0).max(1.0);
        let power = 10_f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|by| by * power).into_iter().find(|step| *step >= least);
        let step = step.unwrap_or(least);
        let first = (from / step).ceil();
        (0..=12).map(move |count| (first + f64::from(count)) * step).take_while(move |value| *value <= to)
    }
}

/// A count as a coordinate.
pub fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_round_and_few() {
        let labels = |from, to| Axis::new((from, to), (0.0, 100.0)).labels().collect::<Vec<_>>();
        assert_eq!(labels(-900.0, 900.0), [-800.0, -600.0, -400.0, -200.0, 0.0, 200.0, 400.0, 600.0, 800.0]);
        assert_eq!(labels(0.0, 3.0), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(labels(0.0, 1_300.0), [0.0, 200.0, 400.0, 600.0, 800.0, 1_000.0, 1_200.0]);
    }

    #[test]
    fn values_go_from_edge_to_edge() {
        let axis = Axis::new((-1.0, 1.0), (100.0, 300.0));
        let at = [-1.0, 0.0, 1.0].map(|value| format!("{:.0}", axis.at(value)));
        assert_eq!(at, ["100", "200", "300"]);
    }

    #[test]
    fn text_is_escaped() {
        let mut picture = Picture::new(10.0, 10.0);
        picture.text((0.0, 0.0), Side::Right, 12, INK, "a < b & c");
        assert!(picture.body.contains(">a &lt; b &amp; c</text>"), "{}", picture.body);
    }
}
