//! The screen and its keys.

use super::Watcher;
use crate::args::Sort;
use crate::exit::Result;
use crate::list::{HEAD, cells};
use crate::lock::{Lock, State};
use crate::say;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table, TableState};
use ratatui::{DefaultTerminal, Frame};

/// What the user has chosen.
struct View {
    sort: Sort,
    filter: String,
    /// Whether the filter is being written.
    writes: bool,
    table: TableState,
    /// The lock whose history is shown.
    detail: Option<String>,
    colors: bool,
}

/// What a key means.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Stay,
    Quit,
}

const SORTS: [(char, Sort); 6] = [
    ('1', Sort::State),
    ('2', Sort::Holder),
    ('3', Sort::Since),
    ('4', Sort::Life),
    ('5', Sort::Waiting),
    ('6', Sort::Key),
];

pub(super) fn show(watcher: &mut Watcher<'_>) -> Result<()> {
    let mut terminal = ratatui::try_init()?;
    let shown = run(watcher, &mut terminal);
    ratatui::try_restore()?;
    shown
}

fn run(watcher: &mut Watcher<'_>, terminal: &mut DefaultTerminal) -> Result<()> {
    let mut view = View {
        sort: watcher.args.sort,
        filter: watcher.args.filter.clone(),
        writes: false,
        table: TableState::default().with_selected(0),
        detail: None,
        colors: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    loop {
        let locks = watcher.model.visible(view.sort, &view.filter);
        terminal.draw(|frame| draw(frame, watcher, &locks, &mut view))?;
        if event::poll(watcher.rest())? {
            if let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
                && press(&mut view, key, &locks) == Step::Quit
            {
                return Ok(());
            }
        } else {
            // It is shown, and the next look may succeed.
            let _ = watcher.look();
        }
    }
}

/// Changes the view as a key says.
fn press(view: &mut View, key: KeyEvent, locks: &[Lock]) -> Step {
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return Step::Quit;
    }
    if view.writes {
        match key.code {
            KeyCode::Enter => view.writes = false,
            KeyCode::Esc => {
                view.writes = false;
                view.filter.clear();
            }
            KeyCode::Backspace => drop(view.filter.pop()),
            KeyCode::Char(c) => view.filter.push(c),
            _ => {}
        }
        return Step::Stay;
    }
    match key.code {
        KeyCode::Char('q') => return Step::Quit,
        KeyCode::Esc if view.detail.is_none() => view.filter.clear(),
        KeyCode::Esc => view.detail = None,
        KeyCode::Char('/') => view.writes = true,
        KeyCode::Char(c) if SORTS.iter().any(|(key, _)| *key == c) => {
            view.sort = SORTS.iter().find(|(key, _)| *key == c).map_or(view.sort, |(_, sort)| *sort);
        }
        KeyCode::Down | KeyCode::Char('j') => view.table.select_next(),
        KeyCode::Up | KeyCode::Char('k') => view.table.select_previous(),
        KeyCode::Home | KeyCode::Char('g') => view.table.select_first(),
        KeyCode::End | KeyCode::Char('G') => view.table.select_last(),
        KeyCode::PageDown => view.table.scroll_down_by(10),
        KeyCode::PageUp => view.table.scroll_up_by(10),
        KeyCode::Enter => {
            let selected =
                view.table.selected().and_then(|at| locks.get(at.min(locks.len().saturating_sub(1))));
            view.detail = match view.detail {
                Some(_) => None,
                None => selected.map(|lock| lock.key.clone()),
            };
        }
        _ => {}
    }
    Step::Stay
}

fn draw(frame: &mut Frame<'_>, watcher: &Watcher<'_>, locks: &[Lock], view: &mut View) {
    let parts = Layout::vertical([Constraint::Length(1), Constraint::Min(3), Constraint::Length(1)]);
    let [top, middle, bottom] = parts.areas(frame.area());
    frame.render_widget(Line::styled(summary(watcher, locks.len()), Modifier::BOLD), top);
    if let Some(key) = view.detail.clone() {
        let halves = Layout::vertical([Constraint::Percentage(50), Constraint::Min(3)]);
        let [upper, lower] = halves.areas(middle);
        draw_table(frame, upper, locks, view);
        draw_history(frame, lower, watcher, &key);
    } else {
        draw_table(frame, middle, locks, view);
    }
    let hint = if view.writes || !view.filter.is_empty() {
        format!(
            "/{}{}",
            say::plain(&view.filter),
            if view.writes { "_   Enter keeps it, Esc drops it" } else { "   Esc drops the filter" }
        )
    } else {
        "q quit   / filter   1-6 sort by column   ↑↓ select   Enter history".to_owned()
    };
    frame.render_widget(Line::styled(hint, Modifier::DIM), bottom);
}

