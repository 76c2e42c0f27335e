//! Files that settings are in, or that they name: never more of them than can be meant, and nothing that never ends.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// No file of ours is larger.
const BYTES_MAX: u64 = 1_024 * 1_024;

/// What is in a file.
///
/// # Errors
///
/// Where it cannot be read, or is no file (who opens a pipe waits for the other end), or has more than a megabyte.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let about = std::fs::metadata(path)?;
    if about.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !about.is_file() {
        return Err(Error::other("it is no file, but a pipe or a device"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > BYTES_MAX {
        true => Err(Error::other("it has more than a megabyte")),
        false => Ok(bytes),
    }
}

/// The text in a file.
///
/// # Errors
///
/// As for [`read`], and where it is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_or_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, "role = \"gauge\"\n").unwrap();
        assert_eq!(read_text(&path).unwrap(), "role = \"gauge\"\n");
        std::fs::write(&path, vec![b'#'; BYTES_MAX as usize + 1]).unwrap();
        assert_eq!(read(&path).unwrap_err().to_string(), "it has more than a megabyte");
        assert_eq!(read(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert!(read(Path::new("/dev/zero")).unwrap_err().to_string().contains("a device"));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read(&pipe).unwrap_err().to_string().contains("a pipe"), "and nobody waits for its other end");
    }
}
