//! Where the picture ends: what lies outside of the axes is cut off, so that every format shows the same.

use crate::scale::Scale;
use crate::scene::Place;

/// How far outside a point still counts as on the edge, in pixels.
const SLACK: f64 = 0.01;

/// The area between the axes.
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
}

impl Frame {
    pub(crate) fn x_of(&self, value: f64) -> Option<f64> {
        self.x.place(value).map(|share| self.left + share * (self.right - self.left))
    }

    pub(crate) fn y_of(&self, value: f64) -> Option<f64> {
        self.y.place(value).map(|share| self.bottom - share * (self.bottom - self.top))
    }

    pub(crate) fn holds(&self, (x, y): Place) -> bool {
        x >= self.left - SLACK && x <= self.right + SLACK && y >= self.top - SLACK && y <= self.bottom + SLACK
    }

    /// The part of a straight line that is inside.
    pub(crate) fn cut(&self, from: Place, to: Place) -> Option<(Place, Place)> {
        if self.holds(from) && self.holds(to) {
            return Some((from, to));
        }
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut begin, mut end) = (0.0_f64, 1.0_f64);
        for (along, room) in [
            (-dx, from.0 - self.left),
            (dx, self.right - from.0),
            (-dy, from.1 - self.top),
            (dy, self.bottom - from.1),
        ] {
            if along == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if along < 0.0 {
                begin = begin.max(room / along);
            } else {
                end = end.min(room / along);
            }
        }
        let at = |share: f64| (from.0 + dx * share, from.1 + dy * share);
        (begin <= end).then(|| (at(begin), at(end)))
    }
}

/// The part of an area that is inside, edge after edge.
pub(crate) fn polygon(frame: &Frame, corners: Vec<Place>) -> Vec<Place> {
    let sides: [(bool, f64, f64); 4] = [
        (true, frame.left, 1.0),
        (true, frame.right, -1.0),
        (false, frame.top, 1.0),
        (false, frame.bottom, -1.0),
    ];
    sides.into_iter().fold(corners, |corners, (is_x, limit, sign)| {
        let depth = |at: &Place| (if is_x { at.0 } else { at.1 } - limit) * sign;
        let mut kept = Vec::with_capacity(corners.len() + 4);
        let Some(mut before) = corners.last().copied() else { return kept };
        for at in corners {
            let (was, is) = (depth(&before), depth(&at));
            if (was >= 0.0) != (is >= 0.0) {
                let share = was / (was - is);
                kept.push((before.0 + (at.0 - before.0) * share, before.1 + (at.1 - before.1) * share));
            }
            if is >= 0.0 {
                kept.push(at);
            }
            before = at;
        }
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let scale = Scale::linear(0.0, 10.0, 0.0);
        Frame { left: 0.0, right: 10.0, top: 0.0, bottom: 10.0, x: scale, y: scale }
    }

    #[test]
    fn lines_end_at_the_frame() {
        assert_eq!(frame().cut((-10.0, 5.0), (20.0, 5.0)), Some(((0.0, 5.0), (10.0, 5.0))));
        assert_eq!(frame().cut((-10.0, -5.0), (20.0, -5.0)), None);
        assert_eq!(frame().cut((1.0, 1.0), (2.0, 3.0)), Some(((1.0, 1.0), (2.0, 3.0))));
    }

    #[test]
    fn areas_end_at_the_frame() {
        let around = vec![(-5.0, -5.0), (15.0, -5.0), (15.0, 15.0), (-5.0, 15.0)];
        let inside = polygon(&frame(), around);
        assert_eq!(inside.len(), 4);
        assert!(inside.iter().all(|at| frame().holds(*at)), "{inside:?}");
        assert!(polygon(&frame(), vec![(20.0, 1.0), (30.0, 1.0), (30.0, 2.0)]).is_empty());
    }
}
