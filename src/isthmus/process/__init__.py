"""Processes: steps across systems over time, in which people and deadlines take part.

A process is a plain function that is *replayed* from its history whenever something happened to it (a *turn*), so
nothing of it is in memory while it waits, for days if need be:

    @process("approval")
    async def approval(run: Run, request: Mapping[str, Any]) -> str:
        answer = await run.wait("decision", "Approve this request?", who="manager", within=timedelta(days=3))
        if answer is None or answer.value != "yes":
            return "refused"
        number = await run.step("order", lambda: make_order(request))
        await run.step("notice", lambda: tell(request, number))
        return "approved"

Everything that looks outside goes through ``run``: steps are run at least once and their results remembered; what is
between them is run again at every turn, and must only compute.
"""

from isthmus.process.definition import Definition, process
from isthmus.process.desk import cancel, retry, signal, start
from isthmus.process.run import Answer, Run
from isthmus.process.state import MOVED, OPEN, Entry, EntryKind, Process, ProcessState, Signal

__all__ = [
    "MOVED",
    "OPEN",
    "Answer",
    "Definition",
    "Entry",
    "EntryKind",
    "Process",
    "ProcessState",
    "Run",
    "Signal",
    "cancel",
    "process",
    "retry",
    "signal",
    "start",
]
