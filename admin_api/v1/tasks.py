"""Device tasks: what a gateway does on a device on the hospital's behalf, asked for here."""

from functools import partial

from fastapi import APIRouter

from admin_api.deps import Ctx, Paging, Spoken, Who
from admin_api.security.permissions import PLANNING, READING, GuardedRoute
from admin_api.v1.schemas.devices import TaskIn, TaskOut, TasksPage
from policy.domain.ids import AccountId, DeviceId, TaskId
from policy.domain.tasks import TaskKind

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def list_tasks(context: Ctx, who: Who, page: Paging, language: Spoken) -> TasksPage:
    """List the device tasks, the newest first."""
    rows = await context.services.device_tasks.list(who.person.id, who.hospital_id)
    return TasksPage.part(rows, page, partial(TaskOut.told, language=language))


@router.post("", status_code=202, openapi_extra=PLANNING)
async def ask_task(context: Ctx, who: Who, body: TaskIn, language: Spoken) -> TaskOut:
    """Ask for the host keys that a device shows, or for a dedicated account to be tried."""
    task = await context.services.device_tasks.request(
        who.person.id,
        who.hospital_id,
        TaskKind(body.kind),
        DeviceId(body.device_id),
        account_id=AccountId(body.account_id) if body.account_id is not None else None,
    )
    return TaskOut.told(task, language)


@router.get("/{task_id}", openapi_extra=READING)
async def get_task(context: Ctx, who: Who, task_id: str, language: Spoken) -> TaskOut:
    """Show one task and, once a gateway has done it, its result."""
    task = await context.services.device_tasks.get(who.person.id, who.hospital_id, TaskId(task_id))
    return TaskOut.told(task, language)
