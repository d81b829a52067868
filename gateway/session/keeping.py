"""Where traces go, as sessions feel it: what policy is told when one opens (T11, T12), and who outlasts the store how long."""

from collections.abc import Iterable
from datetime import timedelta

from gateway.server.banners import Wording
from gateway.session.limits import Holding
from gateway.session.live import Session
from gateway.session.reasons import EndReason
from policy.domain.access import TraceKeeping
from policy.i18n import rule_label
from recorder.capture.spool import Recorder


class TraceWatch:
    """One a gateway. Asks the recorder, which answers at once: nothing here waits for a store."""

    def __init__(self, recorder: Recorder, wording: Wording) -> None:
        """Ask *recorder*, and speak with *wording*."""
        self._recorder = recorder
        self._wording = wording
        self._troubled = False

    def facts(self) -> TraceKeeping:
        """Return what policy is to know when a session is asked for."""
        state = self._recorder.state()
        return TraceKeeping(
            unreachable_since=state.unreachable_since,
            catalogue=state.of_catalogue,
            spool_full=state.spool_full,
        )

    def look(self, sessions: Iterable[Session], by: Holding) -> None:
        """Warn whoever is concerned at once, and end who may not go on: her grace is over, or the spool is full."""
        state = self._recorder.state()
        was, self._troubled = self._troubled, state.spool_full or state.unreachable_since is not None
        if not was and not self._troubled:
            return  # nobody is to be told anything
        for session in sessions:
            if session.ending is not None or not session.recorded:
                continue
            if state.spool_full:
                by.end(session, EndReason.SPOOL)
                continue
            if state.unreachable_since is None:
                if session.told_of_outage:
                    session.told_of_outage = False
                    by.warn(session, self._wording.say("warning.store-back", session.grant.language))
                continue
            grace = session.obligations.outage_grace
            silent = timedelta(seconds=state.silent_seconds)
            if grace is not None and silent >= grace:
                by.end(session, EndReason.CATALOGUE if state.of_catalogue else EndReason.STORE)
            elif not session.told_of_outage:
                session.told_of_outage = True
                remaining = None if grace is None else grace - silent
                by.warn(session, self._warning(session, remaining, of_catalogue=state.of_catalogue))

    def _warning(self, session: Session, remaining: timedelta | None, *, of_catalogue: bool) -> str:
        language = session.grant.language
        if remaining is None:
            key = "warning.catalogue-spooled" if of_catalogue else "warning.store-spooled"
            return self._wording.say(key, language)
        key = "warning.catalogue" if of_catalogue else "warning.store"
        whole = timedelta(seconds=max(1, round(remaining.total_seconds())))
        return self._wording.say(key, language, remaining=whole, rule=rule_label("T11"))
