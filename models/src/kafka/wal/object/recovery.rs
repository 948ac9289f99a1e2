//! How what is there is read, in order, and where it ends.

use super::layout::{LogObject, OBJECT_HEADER_BYTES, ObjectHeader};
use super::{ObjectWal, Phase, RECOVER, Reading};
use crate::blob::Blob;
use crate::kafka::object_client::ObjectAnswer;
use crate::kafka::wal::WalOffset;
use crate::kafka::wal::mutant::WalMutant;
use crate::kafka::wal::record::{Entry, EntryReader, PlaceCheck, RECORD_HEADER_BYTES};
use crate::world::Cx;

impl ObjectWal {
    pub(super) fn begin_recovery(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Recovering;
        self.read_ahead(cx);
        self.recovery_goes_on(cx);
    }

    pub(super) fn read_ahead(&mut self, cx: &mut Cx<'_>) {
        while self.reading_bytes == 0 || self.reading_bytes < self.options.readahead_bytes {
            let Some(object) = self.to_recover.pop_front() else { return };
            self.reading_bytes += object.size;
            let number = self.next_recovery + self.recovering.len() as u64;
            self.client.get(cx, RECOVER | number, object.key.clone(), None);
            self.recovering.push_back(Reading { object, body: None });
        }
    }

    pub(super) fn was_read(&mut self, cx: &mut Cx<'_>, number: u64, answer: ObjectAnswer) {
        let ObjectAnswer::Content { body, .. } = answer else {
            return self.voice.failed("an object of the log is gone");
        };
        self.recovering[(number - self.next_recovery) as usize].body = Some(body);
        self.recovery_goes_on(cx);
    }

    pub(super) fn recovery_goes_on(&mut self, cx: &mut Cx<'_>) {
        while self.recovering.front().is_some_and(|reading| reading.body.is_some()) {
            let reading = self.recovering.pop_front().expect("looked at");
            self.next_recovery += 1;
            self.reading_bytes -= reading.object.size;
            if let Err(why) = self.recover(cx, &reading.object, &reading.body.expect("looked at")) {
                return self.voice.failed(format!("recovery of {}: {why}", reading.object.key));
            }
        }
        self.read_ahead(cx);
        if self.recovering.is_empty() {
            if self.passed_trimmed {
                cx.mark("wal: a trim lay between crash and recovery");
            }
            self.phase = Phase::Recovered;
            self.voice.recovery_ended(cx);
        }
    }

    pub(super) fn recover(&mut self, cx: &mut Cx<'_>, object: &LogObject, bytes: &Blob) -> Result<(), String> {
        let header = ObjectHeader::decode(bytes).ok_or("no header")?;
        if header.start != object.start || header.body_len + OBJECT_HEADER_BYTES != bytes.len() {
            return Err("its header belongs to another object".into());
        }
        let mut reader = EntryReader::new(bytes);
        reader.skip(OBJECT_HEADER_BYTES);
        let mut at = object.start;
        while reader.left() > 0 {
            let (entry, len) = reader.entry(at, PlaceCheck::Strict).map_err(|error| error.to_string())?;
            match entry {
                Entry::Record(record) if at >= self.trimmed => {
                    let off = if self.mutant == Some(WalMutant::RecoverBodyOffset) { RECORD_HEADER_BYTES } else { 0 };
                    self.voice.recovered(cx, WalOffset(at + off), record);
                }
                Entry::Record(_) => self.passed_trimmed = true,
                Entry::Trim | Entry::Padding => (),
            }
            at += len;
        }
        Ok(())
    }
}
