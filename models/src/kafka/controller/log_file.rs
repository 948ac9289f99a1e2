//! The metadata log on a volume: one file, a snapshot first, entries after it.
//!
//! ```text
//!   frame = length 4 | CRC-32C 4 | content (postcard)        frame 0: the snapshot, each later one: an entry
//! ```
//!
//! A frame's checksum goes on from the frame before, so a frame is sound only behind the very frames that it was written
//! behind: what is left of an older, longer log behind a shorter new one does not count.
//!
//! Steps go one after the other: cut (when logs have parted), write what is waiting through the page cache, `fsync`, say
//! that it is flushed. A new snapshot makes a new file that takes the old one's place by its name: written, synced,
//! renamed, directory synced. At the start of a life the file is read past the page cache up to the first frame that is
//! not sound, cut there, and synced. A storage error ends the process (`FaultHandler`, `Exit.halt`).
//!
//! Simpler than reality: Kafka keeps segments, snapshots in files of their own, and recovers through the cache. One file
//! hides that a crash can leave a snapshot without its log or the other way round.

use super::log::{Log, Snapshot};
use super::storage::{SECTOR, StorageError};
use crate::blob::Blob;
use crate::cloud::volume::{FileId, FileName, IoMode, VolumeAnswer, VolumeDone, VolumeError, VolumeOp};
use crate::kafka::ids::MetadataOffset;
use crate::kafka::metadata::{ClusterImage, Entry};
use crate::kafka::protocol::controller::LogEnd;
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, VolumeId};
use std::collections::VecDeque;
use std::sync::Arc;

const FRAME_HEADER: usize = 8;
const NAME: &str = "metadata.log";
const NEW_NAME: &str = "metadata.log.new";

/// What the volume is doing for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Lookup,
    Read,
    CutTail,
    SyncTail,
    DropNew,
    CreateNew,
    WriteNew,
    SyncNew,
    Rename,
    SyncDirectory,
    Cut,
    Write,
    Sync,
}

/// What is to be done.
enum Job {
    Append(Vec<Arc<Entry>>),
    Cut(MetadataOffset),
    Replace(Snapshot, Vec<Arc<Entry>>),
}

/// Something to know.
pub(super) enum LogFileEvent {
    /// The log as it survived.
    Recovered(Box<Log>),
    /// Everything before that offset is durable.
    Flushed(MetadataOffset),
}

/// See the [module](self).
pub(super) struct LogFile {
    space: TokenSpace,
    volume: VolumeId,
    file: Option<FileId>,
    /// The file that is to take the place of the other.
    new: Option<(FileId, Blob)>,
    step: Option<Step>,
    queue: VecDeque<Job>,
    /// Offset of the first entry in the file.
    base: MetadataOffset,
    /// Length and checksum of the file up to before entry `base + i`; the last is the file's end.
    marks: VecDeque<(u64, u32)>,
}

impl LogFile {
    pub(super) fn new(space: TokenSpace, volume: VolumeId) -> LogFile {
        LogFile {
            space,
            volume,
            file: None,
            new: None,
            step: None,
            queue: VecDeque::new(),
            base: MetadataOffset(0),
            marks: VecDeque::new(),
        }
    }

    /// Looks what is there; [`LogFileEvent::Recovered`] says it.
    pub(super) fn open(&mut self, cx: &mut Cx<'_>) {
        self.ask(cx, Step::Lookup, VolumeOp::Lookup { name: FileName::from(NAME) });
    }

    /// Entries that come after all that were given before.
    pub(super) fn append(&mut self, cx: &mut Cx<'_>, entry: Arc<Entry>) {
        match self.queue.back_mut() {
            Some(Job::Append(entries)) => entries.push(entry),
            Some(Job::Cut(_) | Job::Replace(..)) | None => self.queue.push_back(Job::Append(vec![entry])),
        }
        self.go_on(cx);
    }

    /// All from an offset on is to go.
    pub(super) fn cut(&mut self, cx: &mut Cx<'_>, offset: MetadataOffset) {
        for job in &mut self.queue {
            match job {
                Job::Append(entries) | Job::Replace(_, entries) => entries.retain(|entry| entry.offset < offset),
                Job::Cut(_) => {}
            }
        }
        self.queue.push_back(Job::Cut(offset));
        self.go_on(cx);
    }

