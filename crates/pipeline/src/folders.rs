//! Whether folders are what is needed of them. Nothing is written to find out.

use std::fs;
use std::io;
use std::path::Path;

use crate::component::{ComponentError, Healthcheck};

/// What looks at files, which may take long where they are far away.
pub(crate) fn look(look: impl FnOnce() -> Result<(), ComponentError> + Send + 'static) -> Healthcheck {
    Box::pin(async move {
        let looked = tokio::task::spawn_blocking(look).await;
        looked.unwrap_or_else(|error| Err(ComponentError::new("looking at files ended").caused_by(error)))
    })
}

/// Whether files can be made in a folder; or the folder itself, where it is not there.
pub(crate) fn check_writable(folder: &Path) -> Result<(), ComponentError> {
    let failed = |error: io::Error, nearest: &Path| {
        let what = match nearest == folder {
            true => format!("cannot write to the folder {}", shown(folder)),
            false => format!("cannot make the folder {} in {}", shown(folder), shown(nearest)),
        };
        ComponentError::new(what).caused_by(error).with_hint("let the user who runs this write there")
    };
    for nearest in folder.ancestors() {
        let path = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                return may_write(path, &metadata).map_err(|error| failed(error, nearest));
            }
            Ok(_) => return Err(failed(io::ErrorKind::NotADirectory.into(), nearest)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(failed(error, nearest)),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn may_write(folder: &Path, _: &fs::Metadata) -> io::Result<()> {
    use rustix::fs::{Access, access};

    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(not(unix))]
fn may_write(_: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.permissions().readonly() { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

/// Whether it can be seen what is in a folder.
#[cfg(feature = "sources-file")]
pub(crate) fn check_readable(folder: &Path) -> Result<(), ComponentError> {
    let path = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match fs::read_dir(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(ComponentError::new(format!("cannot read the folder {}", shown(path))).caused_by(error)),
    }
}

fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { ".".to_owned() } else { folder.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_can_be_written_to_if_it_or_what_it_is_made_in_is_a_folder() {
        let here = std::env::temp_dir().join(format!("kinesis-logs-pipeline-folders-{}", std::process::id()));
        fs::create_dir_all(&here).unwrap();
        fs::write(here.join("file"), "").unwrap();
        for folder in ["", "new", "new/in/new"] {
            assert!(check_writable(&here.join(folder)).is_ok(), "{folder}");
        }
        assert!(check_writable(Path::new("")).is_ok());
        assert!(!here.join("new").exists(), "nothing is made");
        for (folder, expected) in [
            (here.join("file"), format!("cannot write to the folder {}", here.join("file").display())),
            (here.join("file/in"), format!("cannot make the folder {0}/file/in in {0}/file", here.display())),
        ] {
            assert_eq!(check_writable(&folder).unwrap_err().to_string(), expected);
        }
        fs::remove_dir_all(&here).unwrap();
    }
}
