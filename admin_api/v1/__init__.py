"""Version 1 of the API, one router a noun."""

from admin_api.v1 import (
    accounts,
    devices,
    enrolment,
    extensions,
    hospitals,
    interventions,
    journal,
    people,
    sessions,
    suppliers,
    tasks,
    tokens,
    traces,
    why,
    windows,
)

ROUTERS = (
    tokens.router,
    enrolment.router,
    hospitals.router,
    suppliers.router,
    people.router,
    devices.zones,
    devices.router,
    accounts.router,
    tasks.router,
    interventions.router,
    windows.router,
    extensions.router,
    sessions.router,
    why.router,
    traces.router,
    journal.router,
)
