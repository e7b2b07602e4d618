//! Colours and dashes: the design tokens, and which run gets which of them.
//!
//! The window's charts use the same rule, so a run keeps its colour everywhere and on every machine:
//! `hash = FNV-1a (32 bit) over the UTF-8 bytes of the run id`, `slot = hash % 8`, `dash = (hash / 8) % 4`
//! (whole division). Test vectors, as `run id -> hash, slot, dash`:
//!
//! | run id | hash | slot | dash |
//! |---|---|---|---|
//! | (empty) | 2166136261 | 5 | 0 |
//! | `a` | 3826002220 | 4 | 1 |
//! | `foobar` | 3214735720 | 0 | 1 |
//! | `0123456789abcdef0123456789abcdef` | 2261798325 | 5 | 2 |

/// A colour without transparency: red, green, blue.
pub(crate) type Rgb = (u8, u8, u8);

/// How many colours there are.
pub const SLOTS: u32 = 8;
/// How many dash styles there are.
pub const DASHES: u32 = 4;

/// Lengths of strokes and gaps in pixels, by dash number. The first is solid.
pub(crate) const DASH_STYLES: [&[f64]; DASHES as usize] =
    [&[], &[6.0, 3.0], &[2.0, 3.0], &[8.0, 3.0, 2.0, 3.0]];

/// FNV-1a, 32 bit.
#[must_use]
pub fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Which line a run gets: its colour slot (0 to 7) and its dash style (0 is solid).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Index into the palette.
    pub slot: u32,
    /// Index into the dash styles.
    pub dash: u32,
}

impl Look {
    /// The stable look of a run, by the hash of its id.
    #[must_use]
    pub fn of_run(run_id: &str) -> Self {
        let hash = fnv1a_32(run_id.as_bytes());
        Self { slot: hash % SLOTS, dash: hash / SLOTS % DASHES }
    }

    /// The look of the n-th of the runs in one chart: as distinct as possible, but not stable.
    #[must_use]
    pub fn nth(index: usize) -> Self {
        let index = u32::try_from(index % (SLOTS * DASHES) as usize).unwrap_or(0);
        Self { slot: index % SLOTS, dash: index / SLOTS }
    }
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Dark marks on white.
    #[default]
    Light,
    /// Light marks on near-black.
    Dark,
}

/// The colours of one theme.
pub(crate) struct Palette {
    pub(crate) background: Rgb,
    pub(crate) grid: Rgb,
    pub(crate) axis: Rgb,
    pub(crate) text: Rgb,
    pub(crate) text_muted: Rgb,
    runs: [Rgb; SLOTS as usize],
}

const fn rgb(hex: u32) -> Rgb {
    ((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

const LIGHT: Palette = Palette {
    background: rgb(0xFFFFFF),
    grid: rgb(0xDFE3E8),
    axis: rgb(0x858E99),
    text: rgb(0x1B1F24),
    text_muted: rgb(0x59626D),
    runs: [
        rgb(0x4688F6),
        rgb(0x919221),
        rgb(0x85160B),
        rgb(0x0F524F),
        rgb(0xE0559A),
        rgb(0x4E16AC),
        rgb(0x219061),
        rgb(0x8E5D16),
    ],
};

const DARK: Palette = Palette {
    background: rgb(0x111417),
    grid: rgb(0x2C333A),
    axis: rgb(0x69737E),
    text: rgb(0xE7EAEE),
    text_muted: rgb(0xA0A9B4),
    runs: [
        rgb(0xB1B7FA),
        rgb(0xAB9925),
        rgb(0xF4C5B4),
        rgb(0x2BADA7),
        rgb(0xF85093),
        rgb(0x7852E4),
        rgb(0x7DF162),
        rgb(0xA75F33),
    ],
};

impl Palette {
    pub(crate) fn of(theme: Theme) -> &'static Self {
        match theme {
            Theme::Light => &LIGHT,
            Theme::Dark => &DARK,
        }
    }

    pub(crate) fn run(&self, look: Look) -> Rgb {
        self.runs.get(look.slot as usize).copied().unwrap_or(self.text)
    }

    /// What a colour at `share` opacity looks like on the background. Mixed here and not by the renderer, so
    /// that strokes which cross do not add up.
    pub(crate) fn faded(&self, colour: Rgb, share: f64) -> Rgb {
        let mix =
            |over: u8, under: u8| (f64::from(over) * share + f64::from(under) * (1.0 - share)).round() as u8;
        (mix(colour.0, self.background.0), mix(colour.1, self.background.1), mix(colour.2, self.background.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_follow_the_documented_hash() {
        // Published FNV-1a vectors for the first three.
        assert_eq!(fnv1a_32(b""), 0x811c_9dc5);
        assert_eq!(fnv1a_32(b"a"), 0xe40c_292c);
        assert_eq!(fnv1a_32(b"foobar"), 0xbf9c_f968);
        assert_eq!(Look::of_run(""), Look { slot: 5, dash: 0 });
        assert_eq!(Look::of_run("a"), Look { slot: 4, dash: 1 });
        assert_eq!(Look::of_run("foobar"), Look { slot: 0, dash: 1 });
        assert_eq!(fnv1a_32(b"0123456789abcdef0123456789abcdef"), 2_261_798_325);
        assert_eq!(Look::of_run("0123456789abcdef0123456789abcdef"), Look { slot: 5, dash: 2 });
    }

    #[test]
    fn the_first_thirty_two_spread_looks_differ() {
        let looks: Vec<Look> = (0..32).map(Look::nth).collect();
        for (index, look) in looks.iter().enumerate() {
            assert!(!looks.iter().skip(index + 1).any(|other| other == look), "look {index} comes twice");
        }
        assert_eq!(Look::nth(32), Look::nth(0));
    }
}
