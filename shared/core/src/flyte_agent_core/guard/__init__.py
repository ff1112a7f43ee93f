"""
What makes the protocol's rules hold for every agent, whatever its author forgot.

Propeller repeats create, fails a task for good or lets it hang after six failed polls in its life,
and gives up a whole workflow when delete keeps failing (flyte v1.16.8,
flyteplugins/go/tasks/pluginmachinery/internal/webapi). So here create is joined and its orphans
are deleted, get never raises, and delete fails only when trying again can help.

There is a module for each operation; :mod:`.unwanted` stops the jobs that nobody else will.
"""

from __future__ import annotations

from .create import guarded as guarded_create
from .delete import guarded as guarded_delete
from .do import guarded as guarded_do
from .get import guarded as guarded_get

__all__ = ["guarded_create", "guarded_delete", "guarded_do", "guarded_get"]
