//! Verified downloads: into a temporary file beside the target, whose SHA-256 is checked before it gets its name.
//!
//! An interrupted download leaves `NAME.part`; the next call continues from there if the server supports it. The HTTP
//! client uses the usual proxy variables of the environment.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use firebrick_types::checksum::{self, Checksum};
use firebrick_types::data::DataError;
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::http::{Response, header};
use ureq::typestate::AgentScope;

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
const BUFFER: usize = 64 << 10;

/// Downloads `url` to `target`, unless a file with this SHA-256 (64 hexadecimal digits) is already
/// there. `progress` is called with the bytes done and, when the server tells, the bytes in all.
///
/// # Errors
/// As [`Request::fetch`].
pub fn fetch(
    url: &str,
    sha256: &str,
    target: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), DataError> {
    Request {
        sha256,
        ..Request::new(url, target)
    }
    .fetch(progress)
}

/// A file that is wanted.
pub struct Request<'a> {
    /// Its address.
    pub url: &'a str,
    /// Its SHA-256 in hexadecimal digits, or the first of them; empty where nothing is known.
    pub sha256: &'a str,
    /// Where it goes.
    pub target: &'a Path,
    /// The flag that names its directory: `--data-dir`.
    pub flag: &'a str,
    /// What it may mean that the server has no such file (401, 403, 404), if there is more to say.
    pub missing: Option<&'a str>,
    /// Looks at the file before it gets its name, and says what it is instead of what is wanted.
    pub check: &'a dyn Fn(&Path) -> Result<(), String>,
}

impl<'a> Request<'a> {
    /// A file of which nothing is known but its address.
    #[must_use]
    pub fn new(url: &'a str, target: &'a Path) -> Self {
        Self {
            url,
            sha256: "",
            target,
            flag: "--data-dir",
            missing: None,
            check: &|_| Ok(()),
        }
    }

    /// Downloads the file, unless it is already there; without a known SHA-256, any file is. `progress` is called with the bytes
    /// done and, when the server tells, the bytes in all.
    ///
    /// A broken download is continued by the next call, but without a known SHA-256 it begins again: the server may have another
    /// file by then.
    ///
    /// # Errors
    /// [`DataError`], with the way out: no network (the address, and where to put the file by hand),
    /// an HTTP status other than success, a broken transfer (what arrived is kept), content with
    /// another hash or that `check` refuses (it is deleted), a second download of the same file at the same time, or the file
    /// system.
    pub fn fetch(&self, progress: &mut dyn FnMut(u64, Option<u64>)) -> Result<(), DataError> {
        let agent = client().build().new_agent();
        Download {
            agent,
            request: self,
        }
        .run(progress)
    }

    fn is_expected(&self, hash: &str) -> bool {
        let first = hash.get(..self.sha256.len());
        self.is_known() && first.is_some_and(|first| first.eq_ignore_ascii_case(self.sha256))
    }

    fn is_known(&self) -> bool {
        !self.sha256.is_empty()
    }
}

fn client() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        // A hash is taken of the file as it is stored, so nothing may pack it for the way.
        .accept_encoding("identity")
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
}

struct Download<'a> {
    agent: Agent,
    request: &'a Request<'a>,
}

/// What has arrived so far.
struct Part {
    path: PathBuf,
    file: File,
    checksum: Checksum,
    length: u64,
}

