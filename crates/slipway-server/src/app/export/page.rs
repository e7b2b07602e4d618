//! A page that stands alone: no script, nothing from elsewhere, light or dark as its reader's screen is. Whatever came
//! from outside is escaped here.

use std::io::{self, Write};

/// Nothing may be loaded, run or sent from it, whatever is in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#fff;--text:#1b1f24;--muted:#59626d;--line:#dfe3e8;--good:#0f6b3c;--bad:#a11d12}\n\
@media (prefers-color-scheme:dark){:root{--bg:#111417;--text:#e7eaee;--muted:#a0a9b4;--line:#2c333a;--good:#7ddc9a;--bad:#ff9d91}}\n\
body{margin:0 auto;padding:24px;max-width:1280px;background:var(--bg);color:var(--text);font:14px/1.5 Inter,system-ui,sans-serif}\n\
h1{margin:0 0 4px;font-size:24px;overflow-wrap:anywhere}\nh2{margin:32px 0 8px;font-size:16px}\n\
p{margin:4px 0}\n.muted,caption,dt{color:var(--muted)}\ncaption{padding:4px 0;text-align:left}\n\
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:12px 0}\ndd{margin:0;overflow-wrap:anywhere}\n\
code{font:13px ui-monospace,monospace}\n.note{margin:12px 0;white-space:pre-wrap;overflow-wrap:anywhere}\n\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));gap:24px}\n\
figure{margin:0;min-width:0}\nfigcaption{color:var(--muted);font-size:12px}\nsvg{display:block;max-width:100%;height:auto}\n\
.wide{overflow:auto;max-height:80vh;border:1px solid var(--line);border-radius:6px}\n\
table{border-collapse:collapse;font-size:13px}\n\
th,td{max-width:360px;padding:4px 10px;overflow:hidden;border-bottom:1px solid var(--line);text-align:left;text-overflow:ellipsis;white-space:nowrap}\n\
th{position:sticky;top:0;background:var(--bg);font-weight:600}\n.n{text-align:right;font-variant-numeric:tabular-nums}\n\
tr.base td{font-weight:600}\nsmall{color:var(--muted)}\n.good{color:var(--good)}\n.bad{color:var(--bad)}\n\
@media print{.wide{max-height:none;overflow:visible}}\n";

/// Begins a page.
pub(super) fn begin(out: &mut impl Write, title: &str) -> io::Result<()> {
    let title = escaped(title);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    )
}

/// Ends it.
pub(super) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"</main>\n</body>\n</html>\n")
}

/// A cell of a table.
#[derive(Default)]
pub(super) struct PageCell {
    pub(super) text: String,
    /// What a pointer that rests on it is told.
    pub(super) exact: Option<String>,
    pub(super) is_number: bool,
    /// How it stands to the baseline.
    pub(super) delta: Option<Delta>,
}

/// A difference in words.
pub(super) struct Delta {
    pub(super) text: String,
    /// Better or worse; absent when nobody said which end is good.
    pub(super) better: Option<bool>,
}

/// Begins a table. `numeric` says which columns are set right.
pub(super) fn begin_table(
    out: &mut impl Write,
    name: &str,
    heads: &[String],
    numeric: &[bool],
) -> io::Result<()> {
    // It is scrolled by keys, too.
    let name = escaped(name);
    write!(
        out,
        "<h2>{name}</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{name}\"><table>\n<thead><tr>"
    )?;
    for (head, numeric) in heads.iter().zip(numeric) {
        let class = if *numeric { " class=\"n\"" } else { "" };
        write!(out, "<th scope=\"col\"{class}>{}</th>", escaped(head))?;
    }
    out.write_all(b"</tr></thead>\n<tbody>\n")
}

/// Writes a row of it.
pub(super) fn row(out: &mut impl Write, cells: &[PageCell], is_baseline: bool) -> io::Result<()> {
    out.write_all(if is_baseline { b"<tr class=\"base\">" } else { b"<tr>" })?;
    for cell in cells {
        let class = if cell.is_number { " class=\"n\"" } else { "" };
        let title = cell.exact.as_deref().map(|exact| format!(" title=\"{}\"", escaped(exact)));
        write!(out, "<td{class}{}>{}", title.unwrap_or_default(), escaped(&cell.text))?;
        if let Some(Delta { text, better }) = &cell.delta {
            let (class, word) = match better {
                Some(true) => (" class=\"good\"", " better"),
                Some(false) => (" class=\"bad\"", " worse"),
                None => ("", ""),
            };
            write!(out, " <small{class}>{}{word}</small>", escaped(text))?;
        }
        out.write_all(b"</td>")?;
    }
    out.write_all(b"</tr>\n")
}

/// Ends it.
pub(super) fn end_table(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"</tbody></table></div>\n")
}

/// A text that shows as itself, in an element or in a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Those that turn the reading order would let a name reach over what is beside it.
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => out.push('\u{FFFD}'),
            '\t' | '\n' => out.push(letter),
            letter if letter.is_control() => out.push('\u{FFFD}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let evil = "<script>alert(1)</script>\"' onload=x \u{202e}\u{0}&amp;";
        let mut page = Vec::new();
        begin(&mut page, evil).unwrap();
        begin_table(&mut page, evil, &[evil.to_owned()], &[false]).unwrap();
        let delta = Some(Delta { text: evil.to_owned(), better: Some(true) });
        let cell = PageCell { text: evil.to_owned(), exact: Some(evil.to_owned()), is_number: true, delta };
        row(&mut page, &[cell], true).unwrap();
        end_table(&mut page).unwrap();
        end(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("<script") && !page.contains("\"' on") && !page.contains('\u{202e}'));
        assert_eq!(
            page.matches("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; onload").count(),
            8,
            "{page}"
        );
        assert_eq!(page.matches("\u{FFFD}\u{FFFD}&amp;amp;").count(), 8);
    }
}
