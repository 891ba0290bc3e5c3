"""Reading a journal from a sequence number on, while it is being written, rotated and pruned."""

import os
from pathlib import Path
from typing import NamedTuple

from waystation.ledger.commit import force_to_disk
from waystation.ledger.frames import CARRIED, SETTLE, scan
from waystation.ledger.segments import Segment, list_segments, sync_directory

BATCH_BYTES = 4 << 20


class Batch(NamedTuple):
    payloads: list[memoryview]
    """Of SETTLE frames, in order."""
    seqs: list[int]
    """Their numbers."""
    last_seq: int
    """Of the last frame seen, of whatever kind; everything up to it has been read."""
    gaps: list[tuple[int, int]]
    """Runs of numbers (first, last) that ought to have come and did not."""
    more: bool
    """The limit was reached: there may be more already."""


class Tail:
    """The frames after a sequence number, in batches; each frame once."""

    def __init__(self, directory: Path, after: int, *, sync: bool) -> None:
        """`sync` forces what was read to the disk before handing it out.

        Whoever keeps a copy elsewhere needs that: a number whose frame a power loss undoes is given again.
        """
        self._directory = directory
        self._seq = after
        self._sync = sync
        self._at: tuple[int, int] = (-1, 0)  # first_seq of the segment last read, offset in it

    def read(self, limit: int = BATCH_BYTES) -> Batch:
        """What has come since; about `limit` bytes at most, but at least one frame.

        Raises:
            FileNotFoundError: a segment was pruned between listing and reading.
        """
        unread = self._unread()
        if self._sync and any(segment.first_seq > self._at[0] for segment in unread):
            sync_directory(self._directory)
        batch = Batch([], [], self._seq, [], more=False)
        size = 0
        for segment in unread:
            self._expect(segment.first_seq, batch)
            at = self._at[1] if self._at[0] == segment.first_seq else 0
            wanted = limit - size
            while True:
                data = self._load(segment, at, wanted)
                end = self._take(data, batch)
                if end or len(data) < wanted:
                    break
                wanted *= 2  # a frame is larger than that
            self._at = (segment.first_seq, at + end)
            size += end
            if len(data) == wanted or size >= limit:
                return batch._replace(last_seq=self._seq, more=True)
        return batch._replace(last_seq=self._seq)

    def _unread(self) -> list[Segment]:
        segments = list_segments(self._directory)
        starts = [segment.first_seq for segment in segments[1:]]
        return [
            segment
            for segment, following in zip(segments, [*starts, None], strict=True)
            if (following is None or following > self._seq + 1) and segment.first_seq >= self._at[0]
        ]

    def _load(self, segment: Segment, offset: int, limit: int) -> bytes:
        fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            file.seek(offset)
            data = file.read(limit)
            if data and self._sync:
                force_to_disk(fd)
        return data

    def _take(self, data: bytes, batch: Batch) -> int:
        end = 0
        for frame in scan(data):
            end = frame.end
            if frame.seq <= self._seq:
                continue
            self._expect(frame.seq, batch)
            self._seq = frame.seq
            if frame.kind == SETTLE:
                batch.payloads.append(frame.payload)
                batch.seqs.append(frame.seq)
        return end

    def _expect(self, seq: int, batch: Batch) -> None:
        """Numbers have no holes, so what lies between the last one and `seq` is missing."""
        if seq > self._seq + 1:
            batch.gaps.append((self._seq + 1, seq - 1))
            self._seq = seq - 1


def last_seq(directory: Path) -> int:
    """The number that the journal has come to; 0 for an empty one."""
    segments = list_segments(directory)
    if not segments:
        return 0
    frames = scan(segments[-1].path.read_bytes())
    return frames[-1].seq if frames else segments[-1].first_seq - 1


def prune(directory: Path, upto: int) -> list[Path]:
    """Remove sealed segments that hold no number above `upto`; returns the damaged ones, which are kept.

    A segment stays until a later one repeats the begin records of what was in flight (its CARRIED frame):
    else a crash would not know of them. A damaged one is renamed, so that nobody reads it again.
    """
    segments = list_segments(directory)
    last_wanted = [following.first_seq - 1 for following in segments[1:]]
    done = [segment for segment, last in zip(segments[:-1], last_wanted, strict=True) if last <= upto]
    if not done:
        return []
    carried = _newest_carried(segments)
    damaged: list[Path] = []
    for segment in done:
        if segment.first_seq >= carried:
            break
        data = segment.path.read_bytes()
        frames = scan(data)
        if (frames[-1].end if frames else 0) == len(data):
            segment.path.unlink()
        else:
            damaged.append(segment.path.replace(segment.path.with_name(segment.path.name + ".damaged")))
    sync_directory(directory)
    return damaged


def _newest_carried(segments: list[Segment]) -> int:
    """First number of the newest segment with a CARRIED frame; 0 where none has one."""
    for segment in reversed(segments):
        if any(frame.kind == CARRIED for frame in scan(segment.path.read_bytes())):
            return segment.first_seq
    return 0
