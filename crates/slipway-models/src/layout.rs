//! Where the boxes of a graph stand: in layers from left to right, so that edges point to the right and cross little.

/// Room that a box takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    /// Of each box.
    pub width: f64,
    /// Of each box.
    pub height: f64,
    /// Between layers.
    pub gap_x: f64,
    /// Between boxes of a layer.
    pub gap_y: f64,
}

/// Where a box stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Counted from the left.
    pub layer: usize,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
}

/// Places for `count` boxes, and the width and height of it all. Edges are pairs of boxes; those that name a box that
/// is not there, or close a circle, do not count.
#[must_use]
pub fn layered(count: usize, edges: &[(usize, usize)], sizes: Sizes) -> (Vec<Place>, f64, f64) {
    let edges: Vec<(usize, usize)> =
        edges.iter().copied().filter(|(from, to)| from != to && *from < count && *to < count).collect();
    let layers = layers(count, &edges);
    let mut columns: Vec<Vec<usize>> =
        vec![Vec::new(); layers.iter().map(|layer| layer + 1).max().unwrap_or(0)];
    for (node, layer) in layers.iter().enumerate() {
        columns[*layer].push(node);
    }
    uncross(&mut columns, &edges, count);
    let step_x = sizes.width + sizes.gap_x;
    let step_y = sizes.height + sizes.gap_y;
    let tallest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut places = vec![Place { layer: 0, x: 0.0, y: 0.0 }; count];
    for (layer, column) in columns.iter().enumerate() {
        // Short layers stand in the middle.
        let above = (tallest - column.len()) as f64 * step_y / 2.0;
        for (index, node) in column.iter().enumerate() {
            places[*node] = Place { layer, x: layer as f64 * step_x, y: above + index as f64 * step_y };
        }
    }
    let width = (columns.len() as f64 * step_x - sizes.gap_x).max(0.0);
    let height = (tallest as f64 * step_y - sizes.gap_y).max(0.0);
    (places, width, height)
}

/// The length of the longest way to each box. A box in a circle keeps the layer that it was reached with.
fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut waiting = vec![0usize; count];
    let mut next = vec![Vec::new(); count];
    for (from, to) in edges {
        waiting[*to] += 1;
        next[*from].push(*to);
    }
    let mut layers = vec![0; count];
    let mut placed = vec![false; count];
    let mut ready: Vec<usize> = (0..count).rev().filter(|node| waiting[*node] == 0).collect();
    for _ in 0..count {
        // In a circle nobody is ready: the first that is left goes ahead.
        let Some(node) = ready.pop().or_else(|| (0..count).find(|node| !placed[*node])) else { break };
        if std::mem::replace(&mut placed[node], true) {
            continue;
        }
        for to in &next[node] {
            if placed[*to] {
                continue;
            }
            layers[*to] = layers[*to].max(layers[node] + 1);
            waiting[*to] -= 1;
            if waiting[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    layers
}

/// Sorts each layer by where its neighbours stand, there and back.
fn uncross(columns: &mut [Vec<usize>], edges: &[(usize, usize)], count: usize) {
    const SWEEPS: usize = 4;
    let mut before = vec![Vec::new(); count];
    let mut after = vec![Vec::new(); count];
    for (from, to) in edges {
        before[*to].push(*from);
        after[*from].push(*to);
    }
    let mut stands = vec![0.0; count];
    for column in columns.iter() {
        note(column, &mut stands);
    }
    for sweep in 0..SWEEPS {
        let forth = sweep % 2 == 0;
        for index in 0..columns.len() {
            let column = if forth { index } else { columns.len() - 1 - index };
            let neighbours = if forth { &before } else { &after };
            let middle = |node: &usize| {
                let near = &neighbours[*node];
                match near.len() {
                    0 => stands[*node],
                    many => near.iter().map(|other| stands[*other]).sum::<f64>() / many as f64,
                }
            };
            let mut keyed: Vec<(f64, usize)> =
                columns[column].iter().map(|node| (middle(node), *node)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            columns[column] = keyed.into_iter().map(|(_, node)| node).collect();
            note(&columns[column], &mut stands);
        }
    }
}

/// Notes where the boxes of a layer stand, from 0 to 1.
fn note(column: &[usize], stands: &mut [f64]) {
    for (index, node) in column.iter().enumerate() {
        stands[*node] = (index as f64 + 0.5) / column.len() as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZES: Sizes = Sizes { width: 100.0, height: 40.0, gap_x: 60.0, gap_y: 20.0 };

    #[test]
    fn edges_point_to_the_right_and_do_not_cross_needlessly() {
        // Two chains that were named crosswise.
        let (places, width, height) = layered(6, &[(0, 3), (1, 2), (2, 5), (3, 4)], SIZES);
        assert_eq!((width, height), (420.0, 100.0));
        assert_eq!((places[0].y, places[3].y, places[4].y), (0.0, 0.0, 0.0));
        assert_eq!((places[1].y, places[2].y, places[5].y), (60.0, 60.0, 60.0));
        assert_eq!(layered(0, &[], SIZES), (vec![], 0.0, 0.0));
    }

    proptest! {
        #[test]
        fn no_two_boxes_stand_on_each_other(
            count in 0usize..30,
            edges in prop::collection::vec((0usize..32, 0usize..32), 0..60),
        ) {
            let (places, width, height) = layered(count, &edges, SIZES);
            for (index, a) in places.iter().enumerate() {
                prop_assert!(a.x >= 0.0 && a.x + SIZES.width <= width + 0.01);
                prop_assert!(a.y >= 0.0 && a.y + SIZES.height <= height + 0.01);
                for b in &places[..index] {
                    prop_assert!(a.x != b.x || (a.y - b.y).abs() >= SIZES.height);
                }
            }
        }

        #[test]
        fn without_circles_every_edge_points_to_the_right(
            count in 1usize..30,
            edges in prop::collection::vec((0usize..30, 0usize..30), 0..60),
        ) {
            let forward: Vec<(usize, usize)> =
                edges.into_iter().filter(|(a, b)| a < b && *b < count).collect();
            let (places, _, _) = layered(count, &forward, SIZES);
            for (from, to) in forward {
                prop_assert!(places[from].layer < places[to].layer);
            }
        }
    }
}
