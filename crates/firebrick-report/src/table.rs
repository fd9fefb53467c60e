//! HTML tables that work with screen readers and scroll in narrow windows.

use crate::text::escape;

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Words, set to the left.
    Words,
    /// Numbers, set to the right.
    Number,
}

/// A table under construction. Cells are HTML: whoever fills one escapes what is foreign in it.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    caption: String,
    columns: Vec<(String, Column)>,
    rows: String,
    len: usize,
}

impl Table {
    /// A table with its caption and its columns, of which the first names each row.
    pub(crate) fn new(caption: &str, columns: &[(&str, Column)]) -> Self {
        let columns = columns
            .iter()
            .map(|(head, column)| ((*head).to_string(), *column));
        Self {
            caption: caption.into(),
            columns: columns.collect(),
            rows: String::new(),
            len: 0,
        }
    }

    /// Adds a row, with its cells in the order of the columns.
    pub(crate) fn row(&mut self, cells: &[String]) {
        self.rows += "<tr>";
        for (index, (cell, (_, column))) in cells.iter().zip(&self.columns).enumerate() {
            let class = class(*column);
            self.rows += &match index {
                0 => format!("<th scope=\"row\"{class}>{cell}</th>"),
                _ => format!("<td{class}>{cell}</td>"),
            };
        }
        self.rows += "</tr>\n";
        self.len += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn html(&self) -> String {
        let caption = escape(&self.caption);
        let heads: String = self
            .columns
            .iter()
            .map(|(head, column)| {
                let class = class(*column);
                format!("<th scope=\"col\"{class}>{}</th>", escape(head))
            })
            .collect();
        let table = format!(
            "<table><caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n\
             <tbody>\n{rows}</tbody></table>",
            rows = self.rows,
        );
        scrollable(&self.caption, &table)
    }

    /// The table behind a line to click on.
    pub(crate) fn folded(&self, summary: &str) -> String {
        let (summary, table) = (escape(summary), self.html());
        format!("<details><summary>{summary}</summary>\n{table}</details>\n")
    }
}

/// What may be wider than the window, so that it scrolls on its own, also by keyboard.
pub(crate) fn scrollable(name: &str, html: &str) -> String {
    let name = escape(name);
    format!(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{name}\">{html}</div>\n"
    )
}

fn class(column: Column) -> &'static str {
    match column {
        Column::Words => "",
        Column::Number => " class=\"n\"",
    }
}
