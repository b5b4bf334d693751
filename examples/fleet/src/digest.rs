//! The work: a digest of every file below a directory.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

use crate::Failure;

/// The report of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    root: String,
    count: usize,
    bytes: u64,
    /// Over all files and their names.
    pub(crate) sha256: String,
    files: Vec<Digested>,
}

/// The entry of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Digested {
    path: String,
    bytes: u64,
    sha256: String,
}

/// Digests the tree at `root`, and writes the report to `to` in one step.
pub(crate) fn write_report(root: &Path, to: &Path) -> Result<Report, Failure> {
    let report = digest_tree(root)?;
    let half_done = to.with_extension("part");
    fs::write(&half_done, serde_json::to_string_pretty(&report)? + "\n")?;
    fs::rename(&half_done, to)?;
    Ok(report)
}

/// The report: each file with size and SHA-256, the totals, and one SHA-256 over all.
fn digest_tree(root: &Path) -> Result<Report, Failure> {
    let mut files = Vec::new();
    let mut total = 0;
    let mut whole = Sha256::new();
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| !is_cache(entry)) {
        let entry = match entry {
            Ok(entry) => entry,
            // A file that was removed after its directory was read does not count.
            Err(error) if error.io_error().is_some_and(has_gone) && error.depth() > 0 => continue,
            Err(error) => return Err(error.into()),
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let (size, digest) = match digest_file(entry.path()) {
            Ok(found) => found,
            Err(error) if has_gone(&error) => continue,
            Err(error) => return Err(format!("{}: {error}", entry.path().display()).into()),
        };
        let name = entry.path().strip_prefix(root)?.to_string_lossy().into_owned();
        whole.update(format!("{digest} {name}\n"));
        total += size;
        files.push(Digested { path: name, bytes: size, sha256: digest });
    }
    Ok(Report {
        root: root.to_string_lossy().into_owned(),
        count: files.len(),
        bytes: total,
        sha256: hex(&whole.finalize()),
        files,
    })
}

/// Directories that programs mark as safe to delete, such as `target`, do not count.
fn is_cache(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_type().is_dir() && entry.path().join("CACHEDIR.TAG").is_file()
}

fn has_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn digest_file(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok((size, hex(&hasher.finalize())));
        }
        hasher.update(&buffer[..length]);
        size += length as u64;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a `String` can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
