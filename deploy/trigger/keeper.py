"""What is to be done next: studies become jobs, late records make new ones, what never came is fetched, old removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import structlog

from deploy.trigger.logs import place
from deploy.trigger.pacs import Pacs, PacsUnavailable
from deploy.trigger.queue import Job, Queue
from deploy.trigger.records import FoundRecord, RecordSource, RecordsUnavailable, StudyIdentity, no_record
from deploy.trigger.settings import Reconcile, TriggerSettings
from deploy.trigger.spool import QuietStudy, Spool
from deploy.trigger.store import Store
from deploy.trigger.work import Workshop

INCOMPLETE = "incomplete"
_MAX_FETCHES = 5
_FETCH_PAUSE_S = 10.0
# Between the digest of a record and the job whose record it replaces, where it had been replaced by that one.
_AFTER = " after "
_FINISHED = ("done", "dead")

log = structlog.get_logger()


class Keeper:
    """Looks at everything there is, again and again; every look may be the last, and the next one goes on from it.

    Attributes:
        last_look: when the last one ended, seconds since 1970.
    """

    def __init__(
        self,
        settings: TriggerSettings,
        store: Store,
        spool: Spool,
        queue: Queue,
        workshop: Workshop,
        *,
        records: RecordSource,
        pacs: Pacs | None,
        model: str,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._store = store
        self._spool = spool
        self._queue = queue
        self._workshop = workshop
        self._records = records
        self._pacs = pacs
        self._model = model
        self._now = now
        self._began = now()
        self._next_reconcile = self._began
        self._next_cleaning = self._began
        self._seen_records: str | None = None
        self.last_look = self._began
        self._next_fetch: dict[str, float] = {}

    def look(self) -> None:
        """One pass over everything; what breaks at one study does not keep the others back."""
        for study in self._spool.quiet(self._began):
            try:
                self._take_up(study)
            except Exception as error:
                uid = study.identity.study_instance_uid
                log.error("unexpected", study=uid, error=type(error).__name__, at=place(error))
        self._follow_late_records()
        if self._pacs and self._settings.reconcile and self._now() >= self._next_reconcile:
            self._next_reconcile = self._now() + self._settings.reconcile.every_s
            self._fetch_what_never_came(self._pacs, self._settings.reconcile)
        if self._now() >= self._next_cleaning:
            self._next_cleaning = self._now() + 3600
            self._forget_old()
        self.last_look = self._now()

    def _take_up(self, study: QuietStudy) -> None:
        uid = study.identity.study_instance_uid
        if study.complete_since is None:
            if self._pacs and study.fetches < _MAX_FETCHES:
                if not self._is_complete(self._pacs, uid):
                    return
            elif self._pacs or study.is_remainder:
                self._give_up(uid)
                return
            with self._store.transaction():
                if not self._is_quiet(uid):
                    return  # something of it came while the PACS was asked
                self._spool.note_complete(uid)
        since = self._now() if study.complete_since is None else study.complete_since
        record = self._record(study.identity) or self._earlier_record(uid)
        if record is None:
            if self._now() < since + self._settings.records.wait_minutes * 60:
                return
            record = no_record(self._settings.records.wait_minutes)
        self._enqueue(uid, record)

    def _give_up(self, uid: str) -> None:
        """A result from a part of a study could be a wrong one, so there is none, unless somebody retries it."""
        with self._store.transaction():
            job = self._queue.add(uid, self._spool.images_digest(uid), no_record(None), self._model)
            if job is not None:
                self._queue.dead(
                    job, INCOMPLETE, "only a part of it is here; send all of it again, or retry it as it is"
                )
                log.warning("incomplete", study=uid, job=job.id)

    def _record(self, identity: StudyIdentity) -> FoundRecord | None:
        if not self._settings.records.has_source:
            return no_record(None)
        try:
            return self._records.find(identity)
        except RecordsUnavailable as error:
            log.warning("records_unavailable", study=identity.study_instance_uid, reason=str(error))
            return None

    def _earlier_record(self, uid: str) -> FoundRecord | None:
        """What the study was last processed with: that its record is gone since does not take it back."""
        jobs = [job for job in self._queue.of_study(uid) if job.record and job.reason_code != INCOMPLETE]
        jobs = [job for job in jobs if job.state != "superseded"]
        return FoundRecord(jobs[-1].record, jobs[-1].record_digest, "earlier job") if jobs else None

    def _enqueue(self, uid: str, record: FoundRecord) -> None:
        with self._store.transaction():
            if not self._is_quiet(uid):
                return  # something of it came while others were looked after
            job = self._queue.add(uid, self._spool.images_digest(uid), record, self._model)
        if job is None:
            log.info("already_processed", study=uid)
        else:
            log.info("queued", study=uid, job=job.id, clinical_source=record.source)

    def _is_quiet(self, uid: str) -> bool:
        return any(study.identity.study_instance_uid == uid for study in self._spool.quiet(self._began))

    def _follow_late_records(self) -> None:
        """A record that is new or was corrected makes a new result of a study that is still here."""
        if not self._settings.records.has_source or self._records.generation() == self._seen_records:
            return
        seen = self._records.generation()
        try:
            for job in self._queue.latest():
                # What is arriving gets its record when it is complete.
                if job.reason_code != INCOMPLETE and not self._spool.is_arriving(job.study_uid):
                    self._follow(job)
        except RecordsUnavailable:
            return  # the next look asks again
        self._seen_records = seen

    def _follow(self, job: Job) -> None:
        record = self._records.find(self._spool.identity(job.study_uid))
        if record is None or record.digest == job.record_digest.split(_AFTER)[0]:
            return
        images = self._spool.images_digest(job.study_uid)
        if self._queue.add(job.study_uid, images, record, self._model) is None and job.state != "queued":
            # The record says again what it said before another one: what it says now is still a new statement.
            again = FoundRecord(record.content, f"{record.digest}{_AFTER}{job.id}", record.source)
            self._queue.add(job.study_uid, images, again, self._model)
        log.info("record_changed", study=job.study_uid, clinical_source=record.source)

    def _is_complete(self, pacs: Pacs, uid: str) -> bool:
        """Whether everything that the PACS has of a study is here; what is not is asked for."""
        if self._now() < self._next_fetch.get(uid, 0.0):
            return False
        try:
            missing = self._missing(pacs, uid)
            if not missing:
                self._next_fetch.pop(uid, None)
                return True
            self._next_fetch[uid] = self._now() + _FETCH_PAUSE_S
            log.info("fetching", study=uid, series=len(missing))
            for series_uid in missing:
                pacs.fetch(uid, series_uid)
            self._spool.note_fetch(uid)
        except PacsUnavailable as error:
            self._next_fetch[uid] = self._now() + _FETCH_PAUSE_S
            log.warning("pacs_unavailable", study=uid, reason=str(error))
        return False

    def _missing(self, pacs: Pacs, uid: str) -> list[str]:
        here = self._spool.series_counts(uid)
        return [
            series_uid
            for series_uid, (modality, count) in pacs.series_of(uid).items()
            if modality == "MR" and here.get(series_uid, 0) < (1 if count is None else count)
        ]

    def _fetch_what_never_came(self, pacs: Pacs, settings: Reconcile) -> None:
        """Ask for studies of the last days of which nothing, or not everything, has come."""
        first_day = date.fromtimestamp(self._now()) - timedelta(days=settings.days)
        try:
            recent = pacs.recent_studies(first_day, settings.study_description)
        except PacsUnavailable as error:
            log.warning("pacs_unavailable", reason=str(error))
            return
        for uid, _ in recent:
            was_forgotten = self._queue.of_study(uid) and not self._spool.series_counts(uid)
            if not was_forgotten and not self._spool.is_arriving(uid) and self._spool.fetches(uid) < _MAX_FETCHES:
                self._is_complete(pacs, uid)

    def _forget_old(self) -> None:
        """Remove images and results of studies with which nothing has happened for `keep_days`."""
        oldest = self._now() - self._settings.keep_days * 86400
        for row in self._store.rows(
            "SELECT study_uid FROM study WHERE last_received < ? AND study_uid IN (SELECT study_uid FROM instance)"
            " AND NOT arrived AND study_uid NOT IN (SELECT study_uid FROM transfer)",
            (oldest,),
        ):
            jobs = self._queue.of_study(row["study_uid"])
            if all(job.state in (*_FINISHED, "superseded") and (job.finished or 0) < oldest for job in jobs):
                for job in jobs:
                    self._workshop.forget(job)
                    self._queue.forget(job)
                # Last: it is by the instances that what is left to forget is found after a kill.
                self._spool.forget(row["study_uid"])
                log.info("forgotten", study=row["study_uid"])
