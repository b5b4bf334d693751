//! The results, as a table, as JSON and as charts.

mod json;
pub(crate) mod machine;
pub(crate) mod summary;
mod svg;
pub(crate) mod table;

use crate::Fallible;
use crate::measure::Measured;
use crate::options::Options;
use std::fs::File;

/// Finds out before the long work whether the results can be written.
pub(crate) fn check(options: &Options) -> Fallible<()> {
    if let Some(file) = &options.json {
        File::create(file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if let Some(dir) = &options.svg {
        std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    Ok(())
}

pub(crate) fn write(results: &[Measured], options: &Options) -> Fallible<()> {
    if let Some(file) = &options.json {
        json::write(results, File::create(file)?)?;
    }
    if let Some(dir) = &options.svg {
        let place = machine::line(options);
        results.iter().try_for_each(|row| svg::draw(row, dir, &place))?;
    }
    Ok(())
}