    /// A snapshot, and the entries after it, take the place of all that was given before.
    pub(super) fn replace(&mut self, cx: &mut Cx<'_>, snapshot: Snapshot, entries: Vec<Arc<Entry>>) {
        self.queue.clear();
        self.queue.push_back(Job::Replace(snapshot, entries));
        self.go_on(cx);
    }

    /// Whether nothing is waiting or under way.
    pub(super) fn is_idle(&self) -> bool {
        self.step.is_none() && self.queue.is_empty()
    }

    fn ask(&mut self, cx: &mut Cx<'_>, step: Step, op: VolumeOp) {
        assert!(self.step.is_none(), "the log does one thing at a time");
        self.step = Some(step);
        cx.volume(self.volume, self.space.token(0), op);
    }

    fn file(&self) -> FileId {
        self.file.expect("the log is open")
    }

    fn end(&self) -> (u64, u32) {
        *self.marks.back().expect("a file begins with a snapshot")
    }

    fn go_on(&mut self, cx: &mut Cx<'_>) {
        if self.step.is_some() {
            return;
        }
        match self.queue.pop_front() {
            None => {}
            Some(Job::Append(entries)) => self.write(cx, &entries),
            Some(Job::Cut(offset)) => {
                assert!(offset >= self.base, "what a snapshot covers is not cut");
                self.marks.truncate((offset.0 - self.base.0) as usize + 1);
                let (len, _) = self.end();
                self.ask(cx, Step::Cut, VolumeOp::Truncate { file: self.file(), len });
            }
            Some(Job::Replace(snapshot, entries)) => {
                let mut content = Blob::new();
                (self.base, self.marks) = (snapshot.end.offset, VecDeque::new());
                let first = frame(0, &encode_snapshot(&snapshot));
                content.append(&first.0);
                self.marks.push_back((content.len(), first.1));
                content.append(&self.encode(&entries));
                self.new = Some((FileId::RAW, content));
                self.ask(cx, Step::DropNew, VolumeOp::Delete { name: FileName::from(NEW_NAME) });
            }
        }
    }

    fn encode(&mut self, entries: &[Arc<Entry>]) -> Blob {
        let mut content = Blob::new();
        for entry in entries {
            let (len, crc) = self.end();
            let (bytes, crc) = frame(crc, &postcard::to_stdvec(&**entry).expect("it has a form"));
            self.marks.push_back((len + bytes.len(), crc));
            content.append(&bytes);
        }
        content
    }

    fn write(&mut self, cx: &mut Cx<'_>, entries: &[Arc<Entry>]) {
        let (offset, _) = self.end();
        let data = self.encode(entries);
        let op = VolumeOp::Write { file: self.file(), offset, data, mode: IoMode::Buffered };
        self.ask(cx, Step::Write, op);
    }

    /// What lies in the file is flushed: as much of it as is still wanted.
    fn flushed(&self) -> Option<LogFileEvent> {
        let mut offset = MetadataOffset(self.base.0 + self.marks.len() as u64 - 1);
        for job in &self.queue {
            match job {
                Job::Append(_) => {}
                Job::Cut(at) => offset = offset.min(*at),
                Job::Replace(..) => return None,
            }
        }
        Some(LogFileEvent::Flushed(offset))
    }

    /// Whether this answer is the log's.
    pub(super) fn owns(&self, done: &VolumeDone) -> bool {
        TokenSpace::split(done.token).0 == self.space
    }

    /// The volume has answered.
    pub(super) fn answered(&mut self, cx: &mut Cx<'_>, done: VolumeDone) -> Result<Option<LogFileEvent>, StorageError> {
        let step = self.step.take().expect("something was asked");
        let event = self.next(cx, step, done.result)?;
        self.go_on(cx);
        Ok(event)
    }

