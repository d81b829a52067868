"""The console of the hospital's staff, under ``/console``: sessions, replay, the journal.

How to add a screen
-------------------
1. A module of its own here, one noun, with ``screens = Screens()`` and its handlers:

   ``@screens.get("/console/things", roles=READERS)`` over ``async def show(caller: StaffCaller) -> Response``, and
   ``@screens.post("/console/things/{id}/end", roles=STOPPERS, fresh=True)`` over
   ``async def end(caller: StaffCaller, form: FormData) -> Response``.

   A screen that names no roles cannot be built. ``fresh=True`` asks for a code given a short time ago: the page of
   the same path (GET) shows the field with the macro ``proof``, and is shown again, with what was typed in
   ``caller.kept``, where the code is missing or wrong. ``screens.entry(...)`` puts it into the menu.
2. Its module in ``SCREENS`` of ``admin_api.console.staff.app``: there every test that crawls finds it.
3. A template under ``templates/staff/`` that extends ``staff/base.html``; its pieces are the macros of
   ``staff/pieces.html`` (``page_head``, ``filters``, ``pager``, ``empty``, ``state``, ``reason_field``, ``proof``,
   ``facts``) and ``when(instant)``. Return ``await page(caller, "staff/things.html", things=...)``.
4. Its words in both ``locales/*/messages.po`` of this package, under keys that begin with its noun.

Everything put into a template is escaped; what a device or a stranger said goes through the filter ``harmless``
besides. A list of rows is a ``table.fold`` whose cells carry ``data-label``: it becomes cards on a telephone. What
has to be read with a reason asks ``reading.granted`` first. No page needs scripts: htmx only saves a whole load.
"""
