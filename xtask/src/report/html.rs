//! Text into HTML. What this module writes is well-formed XML too, so that it can be checked.

use std::fmt::{Display, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Escapes a text for elements and attributes.
pub(super) fn esc(text: impl Display) -> String {
    let mut out = String::new();
    for c in text.to_string().chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            // Not allowed in XML: colours of a terminal, for instance.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A whole page.
pub(super) fn page(title: &str, body: &str) -> String {
    let policy = "<meta http-equiv=\"Content-Security-Policy\" \
                  content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"/>";
    page_with(title, policy, body)
}

/// A page with other lines in its head than the policy of a file.
pub(super) fn page_with(title: &str, head: &str, body: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
{head}
<title>{}</title>
<style>
{}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"#,
        esc(title),
        include_str!("style.css"),
    )
}

/// A section under a heading.
pub(super) fn section(heading: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", esc(heading))
}

/// A part that is closed at first.
pub(super) fn details(summary: &str, body: &str) -> String {
    format!("<details>\n<summary>{}</summary>\n{body}</details>\n", esc(summary))
}

/// A remark in place of what is missing.
pub(super) fn note(text: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", esc(text))
}

/// A table; the cells are HTML already. The first column heads its row.
pub(super) fn table(class: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let mut out = format!("<div class=\"scroll\"><table class=\"{class}\">\n");
    if !head.is_empty() {
        out.push_str("<thead><tr>");
        for cell in head {
            let _ = write!(out, "<th scope=\"col\">{cell}</th>");
        }
        out.push_str("</tr></thead>\n");
    }
    out.push_str("<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let _ = match i {
                0 => write!(out, "<th scope=\"row\">{cell}</th>"),
                _ => write!(out, "<td>{cell}</td>"),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}

/// An image from a PNG file.
pub(super) fn embedded_png(png: &[u8], (width, height): (u32, u32), alt: &str) -> String {
    format!(
        "<img alt=\"{}\" width=\"{width}\" height=\"{height}\" src=\"data:image/png;base64,{}\"/>",
        esc(alt),
        STANDARD.encode(png)
    )
}