    fn next(
        &mut self,
        cx: &mut Cx<'_>,
        step: Step,
        result: Result<VolumeAnswer, VolumeError>,
    ) -> Result<Option<LogFileEvent>, StorageError> {
        match (step, result) {
            (Step::Lookup, Ok(VolumeAnswer::Found(entry))) => {
                self.file = Some(entry.file);
                let len = entry.len.next_multiple_of(SECTOR);
                self.ask(cx, Step::Read, VolumeOp::Read { file: entry.file, offset: 0, len, mode: IoMode::Direct });
            }
            (Step::Lookup, Err(VolumeError::NotFound)) => {
                self.replace(cx, Snapshot::default(), Vec::new());
                return Ok(None);
            }
            (Step::Lookup, Err(error)) => return Err(StorageError::NotThereYet(error)),
            (Step::Read, Ok(VolumeAnswer::Read(content))) => return self.recover(cx, &content),
            (Step::CutTail, Ok(_)) => self.ask(cx, Step::SyncTail, VolumeOp::Sync { file: self.file() }),
            (Step::SyncTail | Step::Sync, Ok(_)) => return Ok(self.flushed()),
            (Step::DropNew, Ok(_) | Err(VolumeError::NotFound)) => {
                self.ask(cx, Step::CreateNew, VolumeOp::Create { name: FileName::from(NEW_NAME) });
            }
            (Step::CreateNew, Ok(VolumeAnswer::Created(file))) => {
                let (new, content) = self.new.as_mut().expect("a new file is being made");
                *new = file;
                let data = std::mem::take(content);
                self.ask(cx, Step::WriteNew, VolumeOp::Write { file, offset: 0, data, mode: IoMode::Buffered });
            }
            (Step::WriteNew, Ok(_)) => {
                let file = self.new.as_ref().expect("a new file is being made").0;
                self.ask(cx, Step::SyncNew, VolumeOp::Sync { file });
            }
            (Step::SyncNew, Ok(_)) => {
                let (from, to) = (FileName::from(NEW_NAME), FileName::from(NAME));
                self.ask(cx, Step::Rename, VolumeOp::Rename { from, to });
            }
            (Step::Rename, Ok(_)) => self.ask(cx, Step::SyncDirectory, VolumeOp::SyncDirectory),
            (Step::SyncDirectory, Ok(_)) => {
                let is_first = self.file.is_none();
                self.file = self.new.take().map(|(file, _)| file);
                let first = || Some(LogFileEvent::Recovered(Box::default()));
                return Ok(if is_first { first() } else { self.flushed() });
            }
            (Step::Cut, Ok(_)) => match self.queue.pop_front() {
                Some(Job::Append(entries)) => self.write(cx, &entries),
                other => {
                    if let Some(job) = other {
                        self.queue.push_front(job);
                    }
                    self.ask(cx, Step::Sync, VolumeOp::Sync { file: self.file() });
                }
            },
            (Step::Write, Ok(_)) => self.ask(cx, Step::Sync, VolumeOp::Sync { file: self.file() }),
            (step, Err(error)) => return Err(StorageError::Failed(format!("{step:?} of the metadata log"), error)),
            (step, Ok(answer)) => unreachable!("{step:?} answered {answer:?}"),
        }
        Ok(None)
    }

    /// Reads up to the first frame that is not sound, and has the file cut there.
    fn recover(&mut self, cx: &mut Cx<'_>, content: &Blob) -> Result<Option<LogFileEvent>, StorageError> {
        let bytes = content.to_bytes().expect("the log is real bytes");
        let corrupt = || StorageError::Corrupt("the metadata log has no snapshot at its start");
        let (payload, mut crc) = sound_frame(&bytes, 0).ok_or_else(corrupt)?;
        let Snapshot { end, image } = decode_snapshot(payload).map_err(|_| corrupt())?;
        let mut at = FRAME_HEADER + payload.len();
        (self.base, self.marks) = (end.offset, VecDeque::from([(at as u64, crc)]));
        let mut entries = Vec::new();
        while let Some((payload, next_crc)) = sound_frame(&bytes[at..], crc) {
            let Ok(entry) = postcard::from_bytes::<Entry>(payload) else { break };
            (at, crc) = (at + FRAME_HEADER + payload.len(), next_crc);
            self.marks.push_back((at as u64, crc));
            entries.push(Arc::new(entry));
        }
        if (at as u64) < content.len() {
            cx.mark("controller: recovery cut off an unsynced tail of the metadata log");
        }
        // Even without a tail: the page cache may show a longer file than the disk has.
        self.ask(cx, Step::CutTail, VolumeOp::Truncate { file: self.file(), len: at as u64 });
        let log = Log::recovered(Snapshot { end, image }, entries);
        Ok(Some(LogFileEvent::Recovered(Box::new(log))))
    }
}