/// The first line: how many locks, how many of them wait, and what is wrong.
fn summary(watcher: &Watcher<'_>, shown: usize) -> String {
    let model = &watcher.model;
    let state = if model.is_settled { "" } else { ", still going through the keys" };
    match &watcher.trouble {
        Some(trouble) => format!("out of date: {}", say::plain(trouble)),
        None => format!(
            "{} of {} shown{state}; every {}",
            shown,
            say::count(model.len() as u64, "lock", "locks"),
            say::duration(watcher.args.every)
        ),
    }
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, locks: &[Lock], view: &mut View) {
    let rows: Vec<Vec<String>> = locks.iter().map(cells).collect();
    let width = |column: usize| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        // The digit of the column comes behind its name.
        u16::try_from(longest.max(HEAD[column].len() + 2).min(60)).unwrap_or(60)
    };
    let mut widths: Vec<_> = (0..HEAD.len() - 1).map(|column| Constraint::Length(width(column))).collect();
    widths.push(Constraint::Min(20));
    let head = SORTS.iter().zip(HEAD).map(|((key, sort), name)| {
        let style = if *sort == view.sort { Style::new().underlined() } else { Style::new() };
        Line::styled(format!("{name} {key}"), style)
    });
    let styled = |(lock, cells): (&Lock, Vec<String>)| Row::new(cells).style(style(lock, view.colors));
    let table = Table::new(locks.iter().zip(rows).map(styled), widths)
        .header(Row::new(head).style(Modifier::BOLD))
        .column_spacing(2)
        .row_highlight_style(Modifier::REVERSED);
    frame.render_stateful_widget(table, area, &mut view.table);
}

/// Held locks that somebody waits for stand out.
fn style(lock: &Lock, colors: bool) -> Style {
    let waited = lock.waiting.is_some_and(|number| number > 0);
    let color = match (lock.state, waited) {
        (State::Held, true) => Color::Red,
        (State::Held, false) => Color::Yellow,
        _ => Color::Reset,
    };
    if colors { Style::new().fg(color) } else { Style::new() }
}

fn draw_history(frame: &mut Frame<'_>, area: Rect, watcher: &Watcher<'_>, key: &str) {
    let now = watcher.model.lock(key).map_or_else(
        || "free".to_owned(),
        |lock| format!("{} by {}, {} left", lock.state.word(), lock.holder_text(), lock.life_text()),
    );
    let title = say::plain(&format!(" {key}: {now} "));
    let height = usize::from(area.height.saturating_sub(1));
    let lines: Vec<Line<'_>> = (watcher.model.history(key).rev().take(height))
        .map(|event| {
            let waiting = event.waiting.map_or_else(String::new, |number| format!("  {number} waiting"));
            Line::from(say::plain(&format!(
                "{}  {:<9} {}{waiting}",
                event.at,
                event.change.word(),
                event.holder
            )))
        })
        .collect();
    let block = Block::new().borders(Borders::TOP).title(title);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::tests::held;

    fn view() -> View {
        let (filter, table) = (String::new(), TableState::default().with_selected(0));
        View { sort: Sort::State, filter, writes: false, table, detail: None, colors: false }
    }

    #[test]
    fn keys_change_the_view() {
        let (mut view, locks) = (view(), [held("a", "w/1", 0), held("b", "w/2", 0)]);
        let type_in = |view: &mut View, codes: &[KeyCode]| {
            codes.iter().fold(Step::Stay, |_, &code| press(view, KeyEvent::from(code), &locks))
        };
        type_in(&mut view, &[KeyCode::Char('5'), KeyCode::Down, KeyCode::Enter]);
        assert_eq!((view.sort, view.detail.as_deref()), (Sort::Waiting, Some("b")));
        type_in(&mut view, &[KeyCode::Esc, KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Char('1')]);
        assert_eq!((view.detail.as_deref(), &*view.filter, view.sort), (None, "q1", Sort::Waiting));
        type_in(&mut view, &[KeyCode::Backspace, KeyCode::Enter]);
        assert_eq!((&*view.filter, view.writes), ("q", false));
        assert_eq!(type_in(&mut view, &[KeyCode::Esc, KeyCode::Char('q')]), Step::Quit);
        assert_eq!(view.filter, "");
    }
}