impl Download<'_> {
    fn run(&self, progress: &mut dyn FnMut(u64, Option<u64>)) -> Result<(), DataError> {
        let Request {
            url,
            sha256,
            target,
            ..
        } = *self.request;
        let known = self.request.is_known();
        if target.is_file() && (!known || self.request.is_expected(&self.found()?)) {
            let length = fs::metadata(target).map_or(0, |metadata| metadata.len());
            progress(length, Some(length));
            return Ok(());
        }
        let mut part = Part::open(target)?;
        if !known {
            part.restart()?;
        }
        // A run that was stopped between the last byte and the rename has all it needs.
        if part.length == 0 || !self.request.is_expected(&part.hash()) {
            self.transfer(&mut part, progress)?;
        }
        let found = part.hash();
        if known && !self.request.is_expected(&found) {
            part.remove()?;
            let begins = if sha256.len() < found.len() {
                "begins with "
            } else {
                ""
            };
            return Err(DataError::Invalid(format!(
                "{url}: the download is not the expected file and was deleted (its sha256 is {found}, \
                 expected {begins}{sha256}); try again; if it happens again, the server now has another file"
            )));
        }
        if let Err(reason) = (self.request.check)(&part.path) {
            part.remove()?;
            return Err(DataError::Invalid(format!(
                "{url}: what the server sent was deleted: {reason}; check the address"
            )));
        }
        part.finish(target)
    }

    fn found(&self) -> Result<String, DataError> {
        let target = self.request.target;
        checksum::of_file(target).map_err(|source| DataError::io(target, source))
    }

    fn transfer(
        &self,
        part: &mut Part,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), DataError> {
        let mut response = self.request(part.length)?;
        // 416: there is nothing after what is here, and it is not the file.
        if response.status() == 416 && part.length > 0 {
            part.restart()?;
            response = self.request(0)?;
        }
        let status = response.status();
        match status.as_u16() {
            200 => part.restart()?,
            206 if starts_at(&response) == Some(part.length) => {}
            206 => {
                return Err(self.failed("the server sent another part of the file than asked for"));
            }
            401 | 403 | 404 => return Err(self.missing(&status.to_string())),
            _ => return Err(self.failed(&format!("the server answered {status}"))),
        }
        let rest = response.body().content_length();
        let total = rest.map(|rest| part.length + rest);
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; BUFFER];
        progress(part.length, total);
        loop {
            match body.read(&mut buffer) {
                Ok(0) if total.is_some_and(|total| part.length < total) => {
                    return Err(self.broken(part, total, "the server ended it"));
                }
                Ok(0) => return Ok(()),
                Ok(read) => part.append(&buffer[..read])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(part, total, &error.to_string())),
            }
            progress(part.length, total);
        }
    }

    fn request(&self, from: u64) -> Result<Response<ureq::Body>, DataError> {
        let mut request = self.agent.get(self.request.url);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        request.call().map_err(|error| match error {
            ureq::Error::HostNotFound => {
                self.failed("its host cannot be found; check the network connection")
            }
            ureq::Error::Io(error) => self.failed(&error.to_string()),
            error => self.failed(&error.to_string()),
        })
    }

    fn missing(&self, status: &str) -> DataError {
        match self.request.missing {
            Some(meaning) => DataError::Invalid(format!(
                "{}: the server answered {status}: {meaning}",
                self.request.url
            )),
            None => self.failed(&format!("the server answered {status}")),
        }
    }

    fn failed(&self, reason: &str) -> DataError {
        let Request {
            url, target, flag, ..
        } = *self.request;
        DataError::Invalid(format!(
            "cannot download {url}: {reason}; if it cannot be reached from here, put that file at {} by \
             hand, or name the directory that holds it with {flag} DIR",
            target.display()
        ))
    }

    fn broken(&self, part: &Part, total: Option<u64>, reason: &str) -> DataError {
        let of = total.map_or(String::new(), |total| format!(" of {total}"));
        let (url, length) = (self.request.url, part.length);
        let advice = if self.request.is_known() {
            let path = part.path.display();
            format!(
                "the part that arrived is kept in {path}; run the same command again to continue"
            )
        } else {
            "run the same command again".into()
        };
        DataError::Invalid(format!(
            "the download of {url} broke after {length}{of} bytes: {reason}; {advice}"
        ))
    }
}

/// The first byte of a partial answer.
fn starts_at(response: &Response<ureq::Body>) -> Option<u64> {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)?
        .to_str()
        .ok()?;
    range
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}

impl Part {
    /// Opens `target.part` and hashes what an earlier run left in it.
    fn open(target: &Path) -> Result<Self, DataError> {
        let folder = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|source| DataError::io(folder, source))?;
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| DataError::io(&path, source))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(DataError::Invalid(format!(
                    "{}: another process is downloading this file: wait for it",
                    path.display()
                )));
            }
            // A file system without locks is no reason not to download.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut checksum = Checksum::default();
        let length = checksum
            .add_rest(&mut file)
            .map_err(|source| DataError::io(&path, source))?;
        Ok(Self {
            path,
            file,
            checksum,
            length,
        })
    }

    fn hash(&self) -> String {
        self.checksum.clone().digits()
    }

    fn restart(&mut self) -> Result<(), DataError> {
        let io = |source| DataError::io(&self.path, source);
        self.file.set_len(0).map_err(io)?;
        self.file.seek(SeekFrom::Start(0)).map_err(io)?;
        self.checksum = Checksum::default();
        self.length = 0;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.file
            .write_all(bytes)
            .map_err(|source| DataError::io(&self.path, source))?;
        self.checksum.add(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn remove(self) -> Result<(), DataError> {
        drop(self.file);
        fs::remove_file(&self.path).map_err(|source| DataError::io(&self.path, source))
    }

    /// On disk first, then under its name: a crash leaves the whole file or none.
    fn finish(self, target: &Path) -> Result<(), DataError> {
        let io = |source| DataError::io(&self.path, source);
        self.file.sync_all().map_err(io)?;
        drop(self.file);
        fs::rename(&self.path, target).map_err(io)?;
        // Directories cannot be synced everywhere; the rename itself has succeeded.
        if let Some(Ok(folder)) = target.parent().map(File::open) {
            folder.sync_all().ok();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
