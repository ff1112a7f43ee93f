"""
What goes wrong at the service itself; what agents raise is in flyte_agent_core.

Messages say what to do.
"""

from __future__ import annotations


class ServiceError(Exception):
    """Base of what is wrong with how the service is called or started."""


class UnknownAgentError(ServiceError):
    """An agent was asked for by a name that nothing installed has."""


class ConfigFileError(ServiceError):
    """A configuration file, or what it names (a certificate, a token), cannot be used."""


class ListenError(ServiceError):
    """An address cannot be bound."""


class NothingToServeError(ServiceError):
    """No agent is there to be served."""


class UnknownTaskTypeError(ServiceError):
    """No agent here serves the task type."""


class UnknownNameError(ServiceError):
    """No agent here has the name."""


class BadRequestError(ServiceError):
    """The request itself makes no sense."""


class BadMetadataError(ServiceError):
    """The metadata in a request is not what the agent wrote."""


class WrongKindError(ServiceError):
    """An async agent was asked for a synchronous answer."""


class BusyError(ServiceError):
    """An agent answers as many calls as it may."""


class DrainingError(ServiceError):
    """The service is being stopped and takes no further call."""


class StockAgentError(ServiceError):
    """An agent that is not built on our core raised; the message is what it said."""


class StandInError(ServiceError):
    """A stand-in for a platform cannot be started."""


class DemoError(ServiceError):
    """The demo did not go as it should."""