/// The settings of topics come last, where there are any.
fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = postcard::to_stdvec(&(snapshot.end, &*snapshot.image)).expect("it has a form");
    let configs = &snapshot.image.topic_configs;
    if !configs.is_empty() {
        bytes.extend(postcard::to_stdvec(configs).expect("it has a form"));
    }
    bytes
}

fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, postcard::Error> {
    let ((end, mut image), rest): ((LogEnd, ClusterImage), &[u8]) = postcard::take_from_bytes(bytes)?;
    if !rest.is_empty() {
        image.topic_configs = postcard::from_bytes(rest)?;
    }
    Ok(Snapshot { end, image: Arc::new(image) })
}

/// A frame behind a frame with that checksum, and its own checksum.
fn frame(before: u32, payload: &[u8]) -> (Blob, u32) {
    let len = u32::try_from(payload.len()).expect("an entry is small").to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(before, &len), payload);
    let mut bytes = Vec::with_capacity(FRAME_HEADER + payload.len());
    bytes.extend_from_slice(&len);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(payload);
    (Blob::real(bytes), crc)
}

/// The content of the frame at the beginning of `bytes`, if it is sound.
fn sound_frame(bytes: &[u8], before: u32) -> Option<(&[u8], u32)> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().expect("four bytes")));
    let (len, crc) = (word(0)? as usize, word(4)?);
    let payload = bytes.get(FRAME_HEADER..FRAME_HEADER.checked_add(len)?)?;
    let is_sound = crc32c::crc32c_append(crc32c::crc32c_append(before, &bytes[..4]), payload) == crc;
    // A hole of zeros is no frame: nothing has an empty content.
    (is_sound && len > 0).then_some((payload, crc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::ids::TopicId;
    use crate::kafka::metadata::{MetadataRecord, TopicSetting};

    #[test]
    fn settings_of_topics_are_in_a_snapshot_and_a_cluster_without_any_has_the_form_it_always_had() {
        let (topic, setting) = (TopicId(3), TopicSetting::RetentionMs);
        let mut image = ClusterImage::default();
        let plain = Snapshot { end: LogEnd::default(), image: Arc::new(image.clone()) };
        let as_ever = postcard::to_stdvec(&(plain.end, &*plain.image)).expect("it has a form");
        assert_eq!(encode_snapshot(&plain), as_ever);
        assert_eq!(decode_snapshot(&as_ever).expect("it is sound").image, plain.image);
        image.apply_record(MetadataOffset(0), &MetadataRecord::TopicConfig { topic, setting, value: Some(5_000) });
        let snapshot = Snapshot { image: Arc::new(image), ..plain };
        let read = decode_snapshot(&encode_snapshot(&snapshot)).expect("it is sound");
        assert_eq!(read.image.topic_configs.get(topic, setting), Some(5_000));
        assert_eq!(read.image, snapshot.image);
    }

    #[test]
    fn a_frame_is_sound_only_behind_its_own_predecessor() {
        let (first, crc) = frame(0, b"snapshot");
        let (second, _) = frame(crc, b"entry");
        let (other, other_crc) = frame(0, b"snapshoT");
        let bytes = second.to_bytes().unwrap();
        assert!(sound_frame(&first.to_bytes().unwrap(), 0).is_some());
        assert_eq!(sound_frame(&bytes, crc).unwrap().0, b"entry");
        assert!(sound_frame(&other.to_bytes().unwrap(), 0).is_some());
        assert!(sound_frame(&bytes, other_crc).is_none(), "an old frame behind a new one");
        assert!(sound_frame(&bytes[..bytes.len() - 1], crc).is_none(), "a torn frame");
        assert!(sound_frame(&[0; 64], crc).is_none() && sound_frame(&[0; 64], 0).is_none(), "a hole");
    }
}
