"""The spans of a gateway: what policy, recorder and device side are asked is watched as it is asked.

The gateway is handed policy's services, the recorder's store and the device side behind these: none of them knows of spans. A
session's trace has the session's own identifier; a log-in is another trace, which its sessions are linked to.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from ecluse.observation.tracing import Tracing, Words, fail, say
from gateway.journal import Journal
from gateway.ports import Recording
from gateway.server.listener import Gateway
from gateway.settings import GatewaySettings
from gateway.target.dial import Dialler
from gateway.target.flows import FlowBroker
from policy.clock import Clock
from policy.domain.access import AccessRequest, Denial, Grant
from policy.domain.ids import HospitalId
from policy.domain.people import Person
from policy.services import Services
from policy.services.login_attempt import LoginAttempt
from recorder.capture.spool import Recorder
from recorder.ports import TraceStore
from recorder.trace.header import TraceHeader

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

REMEMBERED: Final = 4096
"""Sessions and people whose newest span is known here, for what belongs to it."""

_T = TypeVar("_T")


class _Behind:
    """Stands for *target*, but for what is *replaced*."""

    def __init__(self, target: object, **replaced: object) -> None:
        self._target = target
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


class GatewayTraces:
    """Watches what one gateway asks."""

    def __init__(self, tracing: Tracing) -> None:
        """Tell *tracing*."""
        self.tracing = self._tracing = tracing
        self._opening: OrderedDict[str, Span] = OrderedDict()
        self._sessions: OrderedDict[str, SpanContext] = OrderedDict()
        self._people: OrderedDict[str, SpanContext] = OrderedDict()

    def gateway(
        self,
        settings: GatewaySettings,
        built: Services,
        recorder: Recorder,
        journal: Journal,
        clock: Clock,
        **further: Any,
    ) -> Gateway:
        """Return a gateway whose questions to policy, recorder and devices are watched; *further* as it takes them."""
        services = self._services(built)
        flows = FlowBroker.at(settings.flow_broker)
        dialler = Dialler(services.vault, settings.connect_timeout_seconds, flows)
        watched = {"dialler": self._dialler(dialler), **further}
        return Gateway(settings, services, self._recorder(recorder), journal, clock, **watched)

    def _services(self, built: Services) -> Services:
        """Return policy's services, watched."""
        access = _Behind(
            built.access,
            decide=lambda request: self._decide(built, request),
            session_opened=lambda grant, node: self._step(
                "policy.lease", grant.session_id, built.access.session_opened(grant, node)
            ),
            session_closed=lambda *told, **named: self._closed(built, *told, **named),
        )
        login = _Behind(built.login, begin=lambda *told, **named: self._begin(built, *told, **named))
        vault = _Behind(
            built.vault,
            release=lambda grant: self._step(
                "vault.release", getattr(grant, "session_id", None), built.vault.release(grant)
            ),
        )
        return cast(Services, _Behind(built, access=access, login=login, vault=vault))

    def _dialler(self, target: Dialler) -> Dialler:
        """Return the device side, watched: the last step of an opening."""

        async def dial(grant: Grant, *told: Any, **named: Any) -> object:
            work = target.dial(grant, *told, **named)
            try:
                return await self._step("device.connect", grant.session_id, work)
            finally:
                self._opened(grant.session_id)

        return cast(Dialler, _Behind(target, dial=dial))

    def _recorder(self, target: Recorder) -> Recorder:
        """Return the recorder as the gateway asks it, watched."""

        async def opens(header: TraceHeader, on_failure: Callable[[Exception], None]) -> Recording:
            return await self._step("trace.open", header.session_id, target.open(header, on_failure))

        return cast(Recorder, _Behind(target, open=opens))

    def store(self, target: TraceStore) -> TraceStore:
        """Return the trace store, what is kept there for good watched; called in threads."""

        def seal(place: Any, segment: Any, source: Any, start: int) -> None:
            words: dict[str, Words] = {"bytes": int(segment["bytes"])}
            self._ship(
                "store.seal", place.session_id, lambda: target.seal(place, segment, source, start), words
            )

        return cast(TraceStore, _Behind(target, seal=seal))

    def _ship(self, name: str, session_id: str, work: Callable[[], None], words: dict[str, Words]) -> None:
        parent = self._sessions.get(session_id)
        span = self._tracing.begin(name, trace=session_id, parent=parent, words=words)
        try:
            work()
        except BaseException as error:
            fail(span, error)
            raise
        finally:
            span.end()

    # ── log-ins ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, built: Services, *told: Any, **named: Any) -> LoginAttempt:
        at = time_ns()
        attempt = await built.login.begin(*told, **named)
        root = self._tracing.begin("login", at=at)
        root.end(
            time_ns()
        )  # what a person takes between two factors is hers; each has a span of its own below
        context = root.get_span_context()

        def factor(kind: str, check: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def checked(*told: Any, **named: Any) -> Any:
                span = self._tracing.begin("login.factor", parent=context, words={"kind": kind})
                try:
                    found = await check(*told, **named)
                    say(span, result="proved" if found is not None else "not enough")
                except BaseException as error:
                    fail(span, error)
                    raise
                finally:
                    span.end()
                if isinstance(found, Person):
                    _keep(self._people, found.id, context)
                return found

            return checked

        kinds = {
            "key_proved": "key",
            "check_code": "code",
            "check_password_and_code": "password and code",
        }
        watched = {name: factor(kind, getattr(attempt, name)) for name, kind in kinds.items()}
        return cast(LoginAttempt, _Behind(attempt, **watched))

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _decide(self, built: Services, request: AccessRequest) -> Grant | Denial:
        at, known = time_ns(), self._people.get(request.person_id)
        links = () if known is None else (known,)
        try:
            decision = await built.access.decide(request)
        except BaseException as error:
            span = self._tracing.begin("session.open", at=at, links=links)
            fail(span, error)
            span.end()
            raise
        granted = isinstance(decision, Grant)
        root = self._tracing.begin(
            "session.open",
            trace=decision.session_id if isinstance(decision, Grant) else None,
            at=at,
            links=links,
        )
        words: dict[str, Words] = {"decision": "granted" if granted else "denied"}
        if isinstance(decision, Denial):
            words["findings"] = sorted({f"{one.code} {one.key}" for one in decision.failed})
        context = root.get_span_context()
        self._tracing.begin("policy.decide", parent=context, at=at, words=words).end()
        say(root, **words)
        if isinstance(decision, Grant):
            say(root, kind=decision.kind.value)
            _keep(self._opening, decision.session_id, root)
            _keep(self._sessions, decision.session_id, context)
        else:
            root.end()
        return decision

    def _opened(self, session_id: str) -> None:
        root = self._opening.pop(session_id, None)
        if root is not None:
            root.end()

    async def _closed(
        self, built: Services, hospital: HospitalId, session: Any, reason: str, **named: Any
    ) -> None:
        root = self._opening.pop(session, None)
        if root is not None:  # it never got as far as the device
            say(root, reason=reason)
            root.end()
        await self._step(
            "policy.release_lease", session, built.access.session_closed(hospital, session, reason, **named)
        )

    async def _step(self, name: str, session_id: str | None, work: Awaitable[_T]) -> _T:
        parent = None if session_id is None else self._sessions.get(session_id)
        if parent is None:
            return await work
        span = self._tracing.begin(name, parent=parent)
        try:
            return await work
        except BaseException as error:
            fail(span, error)
            raise
        finally:
            span.end()


def _keep(known: "OrderedDict[str, _T]", name: str, one: _T) -> None:
    known[name] = one
    known.move_to_end(name)
    if len(known) > REMEMBERED:
        known.popitem(last=False)
