"""The use cases: what a planner, an administrator or a gateway may ask for, and the one place that builds them."""

from dataclasses import dataclass

from policy.authn.passwords import Passwords
from policy.clock import Clock
from policy.ports import Responder
from policy.services.access import AccessService
from policy.services.alarms import AlarmService
from policy.services.anchors import AnchorService
from policy.services.authorities import AuthorityService
from policy.services.bookmarks import BookmarkService
from policy.services.calls import CallQueue, CallService
from policy.services.console_sessions import ConsoleSessionService
from policy.services.derogations import DerogationService
from policy.services.device_tasks import DeviceTaskService
from policy.services.devices import DeviceService
from policy.services.engagements import EngagementService
from policy.services.erasures import ErasureService
from policy.services.exercises import ExerciseService
from policy.services.factors import FactorService
from policy.services.holds import HoldService
from policy.services.hospitals import HospitalService
from policy.services.interventions import InterventionService
from policy.services.keeping import RetentionService
from policy.services.login import LoginService
from policy.services.login_authorities import LoginAuthorityService
from policy.services.mails import MailQueue, MailService
from policy.services.names import NameService
from policy.services.own_factors import OwnFactorService
from policy.services.people import PeopleService
from policy.services.programs import ProgramService
from policy.services.queues import QueueService
from policy.services.recovery import RecoveryService
from policy.services.reports import ReportService
from policy.services.requests import RequestService
from policy.services.revocations import RevocationService
from policy.services.suppliers import SupplierService
from policy.services.token_certificates import TokenCertificateService
from policy.services.token_watch import TokenWatch
from policy.services.tokens import TokenService
from policy.services.vault import VaultService
from policy.services.visits import VisitService
from policy.services.windows import WindowService
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.vault.keyring import Keyring

__all__ = ["Services", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything policy offers, over one database and one keyring. ``close`` it."""

    settings: PolicySettings
    clock: Clock
    database: Database
    keyring: Keyring
    passwords: Passwords
    access: AccessService
    token_watch: TokenWatch
    login: LoginService
    vault: VaultService
    hospitals: HospitalService
    factors: FactorService
    anchors: AnchorService
    token_certificates: TokenCertificateService
    login_authorities: LoginAuthorityService
    suppliers: SupplierService
    people: PeopleService
    devices: DeviceService
    authorities: AuthorityService
    derogations: DerogationService
    interventions: InterventionService
    windows: WindowService
    requests: RequestService
    reports: ReportService
    own_factors: OwnFactorService
    revocations: RevocationService
    device_tasks: DeviceTaskService
    tokens: TokenService
    engagements: EngagementService
    visits: VisitService
    console_sessions: ConsoleSessionService
    mails: MailService
    alarms: AlarmService
    calls: CallService
    bookmarks: BookmarkService
    retention: RetentionService
    holds: HoldService
    erasures: ErasureService
    exercises: ExerciseService
    names: NameService
    programs: ProgramService
    queues: QueueService

    async def close(self) -> None:
        """Let log-ins under way settle, and close the database."""
        await self.login.close()
        self.passwords.close()
        await self.database.close()


async def build(
    settings: PolicySettings,
    clock: Clock,
    *,
    migrate: bool = False,
    passwords: Passwords | None = None,
    responder: Responder | None = None,
) -> Services:
    """Open the database and the keyring that *settings* name, and build every service on them.

    *migrate* brings the schema up to date first; *passwords* are the usual ones unless given. *responder* is asked
    about tokens' certificates. Raises
    PolicyUnavailable, VaultError, InvalidInput.
    """
    keyring = Keyring.load(settings.keyring_directory)
    database = await Database.open(settings.database_url, migrate=migrate)
    hasher = passwords or Passwords()
    vault = VaultService(database, keyring, clock)
    people = PeopleService(database, keyring, hasher, clock, settings)
    login = LoginService(database, keyring, hasher, clock, settings, responder=responder)
    recovery = RecoveryService(database, keyring, hasher, clock, settings)
    queue = MailQueue(keyring, clock, settings)
    certificates = TokenCertificateService(database, clock, queue)
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        keyring=keyring,
        passwords=hasher,
        access=AccessService(database, clock, settings),
        token_watch=TokenWatch(database, clock, responder),
        login=login,
        vault=vault,
        hospitals=HospitalService(database, people, clock),
        factors=FactorService(database, clock),
        anchors=AnchorService(database, clock),
        token_certificates=certificates,
        login_authorities=LoginAuthorityService(database, clock),
        suppliers=SupplierService(database, clock),
        people=people,
        devices=DeviceService(database, vault, clock),
        authorities=AuthorityService(database, keyring, clock),
        derogations=DerogationService(database, clock),
        interventions=InterventionService(database, clock),
        windows=WindowService(database, clock, settings),
        requests=RequestService(database, clock, settings),
        reports=ReportService(database, clock, settings),
        own_factors=OwnFactorService(database),
        revocations=RevocationService(database, clock),
        device_tasks=DeviceTaskService(database, clock),
        tokens=TokenService(database, clock, settings),
        engagements=EngagementService(database, clock),
        visits=VisitService(database, people, login, recovery, certificates, hasher, queue, clock, settings),
        console_sessions=ConsoleSessionService(database, login, clock, settings),
        mails=MailService(database, keyring, clock),
        alarms=AlarmService(database, clock, queue, CallQueue(clock, settings), settings),
        calls=CallService(database, clock),
        bookmarks=BookmarkService(database, clock),
        retention=RetentionService(database, clock, settings),
        holds=HoldService(database, clock),
        erasures=ErasureService(database, clock, settings),
        exercises=ExerciseService(database, clock, settings),
        names=NameService(database),
        programs=ProgramService(database, keyring, clock, settings.lease),
        queues=QueueService(database),
    )
